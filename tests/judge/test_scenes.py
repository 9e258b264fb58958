"""The judge's scenes: the same for the same seed, whole, and within what the camera sees."""

import numpy as np
import pytest

from judge.render import KINDS, plan
from judge.shapes import Waves, blobs, diffuse, ellipsoid, line, rotation, scatter, sheet, strand, tube

PLATE = np.random.default_rng(1).random((12, 16, 3)).astype(np.float32)
DRAWN = [(kind, variant) for kind, module in KINDS.items() for variant in module.VARIANTS]


@pytest.fixture(autouse=True)
def sparse(monkeypatch):
    for kind in ("hair", "fur"):
        monkeypatch.setattr(KINDS[kind], "COUNT", 300)


@pytest.mark.parametrize(("kind", "variant"), DRAWN)
def test_a_scene_is_drawn_whole_and_in_view(kind, variant):
    scene = KINDS[kind].draw(variant, np.random.default_rng(5), PLATE)
    assert (scene.kind, scene.variant) == (kind, variant)
    assert np.sqrt(scene.samples) % 1 == 0  # Mitsuba's sampler wants a square
    points = [surface.vertices for surface in scene.surfaces] + [part.points.reshape(-1, 3) for part in scene.strands]
    everything = np.concatenate(points)
    assert np.isfinite(everything).all()
    seen = (np.abs(everything[:, :2]) < 1.3).all(1)
    assert seen.mean() > 0.5
    assert np.ptp(everything[seen, :2], 0).max() > 1
    for surface in scene.surfaces:
        assert surface.faces.min() >= 0
        assert surface.faces.max() < len(surface.vertices) == len(surface.uv)
        assert surface.uv.min() >= 0
        assert surface.uv.max() <= 1 + 1e-9
        corners = surface.vertices[surface.faces]
        areas = np.linalg.norm(np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]), axis=1)
        largest = np.zeros(len(surface.vertices))
        np.maximum.at(largest, surface.faces, areas[:, None].repeat(3, 1))
        assert largest.min() > 0  # else the vertex has no normal, and light there is no number
    for part in scene.strands:
        assert part.points.shape[:2] == part.radii.shape
        assert part.points.shape[1] >= 4  # of a cubic
        assert part.radii.min() > 0
        steps = np.linalg.norm(np.diff(part.points, axis=1), axis=2)
        assert steps.min() > 0  # else the curve has no direction there


def test_a_scene_follows_from_its_seed():
    first, again, other = (KINDS["flat"].draw("flag", np.random.default_rng(seed), PLATE) for seed in (3, 3, 4))
    for one, two in zip(first.surfaces, again.surfaces, strict=True):
        np.testing.assert_array_equal(one.vertices, two.vertices)
    assert any((one.vertices != two.vertices).any() for one, two in zip(first.surfaces, other.surfaces, strict=False))


def test_flat_things_are_left_unknown_and_subjects_are_not():
    for variant in KINDS["flat"].VARIANTS:
        scene = KINDS["flat"].draw(variant, np.random.default_rng(0), PLATE)
        assert any(surface.uncertain for surface in scene.surfaces)
        assert scene.strands or not all(surface.uncertain for surface in scene.surfaces)


def test_a_plan_takes_turns_and_another_seed_gives_other_scenes():
    planned = plan(42, 7)
    assert [one.kind for one in planned[:7]] == list(KINDS)
    assert len({one.name for one in planned}) == 42
    for kind, module in KINDS.items():
        assert [one.variant for one in planned if one.kind == kind] == list(module.VARIANTS[:6])
    assert planned[:7] == plan(7, 7)
    assert not {one.seed for one in planned} & {one.seed for one in plan(42, 8)}


def test_shapes_are_where_they_are_said_to_be():
    ball = ellipsoid((1, 2, 3), (0.5, 0.25, 1), diffuse(0.5))
    np.testing.assert_allclose(ball.vertices.max(0), [1.5, 2.25, 4], atol=1e-3)
    points, normals = scatter(ball, 200, np.random.default_rng(0))
    scaled = (points - [1, 2, 3]) / [0.5, 0.25, 1]
    np.testing.assert_allclose(np.linalg.norm(scaled, axis=1), 1, atol=0.01)
    assert ((points - [1, 2, 3]) * normals).sum(1).min() > 0  # outwards
    bar = tube(line([0, 0, 0], [0, 0, 2]), 0.3, diffuse(0.5))
    points, normals = scatter(bar, 50, np.random.default_rng(0))
    assert (points * normals)[:, :2].sum(1).min() > 0
    np.testing.assert_allclose(np.hypot(bar.vertices[:, 0], bar.vertices[:, 1]), 0.3, atol=1e-9)
    skin = blobs([[0, 0, 0]], [0.5], diffuse(0.5), cells=24)
    np.testing.assert_allclose(np.linalg.norm(skin.vertices, axis=1), 0.5, atol=0.03)
    points, normals = scatter(skin, 50, np.random.default_rng(0))
    assert (points * normals).sum(1).min() > 0
    np.testing.assert_allclose(rotation(np.pi / 2) @ [0, 0, 1], [1, 0, 0], atol=1e-12)
    thread = strand(line([0, 0, 0], [1, 0, 0], 5), 0.1, diffuse(0.5))
    assert thread.points[0, :, 0].tolist() == [-0.25, 0, 0.25, 0.5, 0.75, 1, 1.25]
    flat = sheet(np.zeros((3, 4, 3)), diffuse(0.5))
    assert len(flat.faces) == 2 * 2 * 3
    assert Waves(np.random.default_rng(0), 2.0)(np.zeros((5, 2, 3))).shape == (5, 2, 3)
