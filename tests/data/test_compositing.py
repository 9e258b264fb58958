"""Compositing: the equation by hand, the official rule against an independent rendering, and the stage."""

import io
import math

import cv2
import numpy as np
import pytest
from PIL import Image

from erkd.data.composites import write_composites
from erkd.data.compositing import camera_effects, composite, composite_official, place_background, shift_mean_colour
from erkd.io.files import InputError, sha256
from erkd.io.images import load_alpha, load_image, save_image, to_bytes
from erkd.io.tables import CompositeRow, LayerRow, read_table, write_table
from erkd.params import CompositeParams, Splits
from tests.support.official_trees import composite_by_hand
from tests.support.rows import layer_row

PLAIN = CompositeParams(per_foreground=Splits(train=2, validation=1, test=1), defocus=0.0, effects=0.0)


def test_the_equation_by_hand_and_alpha_recovered_from_it(rng):
    foreground, background = np.full((1, 2, 3), 0.8, np.float32), np.full((1, 2, 3), 0.2, np.float32)
    alpha = np.asarray([[0.25, 1.0]], np.float32)
    np.testing.assert_allclose(composite(foreground, alpha, background)[0, :, 0], [0.35, 0.8], atol=1e-6)
    foreground = np.float32(0.6) + rng.random((20, 20, 3), dtype=np.float32) * np.float32(0.4)
    background = rng.random((20, 20, 3), dtype=np.float32) * np.float32(0.3)
    alpha = rng.random((20, 20), dtype=np.float32)
    difference = foreground - background
    recovered = ((composite(foreground, alpha, background) - background) * difference).sum(2)
    np.testing.assert_allclose(recovered / (difference**2).sum(2), alpha, atol=1e-5)
    with pytest.raises(ValueError, match="sizes differ"):
        composite(np.zeros((4, 4, 3)), np.zeros((4, 5)), np.zeros((4, 4, 3)))


@pytest.mark.parametrize("size", [(37, 51), (50, 40), (17, 90), (200, 201), (36, 50)])
def test_the_official_rule_bit_for_bit(rng, size):
    foreground = rng.integers(0, 256, (37, 51, 3)).astype(np.uint8)
    alpha = rng.choice([0, 1, 64, 127, 128, 254, 255], (37, 51)).astype(np.uint8)
    background = rng.integers(0, 256, (*size, 3)).astype(np.uint8)
    result = composite_official(foreground, alpha, background)
    assert result.dtype == np.uint8
    np.testing.assert_array_equal(result, composite_by_hand(foreground, alpha, background))


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


class Told:
    """A random generator whose draws are told: `random` in turn; all others lie at `share` of their range."""

    def __init__(self, chances, share=1.0):
        self.chances, self.share = [*chances], share

    def random(self):
        return self.chances.pop(0)

    def uniform(self, low, high):
        return low + self.share * (high - low)

    def integers(self, low, high=None):
        low, high = (0, low) if high is None else (low, high)
        return low + round(self.share * (high - 1 - low))

    def standard_normal(self, shape, dtype):
        return np.random.default_rng(0).standard_normal(shape, dtype=dtype)


@pytest.mark.parametrize(
    ("chance", "flipped", "share", "top", "left"), [(0.49, True, 1, 1.3, 1), (0.5, False, 0, 1, 0)]
)
@pytest.mark.parametrize("enlarged", [2, 0.25])
def test_a_background_is_enlarged_cropped_and_mirrored_by_chance(rng, chance, flipped, share, top, left, enlarged):
    """At most 1.3 times what covers; the crop from the first corner to the last."""
    height, width = round(32 * enlarged), round(20 * enlarged)
    background = rng.random((32, 40, 3), dtype=np.float32)
    placed = place_background(background, height, width, Told([chance], share))
    size = math.ceil(40 * enlarged * top), math.ceil(32 * enlarged * top)
    kind = cv2.INTER_AREA if enlarged < 1 else cv2.INTER_CUBIC
    resized = np.clip(cv2.resize(background, size, interpolation=kind), 0, 1)
    expected = resized[left * (size[1] - height) :, left * (size[0] - width) :][:height, :width]
    np.testing.assert_array_equal(placed, expected[:, ::-1] if flipped else expected)


RARELY = (0.3, 0.4, 0.5, 0.4)  # from these on an effect is left out


def with_effect(number, image, share):
    """The image with one effect alone, its strength at a share of its range."""
    chances = [limit - 0.01 * (one == number) for one, limit in enumerate(RARELY)]
    changed = camera_effects(image, Told(chances, share))
    assert (changed.dtype, changed.min() >= 0, changed.max() <= 1) == (np.float32, True, True)
    return changed


@pytest.mark.parametrize("share", [0, 1])
def test_each_camera_effect_is_what_it_says(rng, share):
    image = rng.random((16, 24, 3), dtype=np.float32)
    np.testing.assert_array_equal(with_effect(None, image, share), image)
    blurred = cv2.GaussianBlur(image, (0, 0), (0.3, 0.6)[share])
    np.testing.assert_array_equal(with_effect(0, image, share), blurred)
    np.testing.assert_allclose(with_effect(1, image, share), image ** math.exp((-0.25, 0.25)[share]), atol=1e-6)
    grain = Told([]).standard_normal(image.shape, np.float32) * (0.003, 0.03)[share]
    np.testing.assert_allclose(with_effect(2, image, share), np.clip(image + grain, 0, 1), atol=1e-6)
    stream = io.BytesIO()
    Image.fromarray(to_bytes(image)).save(stream, "JPEG", quality=(60, 96)[share], subsampling="4:2:0")
    np.testing.assert_allclose(with_effect(3, image, share), np.asarray(Image.open(stream)) / 255, atol=0.02)


def test_a_shifted_background_keeps_its_contrast_within_the_range():
    """Only what is opaque counts; each channel by itself."""
    background = np.asarray([[[0.5, 0.5, 0.1], [1.0, 1.0, 0.1]]], np.float32)
    alpha = np.asarray([[0.5, 0.0]], np.float32)
    for colour, expected in ((1.0, [0.75, 1.0]), (0.0, [0.0, 0.25])):
        foreground = np.asarray([[[colour, colour, 0.3], [0.6, 0.6, 0.6]]], np.float32)
        shifted = shift_mean_colour(background, foreground, alpha, 1.0)
        assert shifted.dtype == np.float32
        np.testing.assert_allclose(shifted[0, :, 0], expected, atol=1e-6)
        np.testing.assert_allclose(shifted[0, :, 2], 0.3, atol=1e-6)
    foreground, background = np.full((4, 4, 3), 0.7, np.float32), np.full((4, 4, 3), 0.3, np.float32)
    halfway = shift_mean_colour(background, foreground, np.ones((4, 4), np.float32), 0.5)
    np.testing.assert_allclose(halfway, 0.5, atol=1e-6)


@pytest.fixture
def library(tmp_path, rng):
    folder, rows = tmp_path / "library", []
    for layer_id in (f"{split}-{kind}{n}" for split in Splits.model_fields for n in range(2) for kind in "fb"):
        split, kind = layer_id.split("-")[0], "foreground" if "-f" in layer_id else "background"
        (height, width), alpha = ((24, 32), f"{layer_id}-alpha.png") if kind == "foreground" else ((40, 30), "")
        words = {"licence": f"licence of {kind}", "caption": f"a {layer_id}"}
        rows.append(layer_row(layer_id, kind, split, height=height, width=width, alpha=alpha, **words))
        save_image(rng.random((height, width, 3), dtype=np.float32), folder / rows[-1].image)
        if alpha:
            save_image(rng.random((height, width), dtype=np.float32), folder / alpha)
    write_table(rows, folder / "library.csv")
    return folder


def test_the_stage_writes_the_alpha_it_used(library, tmp_path):
    write_composites(library, tmp_path / "out", PLAIN, 3)
    rows = read_table(tmp_path / "out/manifest.csv", CompositeRow)
    assert [row.split for row in rows] == ["train"] * 4 + ["validation"] * 2 + ["test"] * 2
    assert len({row.sample_id for row in rows}) == len({row.seed for row in rows}) == len(rows)
    for row in rows:
        assert row.foreground_id.startswith(row.split)
        assert row.background_id.startswith(row.split)
        assert row.licence == "licence of foreground + licence of background"
        assert row.caption == f"{row.foreground_phrase} in front of {row.background_phrase}"
        image, alpha = load_image(tmp_path / "out" / row.image), load_alpha(tmp_path / "out" / row.alpha)
        assert (image.shape, alpha.shape) == ((row.height, row.width, 3), (row.height, row.width))
        foreground = load_image(library / f"{row.foreground_id}.png")
        stored = load_alpha(library / f"{row.foreground_id}-alpha.png")
        if not (alpha == stored).all():
            foreground, stored = foreground[:, ::-1], stored[:, ::-1]
        np.testing.assert_array_equal(alpha, stored)
        opaque = alpha == 1
        np.testing.assert_allclose(image[opaque], foreground[opaque], atol=1 / 255)
    # a foreground's two composites have different backgrounds
    assert len({row.background_id for row in rows if row.foreground_id == "train-f0"}) == 2


def test_a_seed_gives_the_same_bytes_whatever_the_number_of_workers(library, tmp_path):
    from joblib import parallel_config

    params = PLAIN.model_copy(update={"defocus": 0.5, "effects": 1.0})
    write_composites(library, tmp_path / "a", params, 7)
    for backend, workers in (("threading", 1), ("threading", 5), ("loky", 3), ("sequential", None)):
        with parallel_config(backend=backend, n_jobs=workers):
            write_composites(library, tmp_path / "b", params, 7)
        assert sha256(tmp_path / "b") == sha256(tmp_path / "a"), backend
    write_composites(library, tmp_path / "c", params, 8)
    assert (tmp_path / "c/manifest.csv").read_bytes() != (tmp_path / "a/manifest.csv").read_bytes()


def test_a_library_that_cannot_be_composited_is_named(library, tmp_path):
    rows = read_table(library / "library.csv", LayerRow)
    save_image(np.ones((10, 10), np.float32), library / "train-f0-alpha.png")
    with pytest.raises(InputError, match=r"train-f0-alpha\.png"):
        write_composites(library, tmp_path / "out", PLAIN, 0)
    write_table([row for row in rows if row.layer_id[:6] != "test-b"], library / "library.csv")
    with pytest.raises(InputError, match="test has no background"):
        write_composites(library, tmp_path / "out", PLAIN, 0)
    assert not (tmp_path / "out/manifest.csv").exists()
