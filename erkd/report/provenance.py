"""Where results come from: parameters, licences of the data, hashes, packages, machine, and timings."""

import os
import platform
from collections import Counter
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from erkd.io.files import read_json, sha256
from erkd.io.tables import LayerRow, read_table

PACKAGES = (
    "torch", "torchvision", "timm", "open_clip_torch", "numpy", "opencv-python-headless", "pillow",
    "pymatting", "onnx", "onnxruntime", "great_expectations", "mlflow", "dvc",
)  # fmt: skip


def licences(library: Path) -> list[tuple[str, str, str, int]]:
    """(kind, source, licence, number of layers) of the library's table, in alphabetical order."""
    counts = Counter((row.kind, row.source, row.licence) for row in read_table(library, LayerRow))
    return [(*names, counts[names]) for names in sorted(counts)]


def environment() -> list[tuple[str, str]]:
    """Python, packages and machine of this process, as pairs of a name and its value."""
    rows = [("Python", platform.python_version())]
    for package in PACKAGES:
        try:
            rows.append((package, version(package)))
        except PackageNotFoundError:
            continue
    machine = f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores"
    return [*rows, ("machine", machine), ("accelerator", _accelerator())]


def _accelerator() -> str:
    try:
        import torch
    except ImportError:
        return "none (torch is not installed)"
    return torch.cuda.get_device_name() if torch.cuda.is_available() else "none"


def hashes(files: Mapping[str, Path]) -> list[tuple[str, str]]:
    """The SHA-256 of every file that exists, by the name it is given here."""
    return [(name, sha256(path)) for name, path in files.items() if path.is_file()]


def timings(folder: Path) -> list[tuple[str, str, str]]:
    """(stage, seconds, peak memory in MiB) from the files of `reports/timings/`; empty without the folder.

    Files of costs by method (see `erkd.evaluation.costs`) lie there too; they hold no `seconds` of their own.
    """
    contents = {path.stem: read_json(path) for path in sorted(folder.glob("*.json"))}
    return [
        (stage, str(content["seconds"]), str(content.get("peak_mib", "")))
        for stage, content in contents.items()
        if "seconds" in content
    ]
