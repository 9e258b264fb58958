"""What this installation can do, and how to mend what it cannot."""

import importlib.metadata
import os
import platform
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from erkd import __version__
from erkd.files import InputError

BASE = ("numpy", "pillow", "opencv-python-headless", "onnxruntime", "typer")
EXTRAS = {
    "torch": ("torch", "timm", "safetensors"),
    "pipeline": ("dvc", "mlflow", "great_expectations", "onnx"),
}


@dataclass(frozen=True)
class Check:
    """One line: what was looked at, what was found, and, where something is wrong, how to mend it.

    `needed` says whether `erkd matte` cannot do without it.
    """

    name: str
    found: str
    mend: str = ""
    needed: bool = False


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
    yield _store(start)


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
    from erkd.specs import open_engine

    try:
        return Check("student", open_engine(None, "cpu").name)
    except InputError as error:
        return Check("student", "none that can be used", str(error), needed=True)


def _store(start: Path) -> Check:
    from erkd.store import store_uri

    uri = store_uri(start)
    if not _version("mlflow"):
        return Check("MLflow store", "MLflow is not installed")
    if uri.startswith("sqlite:///") and not Path(uri.removeprefix("sqlite:///")).is_file():
        return Check(
            "MLflow store", f"{uri}: not there yet", "`make setup` makes it, and so does a training run"
        )
    return Check("MLflow store", uri)
