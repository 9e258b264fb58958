"""A mask from a box: what GrabCut finds, and which boxes are refused."""

import numpy as np
import pytest

from erkd.inference.boxes import Box, mask_from_box
from erkd.io.files import InputError


def photo(height=120, width=180):
    """A noisy red square, rows 30 to 90 and columns 60 to 120 of that size, on noisy green."""
    thing = np.zeros((height, width), bool)
    thing[height // 4 : height * 3 // 4, width // 3 : width * 2 // 3] = True
    image = np.where(thing[:, :, None], np.uint8([200, 40, 40]), np.uint8([40, 160, 60]))
    return image + np.random.default_rng(0).integers(0, 30, image.shape, np.uint8), thing


def test_the_thing_in_the_box_is_found_the_same_each_time():
    image, thing = photo()
    mask = mask_from_box(image, Box(50, 20, 135, 100))
    assert ((mask > 127) != thing).mean() < 0.005
    np.testing.assert_array_equal(mask, mask_from_box(image, Box(50, 20, 135, 100)))


def test_a_large_photo_is_searched_on_a_smaller_copy(monkeypatch):
    monkeypatch.setattr("erkd.inference.boxes.SIDE", 120)
    image, thing = photo(240, 360)
    mask = mask_from_box(image, Box(100, 40, 270, 200))
    assert mask.shape == thing.shape
    assert ((mask > 127) != thing).mean() < 0.02


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("1,2,3", "four numbers LEFT,TOP,RIGHT,BOTTOM"),
        ("1,2,3,x", "four numbers"),
        ("1,2,3,4,5", "four numbers"),
        ("", "four numbers"),
        ("0,0,inf,9", "four numbers"),
        ("5,5,5,9", "it holds no pixel"),
        ("9,5,5,9", "it holds no pixel"),
        ("-1,0,50,50", "image: box -1,0,50,50 does not lie within the photo's 180 x 120 pixels"),
        ("10,10,181,50", "does not lie within"),
        ("300,10,400,50", "does not lie within"),
        ("0,0,180,120", "holds all of the photo's 180 x 120 pixels"),
        ("2,2,20,20", "image: nothing in box 2,2,20,20 can be told from what is outside"),
    ],
)
def test_a_bad_box_is_said_in_one_line(text, message):
    with pytest.raises(InputError, match=message) as caught:
        mask_from_box(np.full((120, 180, 3), 90, np.uint8), Box.parse(text))
    assert "\n" not in str(caught.value)
