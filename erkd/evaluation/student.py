"""The student that is scored, loaded by each worker of a cluster for itself."""

from functools import lru_cache, partial
from pathlib import Path

from erkd.evaluation.costs import Clock, clock_of
from erkd.evaluation.scores import Loader, Predictor
from erkd.inference.matter import Matter
from erkd.io.files import sha256


def student_loader(root: Path, device: str) -> Loader:
    """Loads the student of `models/student` below `root` on the device that is found where it is called.

    A worker keeps it until the files of the student or its export are others.
    """
    folders = root / "models/student", root / "models/onnx"
    state = " ".join(sha256(folder) for folder in folders if folder.is_dir())
    return partial(_load, folders[0], device, state)


@lru_cache(maxsize=1)
def _load(folder: Path, device: str, _: str) -> tuple[Predictor, Clock]:
    matter = Matter.load(folder, device)
    return matter, clock_of(matter.engine.device)
