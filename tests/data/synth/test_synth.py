"""Drawn foregrounds and backgrounds: exact coverage, every material, chance from the seed alone."""

import cv2
import numpy as np
import pytest

from erkd.data.synth.backgrounds import BACKDROPS, draw_background
from erkd.data.synth.canvas import Sketch, average, coverage_canvas, over, random_shape
from erkd.data.synth.materials import MATERIALS, draw_foreground
from erkd.data.synth.noise import fractal, ramp
from erkd.data.synth.shapes import ellipse_field, inside
from erkd.data.synth.strands import Strands, cover, grow
from erkd.data.synth.textures import colour_name, jitter


def test_coverage_of_a_disc_is_that_of_the_analytic_disc_and_of_an_ellipse_its_area():
    sketch = Sketch(np.zeros((64, 64, 3), np.float32))
    turn = np.linspace(0, 2 * np.pi, 720, endpoint=False)
    circle = np.stack([31.3 + 20 * np.cos(turn), 32.6 + 20 * np.sin(turn)], axis=1)
    sketch.fill(circle, np.zeros(3, np.float32))
    _, alpha = sketch.averaged()
    y, x = (np.mgrid[0 : 64 * 32, 0 : 64 * 32] + 0.5) / 32
    exact = (np.hypot(x - 31.3, y - 32.6) < 20).reshape(64, 32, 64, 32).mean(axis=(1, 3))
    assert np.abs(alpha - exact).max() < 0.3  # a canvas of 4 x 4 per pixel, edges rounded outwards
    assert np.abs(alpha - exact).mean() < 0.01
    assert alpha.sum() == pytest.approx(np.pi * 400, rel=0.03)
    field = ellipse_field([(0.0, 0.0, 0.3, 0.2, 0.4)], 128, 128)
    assert average(inside(field), 128, 128).sum() == pytest.approx(np.pi * 0.3 * 0.2 * 128**2, rel=0.02)


@pytest.mark.parametrize("width", [0.125, 0.25, 0.5, 1.0, 2.0])
def test_a_thin_strand_covers_its_width(width):
    paths = np.asarray([[[8.0, 32.1], [24.0, 32.1], [40.0, 32.1], [56.0, 32.1]]])
    strand = Strands(paths, np.asarray([width]), np.ones((1, 3), np.float32))
    root = average(cover(strand, coverage_canvas(64, 64)), 64, 64)[:, 12]
    assert root.sum() == pytest.approx(width, abs=0.26)  # to a step of the canvas
    assert width >= 0.25 or root.sum() == pytest.approx(width, abs=0.02)


def test_over_of_two_half_covers_by_hand():
    red, blue = np.zeros((1, 1, 3), np.float32), np.zeros((1, 1, 3), np.float32)
    red[..., 0], blue[..., 2] = 1, 1
    half = np.full((1, 1), 0.5, np.float32)
    colour, alpha = over((red, half), (blue, half))
    assert alpha[0, 0] == pytest.approx(0.75)
    np.testing.assert_allclose(colour[0, 0], [2 / 3, 0, 1 / 3], atol=1e-6)


@pytest.mark.parametrize(
    ("colour", "name"),
    [((1, 0, 0), "red"), ((0.02, 0.02, 0.02), "black"), ((0.95, 0.95, 0.95), "white"),
     ((0.4, 0.25, 0.13), "brown"), ((0.1, 0.2, 0.9), "blue"), ((0.5, 0.5, 0.5), "grey"),
     ((0.1, 0.6, 0.1), "green")],
)  # fmt: skip
def test_colours_have_everyday_names(colour, name):
    assert colour_name(np.asarray(colour, np.float32)) == name


@pytest.mark.parametrize("material", MATERIALS)
def test_every_material(material, rng):
    picture = rng.random((40, 60, 3), dtype=np.float32)
    drawing = draw_foreground(material, 5, 128, picture)
    height, width = drawing.alpha.shape
    assert max(height, width) == 128
    assert drawing.foreground.shape == (height, width, 3)
    for array in (drawing.foreground, drawing.alpha):
        assert array.dtype == np.float32
        assert 0 <= array.min() <= array.max() <= 1  # not NaN either
    assert 0.04 < drawing.alpha.mean() < 0.9
    assert ((drawing.alpha > 0.02) & (drawing.alpha < 0.98)).sum() > 20  # an edge
    again = draw_foreground(material, 5, 128, picture)
    assert again.phrase == drawing.phrase
    assert (again.alpha == drawing.alpha).all()
    assert (again.foreground == drawing.foreground).all()
    assert not np.array_equal(draw_foreground(material, 6, 128, picture).alpha, drawing.alpha)


def test_most_foregrounds_have_a_solid_core_and_soft_materials_are_see_through():
    for material in ("hair", "fur", "solid", "leaves"):
        cores = [(draw_foreground(material, seed, 96).alpha > 0.99).mean() for seed in range(4)]
        assert max(cores) > 0.15, material
    for material in ("veil", "smoke", "glass", "plastic bag"):
        alpha = np.concatenate([draw_foreground(material, seed, 96).alpha.ravel() for seed in range(3)])
        assert ((alpha > 0.05) & (alpha < 0.95)).mean() > 0.1, material


@pytest.mark.parametrize("kind", BACKDROPS)
def test_every_backdrop(kind):
    image, phrase = draw_background(kind, 3, 96)
    assert max(image.shape[:2]) == 96
    assert image.dtype == np.float32
    assert 0 <= image.min() <= image.max() <= 1
    assert phrase
    again, _ = draw_background(kind, 3, 96)
    assert (again == image).all()


def test_a_background_is_a_crop_of_its_picture(rng):
    picture = np.zeros((50, 70, 3), np.float32)
    picture[..., 0] = 0.8
    image, phrase = draw_background("picture", 1, 64, picture, "a red card")
    assert phrase.startswith("a red card")
    assert (image[..., 0] > image[..., 1] + 0.3).all()


def test_noise_strands_shapes_and_textures(rng):
    np.testing.assert_allclose(ramp(np.asarray([-1, 0, 0.5, 1, 2], np.float32), 0, 1), [0, 0, 0.5, 1, 1])
    field = fractal(rng, 60, 90)
    assert field.shape == (60, 90)
    assert (field.mean(), field.std()) == (pytest.approx(0, abs=1e-4), pytest.approx(1, abs=1e-3))
    paths = grow(rng, np.zeros((5, 2)), np.zeros(5), np.full(5, 30.0), 10, 0.0)
    assert paths.shape == (5, 11, 2)
    np.testing.assert_allclose(paths[:, -1], [[30.0, 0.0]] * 5, atol=1e-9)  # the length asked for
    shapes = {random_shape(rng, 120) for _ in range(60)}
    assert {max(shape) for shape in shapes} == {120}
    assert len(shapes) >= 5
    grey = np.repeat(rng.random((32, 32, 1), dtype=np.float32), 3, axis=2)
    assert np.ptp(jitter(rng, grey), axis=2).max() > 0.02  # grey pictures are coloured


def test_threads_do_not_change_a_drawing():
    before = cv2.getNumThreads()
    try:
        cv2.setNumThreads(1)
        one = draw_foreground("fur", 9, 128)
        cv2.setNumThreads(4)
        four = draw_foreground("fur", 9, 128)
    finally:
        cv2.setNumThreads(before)
    assert (one.alpha == four.alpha).all()
    assert (one.foreground == four.foreground).all()
