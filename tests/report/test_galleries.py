from dataclasses import replace

import numpy as np
import pytest

from erkd.io.tables import Sample, list_composites
from erkd.report.galleries import composite_tiles, material_tiles, panels, pick_materials, result_strip
from tests.support import ROOT
from tests.support.report_tree import IMAGES, STRANGE, make_tree


@pytest.fixture(scope="module")
def tree(tmp_path_factory):
    return make_tree(tmp_path_factory.mktemp("galleries"))


def test_every_material_is_shown_even_beyond_the_count(tree):
    tiles = material_tiles(tree / "data/library/library.csv", 1)
    assert [tile.title for tile in tiles] == ["hair", "net"]
    assert tiles[0].caption == STRANGE


def test_composites_are_shown_with_their_trimaps(tree):
    tables = tree / "data/composites/manifest.csv", tree / "data/trimaps/trimaps.csv"
    tiles = composite_tiles(*tables, 4)
    assert [len(tile.images) for tile in tiles] == [2] * 4
    assert "Trimap of test-00" in [tile.images[1].alt for tile in tiles]
    assert len(composite_tiles(*tables, 99)) == IMAGES


def test_materials_with_fine_structures_come_first():
    samples = [Sample(f"s{i}", *([ROOT] * 3), material=m) for i, m in enumerate(["solid", "fur", "fur", "glass"])]
    assert [sample.sample_id for sample in pick_materials(samples, 2)] == ["s1", "s3"]
    assert len(pick_materials(samples, 9)) == 3


def test_a_row_of_results_has_equal_panels_of_any_sizes():
    background = np.ones((30, 20, 3), np.float32)
    for height, width in ((100, 40), (33, 90)):
        alpha = np.zeros((height, width), np.float32)
        alpha[height // 2 :] = 1
        row = panels(np.full((height, width, 3), 0.25, np.float32), alpha, alpha, background)
        assert row.shape == (240 + 8, 4 * 360 + 3 * 8, 3)
        np.testing.assert_allclose(row[:240, :360], 0.25)
        assert (row[240:] == 1).all()
        assert (row[:, 360:368] == 1).all()
        if height < width:  # else foreground alone is in the middle
            np.testing.assert_allclose(row[:20, -360:], 1, atol=1e-3)  # the new background
        # before it the foreground's own colour
        np.testing.assert_allclose(row[220:240, -360:], 0.25, atol=0.02)


def test_the_strip_names_its_samples_and_needs_predictions_and_a_library(tree):
    listed = list_composites(tree / "data/composites", tree / "data/trimaps", "test")[:4]
    samples = [replace(sample, material=f"m{number}") for number, sample in enumerate(listed)]
    folders = tree / "data/predictions/test", tree / "data/library/library.csv"
    strip = result_strip(samples, *folders)
    assert strip.alt.endswith("test-00, test-01, test-02")
    assert (strip.width, strip.height) == (1200, round(1200 * (3 * 248 - 8) / (4 * 368 - 8)))
    assert result_strip(samples, tree, folders[1]) is None
    assert result_strip(samples, folders[0], tree / "nothing.csv") is None
