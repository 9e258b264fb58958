"""Woven and perforated patterns: exact coverage, over and under in turn, holes where they belong."""

import numpy as np
import pytest

from erkd.data.synth.noise import pixels
from erkd.data.synth.woven import perforated, reflections, weave


def coordinates(side, periods):
    return [(axis * periods / side).astype(np.float32) for axis in pixels(side, side)]


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [(lambda u, v: weave(u, v, 0.2, 0.1), 1 - 0.6**2),
     (lambda u, v: perforated(u, v, 0.3, 0.0, 0.0), 1 - 2 * np.pi * 0.3**2 / 3**0.5),
     (lambda u, v: perforated(u, v, 0.3, 0.0, 0.1), 1 - 2 * (np.pi * 0.3**2 + 0.6 * 0.2) / 3**0.5)],
)  # fmt: skip
def test_patterns_cover_their_exact_share_at_any_sampling(pattern, expected):
    fine = pattern(*coordinates(600, 13)).depth
    assert (fine > 0).mean() == pytest.approx(expected, abs=0.015)
    side, scale = 100, 100 / 13  # antialiased as for a layer, against 36 samples a pixel
    soft = np.clip(0.5 + pattern(*coordinates(side, 13)).depth * scale, 0, 1)
    counted = (fine > 0).reshape(side, 6, side, 6).mean(axis=(1, 3))
    assert np.abs(soft - counted).mean() < 0.03


def test_wires_go_over_and_under_in_turn():
    u, v = (np.asarray([at], np.float32) for at in ([0, 1, 1, 0.5], [0, 0, 1, 0]))
    relief = weave(*(axis[0] for axis in (u, v)), 0.2, 0.1)
    rows = (relief.strand - 3) % 7 == 0
    np.testing.assert_array_equal(rows & (relief.strand % 13 != 0), [True, False, True, True])
    aside = weave(np.asarray([0.0, 1.0]), np.asarray([0.25, 0.25]), 0.2, 0.1)
    assert aside.light[0] < aside.light[1] == 1  # beside the wire that lies over it, and on one that lies over


def test_mirrors_show_the_sky_above_and_walls_of_holes_are_seen(rng):
    seen = [reflections(rng) for _ in range(12)]
    up, down = (np.mean([one(np.zeros(1), np.full(1, y))[0] for one in seen]) for y in (-0.6, 0.6))
    assert up > down
    wall = perforated(*coordinates(300, 6), 0.3, 0.1, 0.0)
    assert (wall.light < 1).mean() > 0.02
    assert (wall.depth > 0).mean() > (perforated(*coordinates(300, 6), 0.3, 0.0, 0.0).depth > 0).mean() + 0.02
