"""What this installation can do, what the project around is missing, and how to mend both."""

import importlib.metadata
import os
import platform
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

from erkd import __version__
from erkd.doctor.check import Check
from erkd.doctor.damage import find_damage
from erkd.doctor.pipeline_state import describe_stages, find_scratch, stage_states
from erkd.inference.find_student import open_engine
from erkd.io.files import InputError
from erkd.runtime.project import project_root
from erkd.tracking.fetch import fetch
from erkd.tracking.store import EXPERIMENT, artifacts_folder, connect, is_at, reason, store_uri

BASE = ("numpy", "pillow", "opencv-python-headless", "onnxruntime", "typer")
EXTRAS = {"torch": ("torch", "timm", "safetensors"), "pipeline": ("dvc", "mlflow", "great_expectations", "onnx")}


def examine(start: Path) -> Iterator[Check]:
    """Look at the installation and at the project around `start`, one thing after another."""
    yield Check("erkd", f"{__version__}, Python {platform.python_version()}, {platform.platform(terse=True)}")
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    yield Check("processor", f"{cores} cores")
    yield _packages("packages", BASE, "pip install erkd", needed=True)
    for extra, packages in EXTRAS.items():
        yield _packages(f"extra {extra}", packages, f"pip install 'erkd[{extra}]'")
    yield _device()
    yield _student()
    yield check_store(start)
    yield from check_registry(start)
    root = project_root(start)
    if (root / "dvc.yaml").is_file():
        yield from _project(root)


def _project(root: Path) -> Iterator[Check]:
    """Stale, missing, damaged and left over: what a checkout with `dvc.yaml` may have."""
    unfinished = None
    if _version("dvc"):
        states = stage_states(root)
        if isinstance(states, str):
            yield Check("pipeline", f"`dvc status` does not answer: {states}", "mend what it says")
        else:
            unfinished = set(states)
            yield from describe_stages(root, states)
    yield from find_damage(root)
    yield from find_scratch(root, unfinished)


def _packages(name: str, packages: tuple[str, ...], mend: str, needed: bool = False) -> Check:
    versions = {package: _version(package) for package in packages}
    missing = [package for package, version in versions.items() if not version]
    found = ", ".join(f"{package} {version}" for package, version in versions.items() if version) or "none"
    if not missing:
        return Check(name, found)
    return Check(name, f"{found}; missing: {', '.join(missing)}", mend, needed)


def _version(package: str) -> str:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return ""


def _device() -> Check:
    if not find_spec("torch"):
        return Check("device", "CPU, by ONNX Runtime")
    import torch

    if torch.cuda.is_available():
        return Check("device", f"CUDA: {torch.cuda.get_device_name()}")
    return Check("device", "CPU; torch finds no CUDA")


def _student() -> Check:
    try:
        return Check("student", open_engine(None, "cpu").name)
    except InputError as error:
        return Check("student", "none that can be used", str(error), bad=True)


def check_registry(start: Path) -> Iterator[Check]:
    """The file of every registered student that has an alias."""
    if not _version("mlflow") or not Path(store_uri(start).removeprefix("sqlite:///")).is_file():
        return
    try:
        client, _ = connect(start)
        models = client.search_registered_models()
    except Exception:  # `check_store` says it
        return
    for address in (f"models:/{model.name}@{alias}" for model in models for alias in model.aliases):
        try:
            fetch(address, start)
        except InputError as error:
            found, _, mend = str(error).removeprefix(f"{address}: ").rpartition("; ")
            yield Check("registered", f"{address}: {found}", mend, bad=True)
        else:
            yield Check("registered", address)


def check_store(start: Path) -> Check:
    """The MLflow store beside the project: there, readable, and its artifacts where it looks for them."""
    uri = store_uri(start)
    if not _version("mlflow"):
        return Check("MLflow store", "MLflow is not installed")
    if not uri.startswith("sqlite:///"):
        return Check("MLflow store", uri)
    if not Path(uri.removeprefix("sqlite:///")).is_file():
        mend = "`make setup` makes it, and so does a training run"
        return Check("MLflow store", f"{uri}: not there yet", mend)
    anew = "move mlflow.db away, and `make mlflow-sync` logs the last training run anew"
    try:
        client, _ = connect(start)
        first = client.get_experiment_by_name(EXPERIMENT)
    except Exception as error:  # of MLflow, SQLAlchemy, Alembic, the file system
        return Check("MLflow store", f"{uri}: {reason(error)}", anew, bad=True)
    now = artifacts_folder(start)
    if first is None or is_at(first.artifact_location, now):
        return Check("MLflow store", uri)
    former = Path(first.artifact_location.removeprefix("file://"))
    if former.exists():
        says = f"{uri}: what was logged before the project was copied lies in {former}, what is logged now in {now}"
        return Check("MLflow store", says, f"nothing needs mending while {former} is there; else {anew}")
    says = f"{uri} looks for artifacts in {former}, which is gone: the project was moved"
    link = f"mkdir -p {former.parent} && ln -s {now} {former}"
    return Check("MLflow store", says, f"`{link}` mends it; or {anew}")
