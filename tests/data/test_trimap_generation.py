"""Trimaps from alpha: radii by hand, drawn ones, and the stage's table."""

import numpy as np
import pytest
from PIL import Image

from erkd.data.trimap_generation import (
    Radii,
    draw_radii,
    draw_trimap,
    narrow,
    trimap_from_alpha,
    trimap_from_radii,
    whole_object_trimap,
)
from erkd.data.trimaps import write_trimaps
from erkd.io.files import InputError, sha256
from erkd.io.images import load_trimap, save_image
from erkd.io.tables import TrimapRow, read_table, write_table
from erkd.params import TrimapParams
from tests.support.rows import composite_row

PARAMS = TrimapParams(min_radius=2, max_radius=60, whole_object=0.25, whole_flat=0.5)


def disc(size=96, radius=30, softness=3.0):
    y, x = np.mgrid[0:size, 0:size]
    distance = np.hypot(x - size / 2, y - size / 2)
    return np.clip((radius - distance) / softness + 0.5, 0, 1).astype(np.float32)


def test_each_side_is_eroded_by_its_own_radius_and_the_frame_is_not_an_edge():
    alpha = np.zeros((5, 20), np.float32)
    alpha[:, 10:] = 1
    row = trimap_from_alpha(alpha, 2, 4)[2]
    # the first foreground pixel is 1 away from the background: radius 2 takes two columns, radius 4 four
    assert row.tolist() == [0] * 6 + [0.5] * 6 + [1] * 8
    alpha = np.ones((20, 20), np.float32)
    alpha[:, :5] = 0
    assert (trimap_from_alpha(alpha, 3, 1)[:, 8:] == 1).all()
    # radius 0 takes only what is not definite
    alpha = np.asarray([[0, 1 / 255, 2 / 255, 0.5, 253 / 255, 254 / 255, 1]], np.float32)
    assert trimap_from_alpha(alpha, 0, 0).tolist() == [[0, 0, 0.5, 0.5, 0.5, 1, 1]]


@pytest.mark.parametrize("radius", [5, 50, 100])
def test_rounding_decides_no_pixel(radius):
    """At 50 the next distance, the root of 2501, is 50.01 but for a millionth."""
    alpha = np.ones((radius + 3, radius + 3), np.float32)
    alpha[0, 0] = 0
    trimap = trimap_from_alpha(alpha, radius, 1)
    assert (trimap[radius, 0], trimap[radius, 1]) == (0.5, 1)


def test_known_pixels_tell_the_truth(rng):
    alpha = disc(128, 45, 9)
    for _ in range(20):
        trimap, _ = draw_trimap(alpha, PARAMS, rng)
        assert set(np.unique(trimap)) <= {0, 0.5, 1}
        assert (trimap == 0.5).any()
        assert (alpha[trimap == 1] >= 254 / 255 - 1e-6).all()
        assert (alpha[trimap == 0] <= 1 / 255 + 1e-6).all()


def test_a_porous_object_is_unknown_as_a_whole_but_for_a_solid_core():
    alpha = np.zeros((80, 80), np.float32)
    alpha[20:60, 20:60:4] = 1  # bars with gaps of three pixels
    trimap = whole_object_trimap(alpha, 4, 2)
    assert (trimap[22:58, 22:55] == 0.5).all()
    assert (trimap[:10] == 0).all()
    assert (trimap_from_alpha(alpha, 0, 0)[30, 21:24] == 0).all()  # the gaps are known otherwise
    assert whole_object_trimap(disc(96, 40, 1), 6, 2)[48, 48] == 1
    # a gap is unknown up to twice the radius
    alpha = np.zeros((40, 80), np.float32)
    alpha[:, 20:30] = alpha[:, 37:47] = 1  # seven pixels between the bars
    assert (whole_object_trimap(alpha, 4, 2)[20, 30:37] == 0.5).all()
    assert (whole_object_trimap(alpha, 3, 2)[20, 32:35] == 0).all()


@pytest.mark.parametrize(
    ("solid", "level", "known"),
    [(1, 255, True), (1, 254, True), (1, 253, False), (1, 2, False), (0, 0, True), (0, 1, True), (0, 2, False)],
)
def test_what_counts_as_solid_or_empty_in_a_whole_object_trimap(solid, level, known):
    alpha = np.full((40, 40), np.float32(level / 255))
    alpha[:, :4] = 1 - solid
    assert (whole_object_trimap(alpha, 3, 1)[20, 30] == solid) == known


def test_radii_are_log_uniform_and_in_pixels_of_an_image_of_800(rng):
    params = TrimapParams(min_radius=4, max_radius=64, whole_object=0, whole_flat=0.5)
    alpha = disc(800, 250, 2)
    small = np.ascontiguousarray(alpha[::4, ::4])
    drawn = [draw_trimap(small, params, rng)[1] for _ in range(150)]
    radii = np.asarray([(one.foreground, one.background) for one in drawn])
    assert radii.min() >= 1
    assert radii.max() <= 16
    assert np.median(radii) == pytest.approx(4, abs=1.5)  # sqrt(4 * 64) / 4
    assert (radii[:, 0] != radii[:, 1]).mean() > 0.5
    assert max(draw_trimap(alpha, params, rng)[1].foreground for _ in range(12)) > 16
    exact = TrimapParams(min_radius=60, max_radius=60, whole_object=0, whole_flat=0.5)
    alpha = np.zeros((2, 8000), np.float32)
    alpha[:, 4000:] = 1
    assert draw_trimap(alpha, exact, rng)[1] == Radii(600, 600, whole=False)


def test_porous_parts_are_closed_by_a_fifth_to_four_fifths_of_the_widest_radius(rng):
    params = TrimapParams(min_radius=2, max_radius=60, whole_object=1, whole_flat=0.5)
    drawn = [draw_radii(params, rng, scale=0.5) for _ in range(300)]
    closing = np.asarray([radii.foreground for radii in drawn])
    assert all(radii.whole for radii in drawn)
    assert (closing.min(), closing.max()) == (6, 24)
    assert draw_radii(params, rng, scale=0.001).foreground == 2
    share = np.mean([draw_radii(PARAMS, rng, scale=1).whole for _ in range(2000)])
    assert share == pytest.approx(0.25, abs=0.04)


def test_a_trimap_is_narrowed_until_less_than_nine_tenths_are_unknown(rng):
    assert narrow(Radii(7, 4, whole=True)) == Radii(3, 2, whole=True)
    assert narrow(Radii(1, 3, whole=False)) == Radii(1, 1, whole=False)
    assert [Radii(*pair, whole=False).narrowest for pair in ((1, 1), (2, 1), (1, 2))] == [True, False, False]
    alpha = np.zeros((10, 100), np.float32)
    alpha[:, 50:] = 1
    trimap, radii = trimap_from_radii(alpha, Radii(48, 48, whole=False))
    assert radii == Radii(24, 24, whole=False)  # 96 columns of 100 are too many
    assert (trimap == 0.5).mean() == pytest.approx(0.48)
    kept = Radii(45, 44, whole=False)
    assert trimap_from_radii(alpha, kept)[1] == kept  # 89 columns
    alpha = (rng.random((64, 64)) < 0.5).astype(np.float32)
    alpha[:, :20], alpha[:, 44:] = 0, 1
    trimap, _ = draw_trimap(alpha, TrimapParams(min_radius=60, max_radius=200, whole_object=1, whole_flat=0.5), rng)
    assert (trimap == 0.5).mean() < 0.9


def test_the_stage_writes_every_trimap_and_then_the_table(tmp_path):
    splits = {"s0": "test", "s1": "train", "s2": "train"}
    rows = [composite_row(name, split, alpha=f"alphas/{name}.png") for name, split in splits.items()]
    for row in rows:
        save_image(disc(), tmp_path / "composites" / row.alpha)
    write_table(rows, tmp_path / "composites/manifest.csv")
    write_trimaps(tmp_path / "composites", tmp_path / "trimaps", PARAMS, 0)
    written = read_table(tmp_path / "trimaps/trimaps.csv", TrimapRow)
    assert [row.sample_id for row in written] == ["s0", "s1", "s2"]
    assert len({row.seed for row in written}) == 3
    for row in written:
        trimap = load_trimap(tmp_path / "trimaps" / row.trimap)
        assert row.unknown_fraction == pytest.approx((trimap == 0.5).mean(), abs=1e-6)
        assert set(np.unique(np.asarray(Image.open(tmp_path / "trimaps" / row.trimap)))) <= {0, 128, 255}
    write_trimaps(tmp_path / "composites", tmp_path / "again", PARAMS, 0)
    assert read_table(tmp_path / "again/trimaps.csv", TrimapRow) == written
    assert sha256(tmp_path / "again") == sha256(tmp_path / "trimaps")


def test_an_alpha_without_an_edge_is_named(tmp_path):
    save_image(np.ones((32, 32), np.float32), tmp_path / "alphas/flat.png")
    write_table([composite_row("flat", alpha="alphas/flat.png")], tmp_path / "manifest.csv")
    with pytest.raises(InputError, match=r"flat\.png.*no edge"):
        write_trimaps(tmp_path, tmp_path / "trimaps", PARAMS, 0)
    assert not (tmp_path / "trimaps/trimaps.csv").exists()
