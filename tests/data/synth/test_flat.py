"""Flat things: a sheet covers its polygon, its print lies where the polygon is, and things stay sharp and opaque."""

import numpy as np
import pytest

from erkd.data.synth.canvas import Drawing
from erkd.data.synth.flat import Sheet, attach, paint_sheet
from erkd.data.synth.materials import draw_foreground
from erkd.io.tables import FLAT

CORNERS = np.asarray([(20.0, 15.0), (80.0, 25.0), (76.0, 70.0), (18.0, 60.0)])


def area(polygon):
    x, y = polygon.T
    return abs(np.dot(x, np.roll(y, 1)) - np.dot(y, np.roll(x, 1))) / 2


@pytest.mark.parametrize("outline", ["square", "pennant", "swallowtail", "tag"])
def test_a_sheet_covers_its_polygon_and_finds_its_print_there(rng, outline):
    sheet = Sheet(CORNERS, (0.05, 1.2, 0.3, 0.5), outline)
    polygon = sheet.polygon()
    u, v = sheet.place(*polygon.T)
    assert -1e-3 < min(u.min(), v.min()) <= max(u.max(), v.max()) < 1 + 1e-3
    printed = np.zeros((10, 20, 3), np.float32)
    printed[:, :10, 0] = printed[:, 10:, 1] = 0.8  # red, then green
    colours, alpha = paint_sheet(rng, sheet, printed, 90, 100)
    assert alpha.sum() == pytest.approx(area(polygon), rel=0.04)
    assert (alpha == 1).sum() > 0.85 * area(polygon)
    left, right = colours[40, 30], colours[47, 65]
    assert left[0] > left[1] + 0.2
    assert right[1] > right[0] + 0.2


@pytest.mark.parametrize("kind", FLAT)
def test_flat_things_are_opaque_to_their_edge(kind):
    soft = []
    for seed in range(4):
        alpha = draw_foreground(kind, seed, 96).alpha
        soft.append(((alpha > 0.02) & (alpha < 0.98)).sum() / (alpha > 0.5).sum())
    assert np.mean(soft) < 0.25


def test_what_is_attached_lies_on_the_outline_and_is_named(rng):
    alpha = np.zeros((80, 100), np.float32)
    alpha[30:, 30:70] = 1
    subject = Drawing(np.full((80, 100, 3), 0.5, np.float32), alpha, "a post")
    attached = [attach(rng, subject, None) for _ in range(8)]
    assert all((one.alpha >= alpha).all() for one in attached)
    assert np.mean([(one.alpha > alpha).mean() for one in attached]) > 0.01
    assert {one.phrase.split()[-1] for one in attached} == set(FLAT)
    assert all(one.phrase.startswith("a post with a ") for one in attached)
