"""A trimap from a mask, with a student that sees exactly what a drawn photo shows: its alpha is one less red."""

import numpy as np
import pytest

from erkd import Matter
from erkd.inference.masks import SIDE, trimap_from_mask
from erkd.io.files import InputError
from tests.support.onnx_student import write_student

HEIGHT, WIDTH = 120, 180


@pytest.fixture(scope="module")
def matter(tmp_path_factory):
    return Matter.load(write_student(tmp_path_factory.mktemp("student") / "student.onnx", prior_count=False), "cpu")


def disc(radius, row=60, column=90, height=HEIGHT, width=WIDTH):
    rows, columns = np.ogrid[:height, :width]
    return np.hypot(rows - row, columns - column) <= radius


def photo(thing):
    """A photo of which the student sees that thing."""
    image = np.full((*thing.shape, 3), 200, np.uint8)
    image[:, :, 0] = np.where(thing, 0, 255)
    return image


def test_a_band_around_the_edge_is_unknown_and_both_sides_are_certain(matter):
    thing = disc(40)
    trimap = trimap_from_mask(matter, photo(thing), thing)
    assert np.unique(trimap).tolist() == [0, 128, 255]
    assert (trimap[disc(34)] == 255).all()
    assert (trimap[~disc(46)] == 0).all()
    assert (trimap[disc(41) & ~disc(39)] == 128).all()


def test_a_softer_mask_and_a_larger_thing_get_a_wider_band(matter):
    def unknown_along_the_radius(radius, softness):
        distance = np.hypot(*np.ogrid[-120:120, -120:120])
        mask = np.clip((radius - distance) / softness + 0.5, 0, 1)
        return (trimap_from_mask(matter, photo(mask > 0.5), mask)[120] == 128).sum()

    assert unknown_along_the_radius(40, 1) < unknown_along_the_radius(40, 12)
    assert unknown_along_the_radius(40, 1) < unknown_along_the_radius(90, 1)


def test_a_given_band_is_that_many_pixels_to_either_side(matter):
    thing = np.arange(WIDTH) < np.full((HEIGHT, 1), 90)
    row = trimap_from_mask(matter, photo(thing), thing, band=10)[60]
    assert [(row == value).sum() for value in (255, 128, 0)] == [80, 20, 80]


def test_false_holes_and_islands_are_unknown_and_true_ones_stay(matter):
    hole, island = disc(10, 60, 60), disc(10, 60, 165)
    thing = disc(50, 60, 80)
    middle = hole & disc(2, 60, 60), island & disc(2, 60, 165)
    mask = (thing & ~hole) | island
    wrong = trimap_from_mask(matter, photo(thing), mask)
    assert [(wrong[place] == 128).all() for place in middle] == [True, True]
    right = trimap_from_mask(matter, photo(mask), mask)
    assert (right[middle[0]] == 0).all()
    assert (right[middle[1]] == 255).all()


def test_doubtful_values_are_unknown_wherever_they_lie(matter):
    thing, doubted = disc(50), disc(12)
    trimap = trimap_from_mask(matter, photo(thing), np.where(doubted, 0.75, thing))
    assert (trimap[disc(10)] == 128).all()


def test_the_band_is_widened_where_the_thing_goes_on_beyond_it(matter):
    thing, seen = disc(40), disc(33)
    trimap = trimap_from_mask(matter, photo(thing), seen)
    assert (trimap[disc(40) & ~disc(36)] == 128).all()
    narrow = trimap_from_mask(matter, photo(thing), seen, band=3)
    assert (narrow[~disc(38)] == 0).all()  # as wide as it was asked for


def test_a_thing_of_thin_strands_keeps_a_certain_core(matter):
    strands = np.zeros((HEIGHT, WIDTH), bool)
    strands[20:100, 30:150] = (np.arange(120) % 8) < 4
    trimap = trimap_from_mask(matter, photo(strands), strands, band=60)
    assert np.unique(trimap).tolist() == [0, 128, 255]


def test_a_large_photo_gets_the_trimap_of_a_smaller_copy(matter):
    thing = disc(400, 600, 800, 1200, 3 * SIDE)
    trimap = trimap_from_mask(matter, photo(thing), thing)
    assert trimap.shape == thing.shape
    assert (trimap[disc(402, 600, 800, 1200, 3 * SIDE) & ~disc(398, 600, 800, 1200, 3 * SIDE)] == 128).all()
    assert trimap[600, 800] == 255


def test_masks_of_all_types_are_one_mask(matter):
    thing = disc(40)
    image, expected = photo(thing), trimap_from_mask(matter, photo(thing), thing)
    for mask in (thing.astype(np.uint8), np.uint8(255) * thing, np.uint16(65535) * thing, thing.astype(np.float64)):
        np.testing.assert_array_equal(trimap_from_mask(matter, image, mask), expected)
    floating = (image / 255).astype(np.float16)
    np.testing.assert_array_equal(trimap_from_mask(matter, floating, thing), expected)


BAD = {
    "no pixel is above half": np.zeros((HEIGHT, WIDTH)),
    "every pixel is above half": np.ones((HEIGHT, WIDTH), bool),
    "a trimap, no mask": np.where(disc(30), 255, np.where(disc(40), 128, 0)).astype(np.uint8),
    "image.s 120 x 180 .height x width. is expected; found 120 x 179": disc(40)[:, 1:],
    "found 120 x 180 x 3": photo(disc(40)),
    "within a pixel of the mask's edge": np.indices((HEIGHT, WIDTH)).sum(axis=0) % 2 == 0,
    "found int64": disc(40).astype(np.int64),
    "found 0 to 2": disc(40) * 2.0,
    "found nan to nan": np.where(disc(40), np.nan, 0),
}


@pytest.mark.parametrize("message", BAD)
def test_what_is_no_mask_is_said(matter, message):
    with pytest.raises(InputError, match=message):
        trimap_from_mask(matter, photo(disc(40)), BAD[message])
