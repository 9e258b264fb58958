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
from erkd.doctor.leftovers import find_leftovers
from erkd.doctor.moved_store import find_moved
from erkd.doctor.pipeline_state import describe_stages, stage_states
from erkd.io.files import InputError
from erkd.runtime.project import project_root
from erkd.tracking.store import store_uri

BASE = ("numpy", "pillow", "opencv-python-headless", "onnxruntime", "typer")
EXTRAS = {
    "torch": ("torch", "timm", "safetensors"),
    "pipeline": ("dvc", "mlflow", "great_expectations", "onnx"),
}


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
    yield from _store(start)
    yield from _project(project_root(start))


def _project(root: Path) -> Iterator[Check]:
    """Stale, missing, damaged and orphaned: what a checkout with `dvc.yaml` may have."""
    if not (root / "dvc.yaml").is_file():
        return
    unfinished = None
    if _version("dvc"):
        states = stage_states(root)
        if isinstance(states, str):
            yield Check("pipeline", f"`dvc status` does not answer: {states}", "mend what it says")
        else:
            unfinished = set(states)
            yield from describe_stages(root, states)
    yield from find_damage(root)
    yield from find_leftovers(root, unfinished)


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
    from erkd.inference.find_student import open_engine

    try:
        return Check("student", open_engine(None, "cpu").name)
    except InputError as error:
        return Check("student", "none that can be used", str(error), bad=True)


def _store(start: Path) -> Iterator[Check]:
    uri = store_uri(start)
    if not _version("mlflow"):
        yield Check("MLflow store", "MLflow is not installed")
        return
    file = Path(uri.removeprefix("sqlite:///"))
    if uri.startswith("sqlite:///") and not file.is_file():
        mend = "`make setup` makes it, and so does a training run"
        yield Check("MLflow store", f"{uri}: not there yet", mend)
        return
    yield Check("MLflow store", uri)
    if uri.startswith("sqlite:///"):
        yield from find_moved(file)
