"""Colours without the old background."""

import tracemalloc

import cv2
import numpy as np
import pytest

from erkd.inference import cutouts
from erkd.inference.cutouts import cover, cutout, estimate_foreground, place
from erkd.io.files import InputError


def scene(size=64):
    """Image, alpha and foreground of a red disc with a wide soft edge on green."""
    rows, columns = np.mgrid[:size, :size]
    alpha = np.clip((size / 3 - np.hypot(rows - size / 2, columns - size / 2)) / 12 + 0.5, 0, 1).astype(np.float32)
    foreground = np.broadcast_to(np.float32([0.8, 0.1, 0.2]), (size, size, 3))
    image = alpha[:, :, None] * foreground + (1 - alpha[:, :, None]) * np.float32([0.1, 0.7, 0.3])
    return image, alpha, foreground


def test_two_plain_colours_are_told_apart():
    image, alpha, foreground = scene()
    found = estimate_foreground(image, alpha)
    assert np.abs(found - foreground)[alpha > 0.02].max() < 0.02
    assert np.abs(image - foreground)[alpha > 0.02].max() > 0.5
    np.testing.assert_allclose(found[alpha == 1], image[alpha == 1], atol=1e-6)
    found = estimate_foreground(np.uint8(np.rint(image * 255)), np.uint8(np.rint(alpha * 255)))
    assert np.abs(found - foreground)[alpha > 0.1].max() < 0.05


def test_it_is_near_pymatting_s_multi_level_estimate():
    from pymatting import estimate_foreground_ml

    image, alpha, foreground = scene()
    pattern = 0.1 * np.sin(np.arange(64) / 5, dtype=np.float32)[:, None]
    image, foreground = image + alpha[:, :, None] * pattern[:, :, None], foreground + pattern[:, :, None]
    theirs = estimate_foreground_ml(image.astype(np.float64), alpha.astype(np.float64))
    ours, theirs = (
        (np.abs(found - foreground) * alpha[:, :, None])[(alpha > 0) & (alpha < 1)].mean()
        for found in (estimate_foreground(image, alpha), theirs)
    )
    assert ours <= 1.05 * theirs


@pytest.mark.parametrize("shape", [(1, 1), (1, 7), (5, 300), (33, 2)])
@pytest.mark.parametrize("value", [0.0, 0.5, 1.0])
def test_any_size_and_any_plain_alpha_is_finite(shape, value):
    image = np.random.default_rng(0).random((*shape, 3), np.float32)
    found = estimate_foreground(image, np.full(shape, value, np.float32))
    assert found.shape == image.shape
    assert (found >= 0).all()
    assert (found <= 1).all()


def test_a_cutout_has_no_halo_on_another_background():
    image, alpha, foreground = scene()
    rgba = cutout(image, alpha)
    assert rgba.shape == (64, 64, 4)
    np.testing.assert_array_equal(rgba[:, :, 3], alpha)
    blue = np.float32([0, 0, 1])
    expected = alpha[:, :, None] * foreground + (1 - alpha[:, :, None]) * blue
    assert np.abs(place(image, alpha, blue) - expected).max() < 0.02
    np.testing.assert_allclose(place(image, alpha, np.broadcast_to(blue, (7, 9, 3))), place(image, alpha, blue))


def test_a_background_covers_and_keeps_its_proportions():
    wide = np.zeros((10, 30, 3), np.float32)
    wide[:, 10:20] = 1
    assert cover(wide, 20, 20).shape == (20, 20, 3)
    assert cover(wide[:, ::-1], 5, 15).shape == (5, 15, 3)
    assert cover(wide, 20, 20)[:, 2:18].min() == 1  # its middle third
    with pytest.raises(InputError, match="background: H x W x 3 or three numbers"):
        place(wide, wide[:, :, 0], wide[:, :, 0])


@pytest.mark.parametrize("size", [(37, 301), (150, 130), (1, 90)])
def test_strips_are_rows_of_opencv_s_resized_image(rng, monkeypatch, size):
    """However they are cut: shrunk by area, grown bilinearly."""
    monkeypatch.setattr(cutouts, "STRIP", 500)
    image = rng.random((150, 301, 3), np.float32)
    layer = rng.random((-(-size[0] // 2), size[1] - 7, 3), np.float32)
    for rows in (slice(0, size[0]), slice(size[0] // 3, size[0] // 3 + 1), slice(size[0] // 2, size[0])):
        shrunk = cv2.resize(image, size[::-1], interpolation=cv2.INTER_AREA)
        np.testing.assert_allclose(cutouts.shrink_rows(image, size, rows), shrunk[rows], atol=1e-6)
        grown = cv2.resize(layer, size[::-1], interpolation=cv2.INTER_LINEAR)
        np.testing.assert_allclose(cutouts.grow_rows(layer, size, rows), grown[rows], atol=1e-6)


def test_strips_show_no_seams(rng, monkeypatch):
    image, alpha = rng.random((203, 95, 3), np.float32), rng.random((203, 95), np.float32)
    whole = estimate_foreground(image, alpha)
    monkeypatch.setattr(cutouts, "STRIP", 1)  # then four rows at a time
    np.testing.assert_allclose(estimate_foreground(image, alpha), whole, atol=1e-6)
    assert len([*cutouts.foreground_strips(image, alpha)]) == 51


def test_bytes_give_bytes_and_take_little_memory(rng, monkeypatch):
    """A float of 12 bytes per pixel is held of a quarter of the image at most, twice."""
    monkeypatch.setattr(cutouts, "STRIP", 1 << 13)
    image, alpha, foreground = scene(384)
    image, alpha = np.uint8(np.rint(image * 255)), np.uint8(np.rint(alpha * 255))
    tracemalloc.start()
    rgba = cutout(image, alpha)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert (rgba.dtype, place(image, alpha, image).dtype) == (np.uint8, np.uint8)
    np.testing.assert_array_equal(rgba[:, :, 3], alpha)
    assert np.abs(rgba[:, :, :3] - 255 * foreground)[alpha > 26].max() < 13
    assert peak < 24 * alpha.size


@pytest.mark.parametrize("shape", [(10, 20000), (20000, 10)])
def test_a_narrow_background_is_cropped_before_it_is_enlarged(shape):
    assert cover(np.zeros((*shape, 3), np.uint8), 300, 200).shape == (300, 200, 3)
