"""Where results come from: parameters, licences of the data, hashes, packages, machine, and timings."""

import contextlib
import os
import platform
from collections import Counter
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from erkd.io.files import read_json, sha256
from erkd.io.tables import LayerRow, read_table
from erkd.report.tables import Rows

PACKAGES = (
    "torch", "torchvision", "timm", "open_clip_torch", "numpy", "opencv-python-headless", "pillow",
    "pymatting", "onnx", "onnxruntime", "great_expectations", "mlflow", "dvc",
)  # fmt: skip


def licences(library: Path) -> Rows:
    """Kind, source and licence of the layers in the library's table, and how many there are."""
    counts = Counter((f"{row.kind}s", row.source, row.licence) for row in read_table(library, LayerRow))
    return [["layers", "source", "licence", "count"], *([*names, str(counts[names])] for names in sorted(counts))]


def environment() -> dict[str, str]:
    """Python, packages and machine of this process."""
    found = {"Python": platform.python_version()}
    for package in PACKAGES:
        with contextlib.suppress(PackageNotFoundError):
            found[package] = version(package)
    machine = f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores"
    return found | {"machine": machine, "accelerator": _accelerator()}


def _accelerator() -> str:
    try:
        import torch
    except ImportError:
        return "none (torch is not installed)"
    return torch.cuda.get_device_name() if torch.cuda.is_available() else "none"


def hashes(files: Mapping[str, Path]) -> dict[str, str]:
    """The SHA-256 of every file that exists, by the name it is given here."""
    return {name: sha256(path) for name, path in files.items() if path.is_file()}


def timings(folder: Path) -> Rows:
    """Seconds and peak memory of every stage from the files of `reports/timings/`; empty without any.

    Files of costs by method (see `erkd.evaluation.costs`) lie there too; they hold no `seconds` of their own.
    """
    contents = {path.stem: read_json(path) for path in sorted(folder.glob("*.json"))}
    rows = [
        [stage, str(content["seconds"]), str(content.get("peak_mib", ""))]
        for stage, content in contents.items()
        if "seconds" in content
    ]
    return [["stage", "seconds", "peak memory, MiB"], *rows] if rows else []
