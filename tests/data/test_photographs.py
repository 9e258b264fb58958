"""data/photographs is what its table and its README say: free, attributed, small, and no picture twice."""

import re
from collections import Counter
from itertools import combinations

import numpy as np
import pytest
from PIL import Image

from erkd.data.sources.photographs import read_photographs
from tests.support import ROOT

FOLDER = ROOT / "data/photographs"
LICENCES = (
    "CC0-1.0", "LicenseRef-public-domain", "CC-BY-2.0", "CC-BY-3.0", "CC-BY-4.0", "CC-BY-SA-3.0", "CC-BY-SA-4.0",
    "GPL-2.0-or-later", "LGPL-3.0-only",
)  # fmt: skip
ROWS = read_photographs(FOLDER)  # which checks that rows, files and hashes belong together


def test_there_are_enough_of_each_use_in_order_and_they_are_small():
    assert len(ROWS) >= 150
    assert [row.file for row in ROWS] == sorted(row.file for row in ROWS)
    assert sum(path.stat().st_size for path in FOLDER.rglob("*")) <= 12e6
    assert {path.suffix for path in FOLDER.iterdir()} == {"", ".csv", ".jpg", ".md"}
    for row in ROWS:
        with Image.open(FOLDER / row.file) as image:
            assert (image.format, image.mode) == ("JPEG", "RGB"), row.file
            assert 384 <= max(image.size) <= 1024, row.file
    for use in ("background", "texture"):
        counts = Counter(row.split for row in ROWS if use in row.use.split())
        assert min(counts[split] for split in ("train", "validation", "test")) >= 10
        assert counts["train"] >= 90


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.file)
def test_a_row_says_whose_it_is_and_where_it_came_from(row):
    assert row.licence in LICENCES
    assert row.title
    assert re.fullmatch(r"[a-z0-9.+-]+ (\d+:)?[\w.+~-]+", row.package)  # name and version
    assert row.path
    assert row.origin == "" or row.origin.startswith("https://")
    assert "JPEG" in row.changes
    assert row.shows == row.shows.strip()


def test_no_photograph_is_there_twice():
    """Not reduced, saved again, or mirrored either: 9 x 8 mean colours, 0 to 255, tell."""
    thumbnails = {}
    for row in ROWS:
        with Image.open(FOLDER / row.file) as image:
            thumbnails[row.file] = np.asarray(image.resize((9, 8), Image.Resampling.BOX), np.float32)
    for first, second in combinations(thumbnails, 2):
        for turned in (thumbnails[second], thumbnails[second][:, ::-1]):
            assert np.abs(thumbnails[first] - turned).mean() > 8, (first, second)


def test_the_readme_counts_them_by_licence():
    text = (FOLDER / "README.md").read_text(encoding="utf-8")
    assert f"\n{len(ROWS)} photographs" in text
    stated = dict(re.findall(r"^\| ([\w.-]+) \| (\d+) \| ", text, re.MULTILINE))
    assert stated == {name: str(count) for name, count in Counter(row.licence for row in ROWS).items()}
    for name in re.findall(r"`(licences/[\w.-]+)`", text):
        assert (FOLDER / name).is_file(), name
