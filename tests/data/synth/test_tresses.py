"""Strands in space: they keep their length and outside solids; nearer ones hide others; light fades among them."""

import numpy as np
import pytest

from erkd.data.synth.canvas import average, coverage_canvas, developed
from erkd.data.synth.strands import Strands, cover
from erkd.data.synth.tresses import Lights, coil, draw_lights, grow_around, light_strands, scatter, splat

FAR = np.full((32, 32), -1e6, np.float32)


def test_strands_fall_keep_their_length_and_slide_along_solids(rng):
    roots, up = np.zeros((20, 3)), np.tile([0.0, -1.0, 0.2], (20, 1))
    free = grow_around(rng, roots, up, np.full(20, 30.0), 10, 0.2, 6.0, [])
    np.testing.assert_allclose(np.linalg.norm(np.diff(free, axis=1), axis=2).sum(axis=1), 30)
    assert (free[:, -1, 1] > free[:, 3, 1]).all()  # y points down
    blown = grow_around(rng, roots, up, np.full(20, 30.0), 10, 0.2, 2.0, [], wind=4.0)
    assert (blown[:, -1, 0] > 5).all()
    solid = (np.zeros(3), np.asarray([10.0, 12.0, 9.0]))
    on = grow_around(rng, roots - np.asarray([0, 12.1, 0]), up, np.full(20, 40.0), 20, 0.5, 8.0, [solid])
    assert np.linalg.norm(on / solid[1], axis=2).min() > 1 - 1e-6
    wound = coil(rng, free, 2.0, 3.0, np.zeros(20, int))
    assert 0.1 < np.linalg.norm(wound - free, axis=2).mean() < 3


def bars(heights):
    """Horizontal strands at these z through the middle of 32 x 32 pixels."""
    along = np.linspace(4, 28, 5)
    return np.stack([np.stack([along, np.full(5, 16.2), np.full(5, z)], axis=1) for z in heights])


@pytest.mark.parametrize("heights", [(1.0, 5.0), (5.0, 1.0)])
def test_the_nearest_strand_is_seen_and_lies_where_alpha_is(heights):
    paths, widths = bars(heights), np.asarray([0.5, 0.5])
    light = np.zeros((2, 5, 3))
    light[0, :, 0] = light[1, :, 1] = 0.25
    canvas, drawn = np.zeros((64, 64, 3), np.float32), np.zeros((64, 64), bool)
    splat(paths, widths, light, canvas, drawn, FAR)
    np.testing.assert_allclose(canvas[32, 16:50], [light[np.argmax(heights), 0]] * 34)
    assert drawn.sum() == 48  # 24 pixels long, a canvas pixel thick
    stored = developed(canvas, drawn, np.zeros((32, 32, 3), np.float32))
    alpha = average(cover(Strands(paths[:, :, :2], widths, np.ones((2, 3))), coverage_canvas(32, 32)), 32, 32)
    np.testing.assert_allclose(stored[alpha > 0].max(axis=1), 0.5, atol=1e-5)  # of full strength wherever alpha is
    assert (stored[0, 0] == 0).all()
    splat(paths, widths, light, canvas, hidden := np.zeros((64, 64), bool), FAR + 1e6 + 9)
    assert not hidden.any()


def test_strands_shine_as_mirrors_glow_from_behind_and_shade_one_another(rng):
    paths, albedo = bars([0.0]), np.full((1, 3), 0.3)
    tangents, full = np.gradient(paths, axis=1), [np.ones((1, 5, 3))]
    tangents /= np.linalg.norm(tangents, axis=2, keepdims=True)

    def seen(direction):
        lights = Lights(np.asarray([direction]) / np.linalg.norm(direction), np.ones((1, 3)))
        return scatter(tangents, albedo, lights, full)[0, 2, 0]

    assert seen((0.1, 0, 1)) > 1.5 * seen((0.9, 0, 1))  # near the mirror direction, and far from it
    assert seen((0.0, 0.2, -1)) > 1.5 * seen((0.6, 0.2, -1))
    cloud = rng.uniform(0, 30, (400, 1, 3)) + np.linspace(0, 8, 6)[:, None] * [1, 0, 0]
    above = Lights(np.asarray([[0.0, -1.0, 0.0]]), np.ones((1, 3)))
    lit = light_strands(rng, cloud, np.ones(400), np.full((400, 3), 0.2), above, np.zeros_like(cloud))
    brightness, y = lit.mean(axis=(1, 2)), cloud[:, 0, 1]
    assert brightness[y < 8].mean() > 1.5 * brightness[y > 22].mean()
    assert all(np.allclose(np.linalg.norm(draw_lights(rng).directions, axis=1), 1) for _ in range(5))
