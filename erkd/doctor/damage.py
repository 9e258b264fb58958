"""Which tables, caches and weights of a project are not what they were when their hash was written."""

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path

from erkd.doctor.check import MEND, Check, restore
from erkd.inference.engines import export_hashes
from erkd.io.files import InputError, check_hash, read_json, read_record
from erkd.io.tables import check_table

TABLES = ("data/library/library.csv", "data/composites/manifest.csv", "data/trimaps/trimaps.csv")
# records of hashes, and how to read the SHA-256 of the files beside them
RECORDS: dict[str, Callable[[Path], Mapping[str, object]]] = {
    "data/features/features.json": lambda record: read_record(record, MEND)["sha256"],
    "models/teacher/teacher.json": lambda record: read_record(record, MEND)["sha256"],
    "models/student/student.json": lambda record: {"student.safetensors": read_json(record)["sha256"]},
    "models/onnx/onnx.json": export_hashes,
}


def find_damage(root: Path) -> Iterator[Check]:
    """Compare a project's tables and folders with their recorded hashes; what was never made is no damage."""
    good, bad = 0, []
    for path in filter(Path.is_file, (root / name for name in (*TABLES, *RECORDS))):
        try:
            _check(path, RECORDS.get(path.relative_to(root).as_posix()))
            good += 1
        except InputError as error:
            told = str(error).split(";")[0]
            bad.append(Check("damaged", told, MEND, bad=True, fix=partial(restore, root, path.parent)))
    yield Check("hashes", f"{good} tables and folders are what they were" if good else "nothing hashed here yet")
    yield from bad


def _check(path: Path, hashes: Callable[[Path], Mapping[str, object]] | None) -> None:
    if hashes is None:
        return check_table(path)
    try:
        expected = hashes(path).items()
    except (AttributeError, KeyError, TypeError) as error:
        raise InputError(f"{path}: not the record that it should be ({error!r})") from None
    for file, digest in expected:
        check_hash(path.parent / file, digest, MEND)
