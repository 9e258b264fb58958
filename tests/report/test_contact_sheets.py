import pytest

from erkd.report.contact_sheets import composite_tiles, material_tiles, take_turns
from tests.support.report_tree import IMAGES, STRANGE, make_tree


def test_kinds_take_turns():
    rows = ["b1", "b2", "b3", "a1", "c1", "a2"]
    assert take_turns(rows, lambda row: row[0], 4) == ["a1", "a2", "b1", "c1"]
    assert take_turns(rows, lambda row: row[0], 99) == sorted(rows)
    assert take_turns([], str, 3) == []


@pytest.fixture(scope="module")
def tree(tmp_path_factory):
    return make_tree(tmp_path_factory.mktemp("sheets"))


def test_every_material_is_shown_even_beyond_the_count(tree):
    tiles = material_tiles(tree / "data/library/library.csv", 1)
    assert [tile.title for tile in tiles] == ["hair", "net"]
    assert tiles[0].caption == STRANGE


def test_composites_stand_beside_their_trimaps(tree):
    tables = tree / "data/composites/manifest.csv", tree / "data/trimaps/trimaps.csv"
    tiles = composite_tiles(*tables, 4)
    assert [len(tile.pictures) for tile in tiles] == [2] * 4
    assert "Trimap of test-00" in [tile.pictures[1].alt for tile in tiles]
    assert len(composite_tiles(*tables, 99)) == IMAGES
