"""Official lists of file names, one per line, and the files that they name."""

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from erkd.io.files import InputError, composed, read_text
from erkd.io.image_files import SUFFIXES
from erkd.io.tables import shorten


def read_lines(path: Path, where: str) -> list[str]:
    """Read the names in a list. Raises InputError, ending with the hint `where`, when it is missing or empty."""
    if not path.is_file():
        beside = sorted(entry.name for entry in path.parent.iterdir()) if path.parent.is_dir() else []
        raise InputError(f"{path}: no such list; found {shorten(beside, 8) or 'no such folder'}; {where}")
    names = [line.strip() for line in read_text(path).split("\n") if line.strip()]
    if not names:
        raise InputError(f"{path}: no names in it; {where}")
    return names


def find_files(
    names: Iterable[str], folders: Sequence[Path], where: str, by: Callable[[str], str] = str
) -> list[Path]:
    """Find the file of each name in the first of `folders` that has it; InputError lists missing ones.

    Names match when `by` maps them to equal keys, e.g. `stem` where suffixes differ, and however Unicode spells them;
    `where` ends the message.
    """
    known: dict[str, Path] = {}
    for folder in reversed(folders):
        files = (file for file in folder.rglob("*") if file.suffix.lower() in SUFFIXES)
        known |= {composed(by(file.name)): file for file in files if not file.name.startswith(".")}
    wanted = [composed(by(name)) for name in names]
    absent = [name for name in wanted if name not in known]
    if absent:
        raise InputError(
            f"{' or '.join(map(str, folders))}: {len(absent)} of {len(wanted)} files are missing: "
            f"{shorten(absent, 5)}; found {len(known)} pictures; {where}"
        )
    return [known[name] for name in wanted]


def stem(name: str) -> str:
    """A file name without its suffix."""
    return Path(name).stem


def number(name: str) -> str:
    """A COCO file name without the prefix that only the 2014 edition has."""
    return name.removeprefix("COCO_train2014_")


def check_counts(pairs: int, backgrounds: int, each: int, lists: str) -> None:
    """Raise InputError unless there are `each` backgrounds for every foreground."""
    if backgrounds != pairs * each:
        raise InputError(
            f"{lists}: {pairs} foregrounds need {pairs * each} backgrounds, {each} each; found {backgrounds}"
        )
