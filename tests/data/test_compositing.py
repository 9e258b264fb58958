"""Compositing: the equation by hand, the official rule against an independent rendering, and the stage."""

import math

import numpy as np
import pytest
from PIL import Image

from erkd.data.composites import write_composites
from erkd.data.compositing import (
    camera_effects,
    composite,
    composite_official,
    place_background,
    shift_mean_colour,
)
from erkd.io.files import InputError, sha256
from erkd.io.images import load_alpha, load_image, save_image
from erkd.io.tables import CompositeRow, LayerRow, read_table, write_table
from erkd.params import CompositeParams, Splits

PLAIN = CompositeParams(per_foreground=Splits(train=2, validation=1, test=1), effects=0.0)


def test_the_equation_by_hand():
    foreground, background = np.full((1, 2, 3), 0.8, np.float32), np.full((1, 2, 3), 0.2, np.float32)
    alpha = np.asarray([[0.25, 1.0]], np.float32)
    np.testing.assert_allclose(composite(foreground, alpha, background)[0, :, 0], [0.35, 0.8], atol=1e-6)


def test_sizes_that_differ_are_refused():
    with pytest.raises(ValueError, match="sizes differ"):
        composite(np.zeros((4, 4, 3)), np.zeros((4, 5)), np.zeros((4, 4, 3)))


def test_alpha_is_recovered_from_a_composite(rng):
    foreground = np.float32(0.6) + rng.random((20, 20, 3), dtype=np.float32) * np.float32(0.4)
    background = rng.random((20, 20, 3), dtype=np.float32) * np.float32(0.3)
    alpha = rng.random((20, 20), dtype=np.float32)
    image = composite(foreground, alpha, background)
    difference = foreground - background
    recovered = ((image - background) * difference).sum(2) / (difference**2).sum(2)
    np.testing.assert_allclose(recovered, alpha, atol=1e-5)


def official_by_hand(foreground, alpha, background):
    """The rule written as a loop over pixels with Python's own floats and integers."""
    height, width = alpha.shape
    rows, columns = background.shape[:2]
    ratio = max(width / columns, height / rows)
    picture = Image.fromarray(background)
    if ratio > 1:
        enlarged = (math.ceil(columns * ratio), math.ceil(rows * ratio))
        picture = picture.resize(enlarged, Image.Resampling.BICUBIC)
    picture = picture.crop((0, 0, width, height))
    result = np.zeros((height, width, 3), np.uint8)
    for y in range(height):
        for x in range(width):
            a = int(alpha[y, x])
            below = picture.getpixel((x, y))
            for channel in range(3):
                f = int(foreground[y, x, channel])
                mixed = int(a / 255.0 * f + (1 - a / 255.0) * below[channel])
                result[y, x, channel] = f if a == 255 else mixed
    return result


@pytest.mark.parametrize("size", [(37, 51), (50, 40), (17, 90), (200, 201), (36, 50)])
def test_the_official_rule_bit_for_bit(rng, size):
    foreground = rng.integers(0, 256, (37, 51, 3)).astype(np.uint8)
    alpha = rng.choice([0, 1, 64, 127, 128, 254, 255], (37, 51)).astype(np.uint8)
    background = rng.integers(0, 256, (*size, 3)).astype(np.uint8)
    result = composite_official(foreground, alpha, background)
    assert result.dtype == np.uint8
    np.testing.assert_array_equal(result, official_by_hand(foreground, alpha, background))


def test_official_edge_values():
    foreground, background = np.full((2, 2, 3), 201, np.uint8), np.full((2, 2, 3), 100, np.uint8)
    alpha = np.asarray([[0, 255], [128, 254]], np.uint8)
    # 128: 0.50196 * 201 + 0.49804 * 100 = 150.698, truncated; 254: 200.6
    assert composite_official(foreground, alpha, background)[:, :, 0].tolist() == [[100, 201], [150, 200]]


@pytest.mark.parametrize("size", [(20, 30), (300, 200), (64, 64), (10, 400)])
def test_a_placed_background_covers(rng, size):
    placed = place_background(np.full((*size, 3), 0.5, np.float32), 64, 48, rng)
    assert placed.shape == (64, 48, 3)
    np.testing.assert_allclose(placed, 0.5, atol=1e-5)


def test_camera_effects_are_mild(rng):
    image = np.tile(np.linspace(0.2, 0.8, 64, dtype=np.float32)[:, None, None], (1, 64, 3))
    for seed in range(12):
        changed = camera_effects(image, np.random.default_rng(seed))
        assert changed.dtype == np.float32
        assert 0 <= changed.min() <= changed.max() <= 1
        assert np.abs(changed - image).mean() < 0.12
    assert any((camera_effects(image, np.random.default_rng(seed)) != image).any() for seed in range(12))


def test_shifted_backgrounds_approach_the_foreground():
    foreground, background = np.full((4, 4, 3), 0.7, np.float32), np.full((4, 4, 3), 0.3, np.float32)
    np.testing.assert_allclose(
        shift_mean_colour(background, foreground, np.ones((4, 4), np.float32), 0.5), 0.5, atol=1e-6
    )


def layer(layer_id, kind, split, size, alpha=""):
    height, width = size
    return LayerRow(
        layer_id=layer_id,
        kind=kind,
        split=split,
        source="procedural",
        licence=f"licence of {kind}",
        material="fur",
        image=f"{layer_id}.png",
        alpha=alpha,
        height=height,
        width=width,
        seed=0,
        caption=f"a {layer_id}",
    )


@pytest.fixture
def library(tmp_path, rng):
    rows = []
    for split in ("train", "validation", "test"):
        for index in range(2):
            foreground = layer(
                f"{split}-f{index}", "foreground", split, (24, 32), f"{split}-f{index}-alpha.png"
            )
            background = layer(f"{split}-b{index}", "background", split, (40, 30))
            rows += [foreground, background]
            save_image(rng.random((24, 32, 3), dtype=np.float32), tmp_path / "library" / foreground.image)
            save_image(rng.random((24, 32), dtype=np.float32), tmp_path / "library" / foreground.alpha)
            save_image(rng.random((40, 30, 3), dtype=np.float32), tmp_path / "library" / background.image)
    write_table(rows, tmp_path / "library/library.csv")
    return tmp_path / "library"


def test_the_stage(library, tmp_path):
    rows = write_composites(library, tmp_path / "out", PLAIN, 3)
    assert read_table(tmp_path / "out/manifest.csv", CompositeRow) == rows
    assert [row.split for row in rows] == ["train"] * 4 + ["validation"] * 2 + ["test"] * 2
    assert len({row.sample_id for row in rows}) == len({row.seed for row in rows}) == len(rows)
    for row in rows:
        assert row.foreground_id.startswith(row.split)
        assert row.background_id.startswith(row.split)
        assert row.licence == "licence of foreground + licence of background"
        assert row.caption == f"{row.foreground_phrase} in front of {row.background_phrase}"
        image, alpha = load_image(tmp_path / "out" / row.image), load_alpha(tmp_path / "out" / row.alpha)
        assert image.shape == (row.height, row.width, 3)
        assert alpha.shape == (row.height, row.width)
    # a foreground's two composites have different backgrounds
    assert len({row.background_id for row in rows if row.foreground_id == "train-f0"}) == 2


def test_the_alpha_written_is_the_one_used(library, tmp_path):
    for row in write_composites(library, tmp_path / "out", PLAIN, 1):
        image, alpha = load_image(tmp_path / "out" / row.image), load_alpha(tmp_path / "out" / row.alpha)
        foreground = load_image(library / f"{row.foreground_id}.png")
        stored = load_alpha(library / f"{row.foreground_id}-alpha.png")
        if not (alpha == stored).all():
            foreground, stored = foreground[:, ::-1], stored[:, ::-1]
        np.testing.assert_array_equal(alpha, stored)
        opaque = alpha == 1
        np.testing.assert_allclose(image[opaque], foreground[opaque], atol=1 / 255)


def test_a_seed_gives_the_same_bytes_whatever_the_number_of_workers(library, tmp_path):
    from joblib import parallel_config

    params = PLAIN.model_copy(update={"effects": 1.0})
    write_composites(library, tmp_path / "a", params, 7)
    for backend, workers in (("threading", 1), ("threading", 5), ("loky", 3), ("sequential", None)):
        with parallel_config(backend=backend, n_jobs=workers):
            write_composites(library, tmp_path / "b", params, 7)
        assert sha256(tmp_path / "b") == sha256(tmp_path / "a"), backend
    write_composites(library, tmp_path / "c", params, 8)
    assert (tmp_path / "c/manifest.csv").read_bytes() != (tmp_path / "a/manifest.csv").read_bytes()


def test_an_alpha_of_another_size_writes_nothing(library, tmp_path):
    save_image(np.ones((10, 10), np.float32), library / "train-f0-alpha.png")
    with pytest.raises(InputError, match=r"train-f0-alpha\.png"):
        write_composites(library, tmp_path / "out", PLAIN, 0)
    assert not (tmp_path / "out/manifest.csv").exists()


def test_a_split_without_layers_is_named(library, tmp_path):
    rows = [row for row in read_table(library / "library.csv", LayerRow) if row.layer_id[:6] != "test-b"]
    write_table(rows, library / "library.csv")
    with pytest.raises(InputError, match="test has no background"):
        write_composites(library, tmp_path / "out", PLAIN, 0)
