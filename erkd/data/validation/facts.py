"""Read the three tables as text and add columns with facts about their files: sizes, splits, unknown pixels.

`erkd.data.validation.suite` validates them. A cell whose fact is missing (no file, no such layer) says so.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import fields
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from erkd.io.files import InputError, sha256
from erkd.io.image_files import FORMATS, MAX_PIXELS
from erkd.io.tables import SPLITS, CompositeRow, LayerRow, TrimapRow, check_table, resolve
from erkd.io.trimap_values import TRIMAP_FILE_VALUES
from erkd.runtime.parallel import map_rows

if TYPE_CHECKING:
    import pandas as pd

FOUND = "found"
ROW_TYPES = {"library": LayerRow, "composites": CompositeRow, "trimaps": TrimapRow}
IDS = {
    "library": "layer_id", "foregrounds": "layer_id", "backgrounds": "layer_id",
    "composites": "sample_id", "trimaps": "sample_id", "splits": "split",
}  # fmt: skip


def read_frame(path: Path) -> "pd.DataFrame":
    """Read a table with every cell as text, and a column `line`, its line in the file.

    Raises InputError that names the file when it is missing, changed or not CSV.
    """
    import pandas as pd

    check_table(path)
    try:
        frame = pd.read_csv(path, dtype=str, keep_default_na=False)
    except (ValueError, pd.errors.ParserError) as error:
        raise InputError(f"{path}: not a readable table ({error})") from None
    return frame.assign(line=range(2, len(frame) + 2))


def columns_of(table: str) -> list[str]:
    """The columns that a table must have, in order."""
    return [field.name for field in fields(ROW_TYPES[table])]


def add_facts(
    frames: Mapping[str, "pd.DataFrame"],
    paths: Mapping[str, Path],
    expected_layers: Mapping[str, Mapping[str, int]],
    per_foreground: Mapping[str, int],
) -> dict[str, "pd.DataFrame"]:
    """Add columns with facts about files and references between tables.

    Args:
        frames: `library`, `composites` and `trimaps`.
        paths: The tables' files.
        expected_layers: Expected rows of `foregrounds` and `backgrounds` per split; a kind left out needs at least
            one.
        per_foreground: Expected composites of each foreground per split.

    Returns:
        The three frames, `foregrounds` and `backgrounds`, and `splits`: rows found and expected per kind and split.
    """
    import pandas as pd

    library, composites, trimaps = (frames[name].copy() for name in ROW_TYPES)
    for name, frame, columns in (
        ("library", library, ("image", "alpha")),
        ("composites", composites, ("image", "alpha")),
        ("trimaps", trimaps, ("trimap",)),
    ):
        for column in columns:
            looks = map_rows(partial(_look, paths[name]), [*frame[column]], f"headers of {name}", threads=True)
            frame[f"{column}_state"] = [state for state, _ in looks]
            frame[f"{column}_size"] = [size for _, size in looks]
    for frame in (library, composites):
        frame["size"] = frame.width + " x " + frame.height

    found = [*zip(library.image, library.image_state, library.line, strict=True)]
    library["content"] = map_rows(partial(_content, paths["library"]), found, "contents of library", threads=True)
    library["content_splits"] = _splits_of(library.content, library.split)
    foregrounds, backgrounds = (library[library.kind == kind].copy() for kind in ("foreground", "background"))
    for kind, layers in (("foreground", foregrounds), ("background", backgrounds)):
        split_of = dict(zip(layers.layer_id, _splits_of(layers.layer_id, layers.split), strict=True))
        ids = composites[f"{kind}_id"]
        composites[f"{kind}_split"] = [split_of.get(layer, f"no {kind} of this id in the library") for layer in ids]
        composites[f"{kind}_splits"] = _splits_of(ids, composites.split)

    trimap_counts = Counter(trimaps.sample_id)
    composites["trimap_rows"] = [trimap_counts[sample] for sample in composites.sample_id]
    by_sample = {row.sample_id: row for row in composites.itertuples()}
    samples = [by_sample.get(sample) for sample in trimaps.sample_id]
    trimaps["composite_split"] = [row.split if row else "no composite of this id" for row in samples]
    trimaps["composite_size"] = [row.image_size if row else "no composite of this id" for row in samples]
    # decoding releases the interpreter's lock
    values = map_rows(partial(_trimap_values, paths["trimaps"]), [*trimaps.trimap], "trimaps", threads=True)
    trimaps["other_values"] = [text for text, _ in values]
    trimaps["unknown_found"] = [unknown for _, unknown in values]
    shares = pd.to_numeric(trimaps.unknown_fraction, errors="coerce")
    trimaps["unknown_difference"] = (shares - trimaps.unknown_found).abs().round(6)

    kinds = {"foregrounds": foregrounds, "backgrounds": backgrounds, "composites": composites}
    splits = _split_counts(kinds, expected_layers, per_foreground)
    return {"library": library, **kinds, "trimaps": trimaps, "splits": splits}


def _look(table: Path, relative: str) -> tuple[str, str]:
    """The state and the size of an image file, from its header."""
    if not relative:
        return "no file is named", "none"
    try:
        with Image.open(resolve(table, relative), formats=FORMATS) as image:
            return FOUND, f"{image.width} x {image.height}"
    except InputError:
        state = "the path leaves the table's folder"
    except FileNotFoundError:
        state = "no such file"
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError):
        state = "not an image"
    return state, state


def _content(table: Path, found: tuple[str, str, int]) -> str:
    """The hash of an image that is there, by its name, state and line in the table; else something of its own."""
    name, state, line = found
    return sha256(resolve(table, name)) if state == FOUND else f"line {line}"


def _trimap_values(table: Path, relative: str) -> tuple[str, float]:
    """The values that a trimap file should not hold ("none" if all is well), and its share of unknown pixels.

    The share is NaN where the file cannot be read.
    """
    try:
        with Image.open(resolve(table, relative), formats=FORMATS) as image:
            if image.width * image.height > MAX_PIXELS:
                return f"more than {MAX_PIXELS:,} pixels", float("nan")
            if image.mode != "L":
                return f"mode {image.mode} in place of L (8-bit grey)", float("nan")
            counts = np.bincount(np.asarray(image).ravel(), minlength=256)
    except (InputError, OSError, SyntaxError, ValueError, Image.DecompressionBombError):
        return "not readable", float("nan")
    odd = [str(value) for value in np.flatnonzero(counts) if value not in TRIMAP_FILE_VALUES]
    return ", ".join(odd[:8]) or "none", round(float(counts[128] / counts.sum()), 6)


def _splits_of(ids: "pd.Series[str]", splits: "pd.Series[str]") -> "pd.Series[str]":
    """For every row, the splits in which its id occurs, e.g. "train + test"."""
    return splits.groupby(ids).transform(lambda own: " + ".join(sorted(set(own))))


def _split_counts(
    kinds: Mapping[str, "pd.DataFrame"],
    expected_layers: Mapping[str, Mapping[str, int]],
    per_foreground: Mapping[str, int],
) -> "pd.DataFrame":
    import pandas as pd

    rows = []
    for split in SPLITS:
        found = {kind: int((frame.split == split).sum()) for kind, frame in kinds.items()}
        for kind in ("foregrounds", "backgrounds"):
            expected = expected_layers.get(kind, {}).get(split, max(found[kind], 1))
            rows.append((f"{kind} of {split}", found[kind], expected))
        expected = found["foregrounds"] * per_foreground[split]
        rows.append((f"composites of {split}", found["composites"], expected))
    frame = pd.DataFrame(rows, columns=["split", "rows", "expected_rows"])
    return frame.assign(line=range(1, len(frame) + 1))
