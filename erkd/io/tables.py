"""The tables that name every sample: row dataclasses, and one way to read and write them as CSV.

Paths in a table are relative to the table's folder and may not leave it. Beside TABLE.csv lies TABLE.csv.sha256,
its hash, without which and against which no row is read. Tables of results, which git keeps, have neither.
"""

import csv
import io
import re
import sys
import zlib
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass, fields
from itertools import chain
from operator import attrgetter
from pathlib import Path
from typing import Any, TypeVar, cast

from erkd.io.files import ESCAPED, InputError, atomic, check_written_hash, read_text, write_hash

SPLITS = ("train", "validation", "test")
# materials of layers that training treats in a way of their own
PHOTOGRAPH = "picture"  # backgrounds that are photographs
FLAT = ("flag", "card")  # what lies in a plane; small ones are attached to other drawn materials at times
FILE_NAME = r"[^/\\\x00-\x1f.][^/\\\x00-\x1f]*"  # it leads to no other folder


@dataclass(frozen=True, slots=True)
class LayerRow:
    """`library.csv`: one foreground (image and alpha) or one background (image alone, `alpha` empty)."""

    layer_id: str
    kind: str
    split: str
    source: str
    licence: str
    material: str
    image: str
    alpha: str
    height: int
    width: int
    seed: int
    caption: str


@dataclass(frozen=True, slots=True)
class CompositeRow:
    """`manifest.csv`: one composite, with the layers and the seed that rebuild it alone.

    `caption` says the whole picture; the two phrases say what each layer shows.
    """

    sample_id: str
    split: str
    source: str
    licence: str
    foreground_id: str
    background_id: str
    material: str
    image: str
    alpha: str
    height: int
    width: int
    seed: int
    caption: str
    foreground_phrase: str
    background_phrase: str


@dataclass(frozen=True, slots=True)
class TrimapRow:
    """`trimaps.csv`: one trimap per composite, the radii (pixels) it was drawn with, and its shares."""

    sample_id: str
    split: str
    trimap: str
    foreground_radius: int
    background_radius: int
    unknown_fraction: float
    seed: int


@dataclass(frozen=True, slots=True)
class Sample:
    """One image to score: absolute paths of image, trimap and (where known) alpha. Not a table row.

    `group` is the label results are averaged under, as "Trimap1".
    """

    sample_id: str
    image: Path
    trimap: Path
    alpha: Path
    group: str = ""
    material: str = ""


def _integer(cell: str) -> int:
    number = int(cell)
    if abs(number) >= 2**63:
        raise ValueError(f"{cell[:20]}... has more than 64 bits")
    return number


CONVERTERS: dict[type, Callable[[str], Any]] = {str: sys.intern, int: _integer, float: float}  # texts often repeat

Row = TypeVar("Row", LayerRow, CompositeRow, TrimapRow)
Result = TypeVar("Result")
Item = TypeVar("Item")


def write_table(rows: Iterable[Row], path: Path) -> None:
    """Write rows, at least one, as CSV, atomically, in the order given, and the table's hash.

    They are written as they come, so a stage need not hold them.
    """
    with atomic(path) as temporary, temporary.open("w", encoding="utf-8", newline="") as stream:
        writer, coming = csv.writer(stream, lineterminator="\n"), iter(rows)
        first = next(coming)
        names = [field.name for field in fields(first)]
        writer.writerow(names)
        writer.writerows(map(attrgetter(*names), chain([first], coming)))
    write_hash(path)


def check_table(path: Path) -> None:
    """Raise InputError unless a table is there and as it was written."""
    if not path.is_file():
        raise InputError(f"{path}: no such table; `dvc repro` writes it")
    own = f"sha256sum {path.name} > {path.name}.sha256"
    mend = f"`dvc repro` writes it anew; where the change is meant, run `{own}` in its folder"
    check_written_hash(path, mend)


def read_table(path: Path, row_type: type[Row], split: str | None = None) -> list[Row]:
    """Read the rows of a table, or those of one split. Raises InputError that names file and column.

    A row's id is in its first column, and files are called after it: one that leads elsewhere is refused.
    """
    names = [field.name for field in fields(row_type)]
    converters: list[Callable[[str], Any]] = [CONVERTERS[cast(type, field.type)] for field in fields(row_type)]
    is_file_name = re.compile(FILE_NAME).fullmatch
    check_table(path)
    rows = []
    try:
        with path.open(encoding="utf-8", newline="") as stream:
            lines = csv.reader(stream, strict=True)
            header = next(lines, [])
            if header != names:
                raise InputError(f"{path}: expected the columns {', '.join(names)}; found {', '.join(header)}")
            for line in filter(None, lines):
                row = row_type(*(convert(cell) for convert, cell in zip(converters, line, strict=True)))
                if not is_file_name(line[0]):
                    raise InputError(
                        f"{path}: {names[0]} {line[0]!r} is no file name, which files are called after it"
                    )
                if split is None or row.split == split:
                    rows.append(row)
    except (ValueError, csv.Error) as error:
        raise InputError(f"{path}: not a readable table ({error})") from None
    return rows


def take_turns(rows: Sequence[Item], kind: Callable[[Item], str], count: int) -> list[Item]:
    """`count` rows at most, one of each kind in turn (kinds by name, rows as they come), sorted by kind."""
    seen: Counter[str] = Counter()
    numbered = []
    for place, row in enumerate(rows):
        numbered.append((seen[kind(row)], kind(row), place))
        seen[kind(row)] += 1
    taken = sorted(numbered)[:count]
    return [rows[place] for _, _, place in sorted(taken, key=lambda turn: (turn[1], turn[0]))]


def write_results(rows: Sequence[Any], path: Path) -> None:
    """Write one line per row, all of one dataclass of text and numbers."""
    with atomic(path) as temporary, temporary.open("w", encoding="utf-8", errors=ESCAPED, newline="") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow([field.name for field in fields(rows[0])])
        writer.writerows(asdict(row).values() for row in rows)


def read_results(path: Path, row_type: type[Result], what: str) -> list[Result]:
    """The rows that `write_results` wrote. Raises InputError for any file that is no table of `what`."""
    types: Any = {field.name: field.type for field in fields(cast(Any, row_type))}
    lines = csv.DictReader(io.StringIO(read_text(path)))
    try:
        return [row_type(**{name: types[name](cell) for name, cell in line.items()}) for line in lines]
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(f"{path}: not a table of {what} ({error!r}); make it anew") from None


def row_seed(seed: int, name: str) -> int:
    """The seed of one row, from the run's and from what the row is called: no other row can change it."""
    return (seed + zlib.crc32(name.encode())) % 2**32


def resolve(table: Path, relative: str) -> Path:
    """The file that a table's path names. Raises InputError when it leaves the table's folder."""
    try:
        path = (table.parent / relative).resolve()
    except (OSError, ValueError, RuntimeError) as error:  # no path, or links in a circle
        raise InputError(f"{table}: the path {relative[:80]!r} leads nowhere ({error})") from None
    if not path.is_relative_to(table.parent.resolve()):
        raise InputError(f"{table}: the path {relative!r} leaves the table's folder")
    return path


def list_composites(composites: Path, trimaps: Path, split: str) -> list[Sample]:
    """The samples of one split, from the tables `manifest.csv` and `trimaps.csv` of two folders.

    Raises InputError that names a sample that has no trimap.
    """
    manifest, trimap_table = composites / "manifest.csv", trimaps / "trimaps.csv"
    trimap_rows = {row.sample_id: row for row in read_table(trimap_table, TrimapRow, split)}
    rows = read_table(manifest, CompositeRow, split)
    missing = [row.sample_id for row in rows if row.sample_id not in trimap_rows]
    if missing:
        raise InputError(f"{trimap_table}: no trimap for {shorten(missing)}; run the stage trimap again")
    return [
        Sample(
            sample_id=row.sample_id,
            image=resolve(manifest, row.image),
            trimap=resolve(trimap_table, trimap_rows[row.sample_id].trimap),
            alpha=resolve(manifest, row.alpha),
            group=split,
            material=row.material,
        )
        for row in rows
    ]


def shorten(names: Sequence[str], most: int = 20) -> str:
    """Names in one line; of a longer list the first `most` and how many more there are."""
    rest = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + rest
