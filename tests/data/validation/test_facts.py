"""What is found on disk stands beside what the tables say."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from erkd.data.validation.facts import ROW_TYPES, add_facts, read_frame
from erkd.io.files import InputError, write_hash
from erkd.io.tables import SPLITS
from tests.support.sound_tables import PER_FOREGROUND, make_sound_tables, save_png, table_paths


def _facts(root: Path, expected: dict) -> dict:
    paths = table_paths(root)
    frames = {name: read_frame(paths[name]) for name in ROW_TYPES}
    return add_facts(frames, paths, expected, dict.fromkeys(SPLITS, PER_FOREGROUND))


def test_facts_of_sound_tables(tmp_path: Path) -> None:
    make_sound_tables(tmp_path)
    facts = _facts(tmp_path, {"foregrounds": dict.fromkeys(SPLITS, 2)})
    assert {name: len(frame) for name, frame in facts.items()} == {
        "library": 6, "foregrounds": 3, "backgrounds": 3, "composites": 18, "trimaps": 18, "splits": 9,
    }  # fmt: skip
    first = facts["composites"].iloc[0]
    assert (first.line, first.image_state, first.image_size, first["size"]) == (2, "found", "8 x 6", "8 x 6")
    assert (first.foreground_split, first.foreground_splits, first.trimap_rows) == ("train", "train", 1)
    trimap = facts["trimaps"].iloc[0]
    assert (trimap.other_values, trimap.unknown_found, trimap.composite_size) == ("none", 0.333333, "8 x 6")
    counts = facts["splits"].set_index("split")
    assert [*counts.loc["foregrounds of train", ["rows", "expected_rows"]]] == [1, 2]  # as told
    assert [*counts.loc["backgrounds of train", ["rows", "expected_rows"]]] == [1, 1]  # as found
    assert [*counts.loc["composites of train", ["rows", "expected_rows"]]] == [6, 6]
    library = table_paths(tmp_path)["library"]
    lines = library.read_text().splitlines(keepends=True)
    library.write_text("".join(line for line in lines if not line.startswith("background-test")))
    write_hash(library)
    counts = _facts(tmp_path, {})["splits"].set_index("split")
    assert [*counts.loc["backgrounds of test", ["rows", "expected_rows"]]] == [0, 1]  # once, where a split lacks it


@pytest.mark.parametrize(
    ("values", "mode", "found"),
    [(np.full((6, 8), 7), None, "7"), (np.full((6, 8, 3), 128), None, "mode RGB in place of L (8-bit grey)"),
     (np.full((6, 8), 255), "1", "mode 1 in place of L (8-bit grey)")],
)  # fmt: skip
def test_a_trimap_of_other_values_or_channels(
    tmp_path: Path, values: np.ndarray, mode: str | None, found: str
) -> None:
    make_sound_tables(tmp_path)
    path = tmp_path / "trimaps/trimaps/train-0.png"
    save_png(values, path)
    if mode:
        Image.open(path).convert(mode).save(path)
    assert _facts(tmp_path, {})["trimaps"].other_values[0] == found


def test_tables_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"no.csv: no such table; `dvc repro` writes it"):
        read_frame(tmp_path / "no.csv")
    for name, content in (("bytes", b"\xff\xfe\x00"), ("uneven", b"a,b\n1,2\n1,2,3\n")):
        path = tmp_path / f"{name}.csv"
        path.write_bytes(content)
        write_hash(path)
        with pytest.raises(InputError, match=rf"{name}.csv: not a readable table"):
            read_frame(path)
