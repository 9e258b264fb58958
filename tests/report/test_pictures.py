import base64
import io

import numpy as np
import pytest
from PIL import Image

from erkd.report.pictures import (
    DARK,
    NEW_GROUNDS,
    TOO_CLEAR,
    TOO_OPAQUE,
    Window,
    busiest_window,
    checkerboard,
    contrasting_colour,
    error_map,
    estimate_foreground,
    outline_window,
    picture,
    replace_background,
    result_strip,
    tint_trimap,
)


def test_error_map_by_hand():
    shown = error_map(np.float32([[0.9, 0.0, 0.25, 0.0]]), np.float32([[0.1, 0.5, 0.0, 0.0]]))
    np.testing.assert_allclose(shown[0, 0], TOO_OPAQUE, atol=1e-6)
    np.testing.assert_allclose(shown[0, 1], TOO_CLEAR, atol=1e-6)
    np.testing.assert_allclose(shown[0, 2], (DARK + TOO_OPAQUE) / 2, atol=1e-6)
    np.testing.assert_allclose(shown[0, 3], DARK, atol=1e-6)


def test_tint_trimap_keeps_the_foreground_and_dims_the_background():
    image = np.full((1, 3, 3), 0.5, np.float32)
    shown = tint_trimap(image, np.float32([[0, 0.5, 1]]))
    np.testing.assert_allclose(shown[0, 0], 0.15)
    assert shown[0, 1, 2] > shown[0, 1, 0]
    np.testing.assert_allclose(shown[0, 2], 0.5)


def test_checkerboard_alternates():
    squares = checkerboard(4, 4, cell=2)
    assert squares[0, 0, 0] == squares[1, 1, 0] == squares[2, 2, 0] != squares[0, 2, 0]


def two_colours(foreground, background, size=96):
    """A soft disc of one colour before another: image and alpha."""
    rows, columns = np.indices((size, size)) - size / 2
    alpha = np.clip((size / 4 - np.hypot(rows, columns)) / 12 + 0.5, 0, 1).astype(np.float32)
    image = alpha[..., None] * np.float32(foreground) + (1 - alpha[..., None]) * np.float32(background)
    return image, alpha


def test_estimated_foreground_has_lost_the_old_background():
    image, alpha = two_colours((0.9, 0.2, 0.1), (0.1, 0.3, 0.8))
    edge = (alpha > 0.2) & (alpha < 0.9)
    error = np.abs(estimate_foreground(image, alpha) - np.float32([0.9, 0.2, 0.1]))[edge]
    assert error.max() < 0.03
    assert np.abs(image - np.float32([0.9, 0.2, 0.1]))[edge].max() > 0.5


def test_replaced_background_is_the_composite_on_it():
    image, alpha = two_colours((0.9, 0.2, 0.1), (0.1, 0.3, 0.8))
    green = np.float32([0, 1, 0])
    expected = alpha[..., None] * np.float32([0.9, 0.2, 0.1]) + (1 - alpha[..., None]) * green
    np.testing.assert_allclose(replace_background(image, alpha, green), expected, atol=0.03)


@pytest.mark.parametrize("value", [0.0, 1.0])
def test_an_empty_or_full_alpha_is_finite(value):
    image = np.full((12, 9, 3), 0.4, np.float32)
    alpha = np.full((12, 9), value, np.float32)
    background = np.zeros(3, np.float32)
    np.testing.assert_allclose(replace_background(image, alpha, background), 0.4 * value, atol=1e-4)


@pytest.mark.parametrize("number", range(len(NEW_GROUNDS)))
def test_the_new_ground_is_unlike_both_layers(number):
    trimap = np.float32([[0, 0.5, 1]])
    image = np.stack([NEW_GROUNDS[number], NEW_GROUNDS[0], NEW_GROUNDS[(number + 1) % 4]])[None]
    chosen = contrasting_colour(image, trimap)
    assert not any((chosen == old).all() for old in (NEW_GROUNDS[number], NEW_GROUNDS[(number + 1) % 4]))


def test_busiest_window_covers_the_error():
    error = np.zeros((50, 100), np.float32)
    error[30:35, 60:70] = 1
    window = busiest_window(error)
    assert (window.height, window.width) == (10, 20)
    assert window.cut(error).sum() == 50


def test_busiest_window_of_nothing_is_the_first():
    assert busiest_window(np.zeros((10, 10), np.float32)) == Window(0, 0, 2, 2)


def test_outline_leaves_the_middle_and_the_original():
    image = np.full((40, 40, 3), 0.5, np.float32)
    outlined = outline_window(image, Window(10, 10, 12, 12))
    assert (image == 0.5).all()
    assert outlined[10, 15].tolist() == [1, 1, 1]
    assert (outlined[14:18, 14:18] == 0.5).all()


def decoded(shown):
    head, _, body = shown.uri.partition(",")
    assert head == "data:image/webp;base64"
    return Image.open(io.BytesIO(base64.b64decode(body)))


def test_picture_shrinks_and_never_grows():
    big = picture(np.full((300, 600, 3), 0.5, np.float32), "grey", longest=200)
    assert decoded(big).size == (big.width, big.height) == (200, 100)
    assert decoded(picture(np.zeros((3, 5), np.float32), "black")).size == (5, 3)


def test_picture_keeps_a_trimap_exact():
    trimap = np.repeat(np.float32([[0, 0.5, 1]]), 30, axis=1).repeat(40, axis=0)
    values = np.asarray(decoded(picture(trimap, "trimap")).convert("L"))
    assert sorted(np.unique(values)) == [0, 128, 255]


def test_result_strip_has_equal_panels_of_any_sizes():
    def case(height, width):
        alpha = np.zeros((height, width), np.float32)
        alpha[height // 2 :] = 1
        image = np.full((height, width, 3), 0.25, np.float32)
        return image, alpha, alpha, np.ones((30, 20, 3), np.float32)

    strip = result_strip([case(100, 40), case(33, 90)], height=20, gap=4)
    assert strip.shape == (44, 4 * 30 + 3 * 4, 3)
    assert (strip[20:24] == 1).all()  # the gap
    np.testing.assert_allclose(strip[:20, :30], 0.25)


def test_result_strip_needs_a_case():
    with pytest.raises(ValueError, match="at least one"):
        result_strip([])
