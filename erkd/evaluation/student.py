"""The student that is scored, as users run it: here, or loaded by each worker of a cluster for itself."""

from functools import lru_cache, partial
from pathlib import Path

from erkd.evaluation.costs import Clock, clock_of
from erkd.evaluation.scores import Loader, Predictor
from erkd.inference.matter import Matter
from erkd.io.files import sha256
from erkd.params import Params


def open_student(root: Path, params: Params) -> Matter:
    """Open the student of `models/student` below `root`: by ONNX Runtime on the CPU, by PyTorch on CUDA."""
    return _open(root / "models/student", params.device, params.threads, params.deterministic)


def student_loader(root: Path, params: Params) -> Loader:
    """As `open_student`, where it is called and on the device found there.

    A worker keeps the student until the files of it or of its export are others. ONNX Runtime has one core there,
    as there is a worker for each; an alpha is the same on any number.
    """
    folders = root / "models/student", root / "models/onnx"
    state = " ".join(sha256(folder) for folder in folders if folder.is_dir())
    return partial(_load, folders[0], params.device, params.threads, params.deterministic, state)


@lru_cache(maxsize=1)
def _load(folder: Path, device: str, threads: int, deterministic: bool, _: str) -> tuple[Predictor, Clock]:
    matter = _open(folder, device, threads, deterministic, cores=1)
    return matter, clock_of(matter.engine.device)


def _open(folder: Path, device: str, threads: int, deterministic: bool, cores: int = 0) -> Matter:
    matter = Matter.load(folder, device, threads=cores)
    if matter.engine.device == "cuda":  # the CPU's ONNX Runtime has no use for torch
        from erkd.runtime.device import prepare_torch

        prepare_torch(threads, deterministic)
    return matter
