"""Which files of a project are not what they were when their hash was written."""

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path

from erkd.doctor.check import Check
from erkd.doctor.restore import restore
from erkd.inference.engines import export_hashes
from erkd.io.files import InputError, check_hash, read_json, read_record
from erkd.io.tables import check_table

TABLES = ("data/library/library.csv", "data/composites/manifest.csv", "data/trimaps/trimaps.csv")
MEND = "`erkd doctor --fix` takes it from DVC's cache, or `dvc repro` makes it anew"


def find_damage(root: Path) -> Iterator[Check]:
    """Compare tables, caches and weights with their hashes; what was never made is no damage."""
    good, bad = 0, []
    for path in (root / name for name in TABLES):
        if path.is_file():
            try:
                check_table(path)
                good += 1
            except InputError as error:
                bad.append((path, str(error)))
    for path, expected in _hashed_files(root):
        try:
            if isinstance(expected, InputError):
                raise expected
            check_hash(path, expected, MEND)
            good += 1
        except InputError as error:
            bad.append((path, str(error)))
    yield Check("hashes", f"{good} files are what they were" if good else "no hashed file here yet")
    for path, told in bad:
        yield Check("damaged", told.split(";")[0], MEND, bad=True, fix=partial(restore, root, path.parent))


def _hashed_files(root: Path) -> Iterator[tuple[Path, object]]:
    """Files and the SHA-256 that a record beside them gives, or what is wrong with the record."""
    for name, hashes in RECORDS.items():
        record = root / name
        if record.is_file():
            try:
                yield from ((record.parent / file, expected) for file, expected in hashes(record).items())
            except InputError as error:
                yield record, error


def _own_hashes(record: Path) -> dict[str, object]:
    return read_record(record, MEND).get("sha256", {})


def _student_hashes(record: Path) -> dict[str, object]:
    try:
        return {"student.safetensors": read_json(record)["sha256"]}
    except (KeyError, TypeError) as error:
        raise InputError(f"{record}: not the record that it should be ({error!r})") from None


RECORDS: dict[str, Callable[[Path], Mapping[str, object]]] = {
    "data/features/features.json": _own_hashes,
    "models/teacher/teacher.json": _own_hashes,
    "models/student/student.json": _student_hashes,
    "models/onnx/onnx.json": export_hashes,
}
