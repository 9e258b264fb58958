"""The picture at the top of the README is what it says: of photographs held out of training, authors named."""

import numpy as np
import pytest
from PIL import Image

from benchmarks.result_picture import CASES, PHOTOGRAPHS, PICTURE, TRIMAPS, draw
from erkd.data.sources.photographs import read_photographs
from erkd.io.images import load_image, load_trimap
from tests.support import ROOT

ROWS = {row.file: row for row in read_photographs(PHOTOGRAPHS)}


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_case_is_held_out_and_its_authors_and_licences_are_named(case):
    assert ROWS[f"{case.name}.jpg"].split == "test"
    trimap = load_trimap(TRIMAPS / f"{case.name}.png")
    assert trimap.shape == load_image(PHOTOGRAPHS / f"{case.name}.jpg").shape[:2]
    credits = (PHOTOGRAPHS / "README.md").read_text(encoding="utf-8").split("## In the picture")[1]
    assert "](data/photographs/README.md)" in (ROOT / "README.md").read_text(encoding="utf-8")
    for name in (case.name, case.ground):
        row = ROWS[f"{name}.jpg"]
        assert f"{row.author} ({row.licence}" in " ".join(credits.split())


@pytest.mark.slow
def test_the_picture_is_what_the_student_that_ships_makes():
    with Image.open(PICTURE) as stored:
        drawn = draw()
        assert stored.size == drawn.size
        difference = np.abs(np.asarray(stored, np.float32) - np.asarray(drawn, np.float32))
    assert difference.mean() < 2.5  # the JPEG's
    assert np.percentile(difference, 99.9) < 40
