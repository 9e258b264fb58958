"""Similarity maps: they point at what a phrase says, and their images find their way into the report."""

import numpy as np
import pytest
import torch

from erkd.io.images import load_image, save_image
from erkd.io.tables import Sample, write_table
from erkd.report.galleries import similarity_tiles
from erkd.report.teacher_maps import composite_maps, draw_similarity, photograph_maps, save_maps, similarity_maps
from erkd.teachers.dense import TeacherFeatures
from tests.support.rows import composite_row


class ColourTeacher:
    """A teacher to whom every phrase is one of the three primary colours, and every cell its mean colour."""

    prompts = ("red", "green", "blue")

    def prepare(self, image):
        return torch.from_numpy(image).permute(2, 0, 1)

    def __call__(self, images):
        patches = torch.nn.functional.adaptive_avg_pool2d(images, 4)
        return TeacherFeatures(patches.mean(dim=(2, 3)), patches)

    def text(self, phrases):
        names = [next(name for name in self.prompts if name in phrase) for phrase in phrases]
        return torch.eye(3)[[self.prompts.index(name) for name in names]]


def half_red_half_blue():
    image = np.zeros((32, 48, 3), np.float32)
    image[:, :32, 0] = 1
    image[:, 32:, 2] = 0.5
    return image


def test_maps_are_cosines_of_cells_and_of_the_whole():
    maps, whole = similarity_maps(ColourTeacher(), half_red_half_blue(), ["red", "blue", "green"])
    assert maps.shape == (3, 4, 4)
    np.testing.assert_allclose(maps[0, :, :2], 1)
    np.testing.assert_allclose(maps[1, :, 3], 1)
    np.testing.assert_allclose(maps[2], 0)
    assert whole[0] > whole[1] > whole[2] == 0


def test_a_map_that_is_alike_everywhere_leaves_the_image_grey():
    drawn = draw_similarity(np.full((16, 16, 3), 0.5, np.float32), np.ones((4, 4), np.float32))
    np.testing.assert_allclose(drawn, 0.4, atol=1e-5)


@pytest.fixture
def shown(tmp_path):
    """The maps of two composites and of one photograph with two trimaps."""
    table = tmp_path / "composites/manifest.csv"
    rows = []
    for number, split in enumerate(("test", "train", "test")):
        save_image(half_red_half_blue(), table.parent / f"{number}.png")
        names = {"image": f"{number}.png", "foreground_phrase": "red", "background_phrase": "blue"}
        rows.append(composite_row(f"s{number}", split, **names))
    write_table(rows, table)
    photo = tmp_path / "photo.png"
    save_image(half_red_half_blue(), photo)
    samples = [Sample(f"photo-{group}", photo, photo, photo, group) for group in ("Trimap1", "Trimap2")]
    save_maps(composite_maps(ColourTeacher(), table), tmp_path / "similarity/test")
    save_maps(photograph_maps(ColourTeacher(), samples), tmp_path / "similarity/photos")
    return tmp_path / "similarity"


def test_composites_are_shown_with_their_own_phrases_and_photographs_with_the_nearest(shown):
    tiles = similarity_tiles(shown / "test")
    assert [tile.title for tile in tiles] == ["s0", "s2"]
    assert tiles[0].caption == "red · blue"
    assert len(tiles[0].images) == 3
    tiles = similarity_tiles(shown / "photos")
    assert [(tile.title, tile.caption) for tile in tiles] == [("photo", "red · blue")]
    drawn = load_image(shown / "photos/photo-1.jpg")  # more alike is orange, less is blue
    assert drawn[16, 8, 0] > drawn[16, 8, 2]
    assert drawn[16, 44, 2] > drawn[16, 44, 0]
