"""Find the student to use: a path, an address in the model registry, or a default."""

import os
from importlib.resources import files
from pathlib import Path

from erkd.inference.engines import Engine, onnx_engine, torch_engine
from erkd.io.files import InputError, read_json
from erkd.runtime.project import project_root

DEVICES = ("auto", "cpu", "cuda")
QUALITIES = {"fast": "nano", "balanced": "small", "best": "base"}  # the package's students by what they are for
DEFAULT = "balanced"
ONNX = "student.onnx"
WEIGHTS = "student.safetensors"
HOW_TO_GET_ONE = (
    "no student found: this package carries none, and there is no models/onnx here; "
    "name one (a student's folder, a student.onnx, or models:/erkd-student@champion), or train one by `make repro`"
)


def open_engine(
    spec: str | Path | None, device: str = "auto", threads: int = 0, quality: str | None = None
) -> Engine:
    """Load a student: in PyTorch on CUDA or without an ONNX file, else in ONNX Runtime on the CPU.

    `spec` is a folder with `student.onnx` or `student.safetensors`, an ONNX file, an address in MLflow's registry
    such as `models:/erkd-student@champion`, or None for the packaged student of this `quality` (`QUALITIES`); without
    either `DEFAULT`, else that of the last `dvc repro`.
    `threads` are ONNX Runtime's, 0: one on each core.
    Raises InputError when there is none.
    """
    if device not in DEVICES:
        raise InputError(f"device: {device}; it is one of {', '.join(DEVICES)}")
    path = resolve(spec, quality)
    onnx, weights = _find(path)
    if weights and (device == "cuda" or (device == "auto" and _has_cuda())):
        return torch_engine(weights, device)
    if device == "cuda":
        raise InputError(f"{path}: CUDA needs a student's folder ({WEIGHTS}); an ONNX file runs on the CPU")
    if onnx:
        return onnx_engine(onnx, threads)
    if weights:
        return torch_engine(weights, device)
    raise InputError(f"{path}: neither {ONNX} nor {WEIGHTS} is in this folder")


def resolve(spec: str | Path | None, quality: str | None = None) -> Path:
    """The file or folder that `spec` or `quality` stands for. Raises InputError for none, or both."""
    if quality is not None:
        if spec is not None:
            raise InputError(f"quality {quality} names a student of the package, model {spec} another; give one")
        return _of_quality(quality)
    if spec is None:
        found = packaged() or last_repro()
        if found is None:
            raise InputError(HOW_TO_GET_ONE)
        return found
    if str(spec).startswith("models:/"):
        from erkd.tracking.fetch import fetch

        return fetch(str(spec), Path.cwd())
    path = Path(spec)
    if not path.exists():
        raise InputError(f"{path}: no such student; a folder, an ONNX file or models:/NAME@ALIAS is expected")
    return path


def packaged(quality: str = DEFAULT) -> Path | None:
    """The folder of the released student of this quality in the package, if any."""
    folder = Path(str(files("erkd"))) / "weights" / QUALITIES[quality]
    return folder if (folder / ONNX).is_file() else None


def _of_quality(quality: str) -> Path:
    if quality not in QUALITIES:
        raise InputError(f"quality: {quality}; it is one of {', '.join(QUALITIES)}")
    found = packaged(quality)
    if found is None:
        there = ", ".join(name for name in QUALITIES if packaged(name)) or "none"
        raise InputError(
            f"quality {quality}: the student {QUALITIES[quality]} is not in this package; there are: {there}"
        )
    return found


def last_repro() -> Path | None:
    """The exported student of the project around the working directory, if any."""
    folder = project_root(Path.cwd()) / "models/onnx"
    return folder if (folder / ONNX).is_file() else None


def _find(path: Path) -> tuple[Path | None, Path | None]:
    """The ONNX file and the folder of weights at `path`; None for what is missing."""
    if path.is_file():
        return path, None
    beside = [path / ONNX, path.parent / "onnx" / ONNX]
    onnx = next((file for file in beside if file.is_file() and _is_of(file, path)), None)
    return onnx, path if (path / WEIGHTS).is_file() else None


def _is_of(onnx: Path, folder: Path) -> bool:
    """Whether an ONNX file was exported from the weights in `folder`; one in that folder counts as such."""
    if onnx.parent == folder:
        return True
    student, record = folder / "student.json", onnx.with_name("onnx.json")
    if not (student.is_file() and record.is_file()):
        return False
    return bool(read_json(student).get("sha256") == read_json(record).get("student_sha256"))


def _has_cuda() -> bool:
    """Whether this machine has an NVIDIA driver, found out without the seconds that importing torch takes."""
    return os.path.exists("/dev/nvidiactl")
