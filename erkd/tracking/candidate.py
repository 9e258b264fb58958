"""A student that may be registered: its files belong together, and what it was measured on has a fingerprint."""

import hashlib
import re
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from erkd.io.files import InputError, read_json, sha256
from erkd.io.tables import CompositeRow, TrimapRow, read_table, resolve


@dataclass(frozen=True)
class Candidate:
    """A trained, exported and scored student, and what is worth knowing about it.

    `metrics` is the content of `reports/metrics.json`, `record` that of `student.json`.
    """

    onnx: Path
    student_sha256: str
    data_sha256: str
    metrics: Mapping[str, Any]
    licences: tuple[str, ...]
    record: Mapping[str, Any]

    @property
    def sad(self) -> float:
        """Mean SAD over the unknown regions of the validation images, thousands of pixels. Raises InputError."""
        found = self.metrics.get("validation", {}).get("student", {}).get("sad")
        if found is None:
            raise InputError(
                "reports/metrics.json: no validation SAD of the student, so it cannot be compared; "
                "`dvc repro evaluate` measures it"
            )
        return float(found)


def read_candidate(root: Path) -> Candidate:
    """The student under `root`. Raises InputError when a file is missing or belongs to other weights."""
    onnx = root / "models/onnx/student.onnx"
    export = read_json(onnx.with_name("onnx.json"))
    weights = sha256(root / "models/student/student.safetensors")
    if (export["student_sha256"], export["sha256"]) != (weights, sha256(onnx)):
        raise InputError(f"{onnx}: not the export of models/student; `dvc repro export` makes it anew")
    manifest = root / "data/composites/manifest.csv"
    return Candidate(
        onnx=onnx,
        student_sha256=weights,
        data_sha256=validation_digest(manifest, root / "data/trimaps/trimaps.csv"),
        metrics=read_json(root / "reports/metrics.json"),
        licences=group_licences(row.licence for row in read_table(manifest, CompositeRow)),
        record=read_json(root / "models/student/student.json"),
    )


def group_licences(named: Iterable[str]) -> tuple[str, ...]:
    """Each licence once, with all whose works are under it: of `A (X, x.jpg) + B` and `A (Y)`, `A (X, Y)` and `B`."""
    authors: defaultdict[str, set[str]] = defaultdict(set)
    for part in {part for parts in named for part in parts.split(" + ")}:
        found = re.fullmatch(r"(.+?) \((.+?)(?:, [^ ,]+\.jpg)?\)", part)
        authors[found[1] if found else part].update([found[2]] if found else [])
    return tuple(f"{name} ({', '.join(sorted(whose))})" if whose else name for name, whose in sorted(authors.items()))


def validation_digest(manifest: Path, trimaps: Path) -> str:
    """SHA-256 over the validation rows of both tables and the bytes of the files that they name.

    Two students were measured on the same data when it is equal. Raises InputError without such rows.
    """
    composites = read_table(manifest, CompositeRow, "validation")
    if not composites:
        raise InputError(f"{manifest}: no validation row, so students cannot be compared")
    lines = []
    for row in composites:
        lines += [row.sample_id, *(sha256(resolve(manifest, name)) for name in (row.image, row.alpha))]
    for trimap in read_table(trimaps, TrimapRow, "validation"):
        lines += [trimap.sample_id, sha256(resolve(trimaps, trimap.trimap))]
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()
