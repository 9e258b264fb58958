"""Which files of a project are not what they were when their hash was written."""

from collections.abc import Iterator
from functools import partial
from pathlib import Path

from erkd.checks import Check
from erkd.files import InputError, check_hash, read_json, read_record
from erkd.restore import restore
from erkd.tables import check_table

TABLES = ("data/library/library.csv", "data/composites/manifest.csv", "data/trimaps/trimaps.csv")
RECORDS = ("data/features/features.json", "models/teacher/teacher.json")
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
    for record in (root / name for name in RECORDS):
        if record.is_file():
            try:
                hashes = read_record(record, MEND).get("sha256", {})
                yield from ((record.parent / name, expected) for name, expected in hashes.items())
            except InputError as error:
                yield record, error
    student, onnx = root / "models/student/student.json", root / "models/onnx/onnx.json"
    for record, names in (
        (student, {"student.safetensors": ()}),
        (onnx, {"student.onnx": (), "student.fp16.onnx": ("fp16",)}),
    ):
        if record.is_file():
            try:
                for name, keys in names.items():
                    content = read_json(record)
                    for key in (*keys, "sha256"):
                        content = content[key]
                    yield record.parent / name, content
            except InputError as error:
                yield record, error
            except (KeyError, TypeError) as error:
                yield record, InputError(f"{record}: not the record that it should be ({error!r})")
