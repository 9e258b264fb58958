import base64
import io

import numpy as np
import pytest
from PIL import Image

from erkd.report.matte_images import (
    DARK,
    NEW_GROUNDS,
    TOO_CLEAR,
    TOO_OPAQUE,
    busiest_window,
    contrasting_colour,
    error_map,
    inline,
    outline_window,
    tint_trimap,
)


def test_error_map_by_hand():
    shown = error_map(np.float32([[0.9, 0.0, 0.25, 0.0]]), np.float32([[0.1, 0.5, 0.0, 0.0]]))
    expected = [TOO_OPAQUE, TOO_CLEAR, (DARK + TOO_OPAQUE) / 2, DARK]
    np.testing.assert_allclose(shown[0], expected, atol=1e-6)


def test_tint_trimap_keeps_the_foreground_and_dims_the_background():
    image = np.full((1, 3, 3), 0.5, np.float32)
    shown = tint_trimap(image, np.float32([[0, 0.5, 1]]))
    np.testing.assert_allclose(shown[0, 0], 0.15)
    assert shown[0, 1, 2] > shown[0, 1, 0]
    np.testing.assert_allclose(shown[0, 2], 0.5)


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
    assert error[window].shape == (10, 20)
    assert error[window].sum() == 50
    assert busiest_window(np.zeros((10, 10), np.float32)) == np.s_[0:2, 0:2]


def test_outline_leaves_the_middle_and_the_original():
    image = np.full((40, 40, 3), 0.5, np.float32)
    outlined = outline_window(image, np.s_[10:22, 10:22])
    assert (image == 0.5).all()
    assert outlined[10, 15].tolist() == [1, 1, 1]
    assert (outlined[14:18, 14:18] == 0.5).all()


def decoded(shown):
    head, _, body = shown.uri.partition(",")
    assert head == "data:image/webp;base64"
    return Image.open(io.BytesIO(base64.b64decode(body)))


def test_an_inlined_image_shrinks_and_never_grows():
    big = inline(np.full((300, 600, 3), 0.5, np.float32), "grey", longest=200)
    assert decoded(big).size == (big.width, big.height) == (200, 100)
    assert decoded(inline(np.zeros((3, 5), np.float32), "black")).size == (5, 3)


def test_inlining_keeps_a_trimap_exact_and_transparency():
    trimap = np.repeat(np.float32([[0, 0.5, 1]]), 30, axis=1).repeat(40, axis=0)
    values = np.asarray(decoded(inline(trimap, "trimap")).convert("L"))
    assert sorted(np.unique(values)) == [0, 128, 255]
    cut_out = np.zeros((8, 8, 4), np.float32)
    cut_out[:, 4:] = 1
    pixels = np.asarray(decoded(inline(cut_out, "half")))
    assert (pixels[:, :4, 3] == 0).all()
    assert (pixels[:, 4:] == 255).all()
