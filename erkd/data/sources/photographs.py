"""A folder of freely licensed photographs, from which the procedural source takes backgrounds and textures.

DIR/photographs.csv   a row per photograph: author, licence, origin, and what it may be used for
DIR/*.jpg             the photographs
"""

from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from erkd.io.files import InputError, sha256
from erkd.io.tables import SPLITS, read_results

TABLE = "photographs.csv"
USES = ("background", "texture")


@dataclass(frozen=True)
class Photograph:
    """A row of `photographs.csv`, whose columns `data/photographs/README.md` documents.

    `use` is one or both of `USES`, `licence` an SPDX expression.
    """

    file: str
    shows: str
    use: str
    split: str
    title: str
    author: str
    licence: str
    package: str
    path: str
    origin: str
    changes: str
    sha256: str


def read_photographs(folder: Path) -> list[Photograph]:
    """Read and check the table of photographs in `folder`.

    Raises InputError without a table, and for wrong entries, missing or changed files, and JPEGs without a row.
    """
    table = folder / TABLE
    if not table.is_file():
        raise InputError(f"{table}: no such file; set data.photographs to a folder that has one, or to null")
    rows = read_results(table, Photograph, "photographs")
    for row in rows:
        _check(row, folder)
    counts = Counter({path.name: 0 for path in folder.glob("*.jpg")})
    counts.update(row.file for row in rows)
    for name, count in sorted(counts.items()):
        if count != 1:
            raise InputError(f"{table}: {name} has {count} rows; every photograph needs one")
    return rows


def _check(row: Photograph, folder: Path) -> None:
    table, path = folder / TABLE, folder / row.file
    if row.split not in SPLITS or not row.use or not set(row.use.split()) <= {*USES}:
        raise InputError(
            f"{table}: {row.file}: expected a split of {', '.join(SPLITS)} and a use of {', '.join(USES)}; "
            f"found {row.split!r} and {row.use!r}"
        )
    if not (row.shows and row.author and row.licence):
        raise InputError(f"{table}: {row.file}: what it shows, its author and its licence have to be named")
    if path.parent != folder or not path.is_file():
        raise InputError(f"{path}: no such file, but a row of {TABLE}; bring it back or remove the row")
    if sha256(path) != row.sha256:
        raise InputError(f"{path}: not the file of its row (another SHA-256); bring it back or mend the row")
