"""Training crops: repeatable, aligned with image and features, and around unknown pixels."""

import numpy as np
import pytest
import torch
from torch.nn.functional import affine_grid, grid_sample

from erkd.batches.ahead import training_batches
from erkd.batches.crops import normalised, random_affine
from erkd.batches.stored import jitter
from erkd.io.images import load_alpha
from tests.support.training_set import live_batches, stored_batches


@pytest.fixture
def stored(tmp_path):
    return stored_batches(tmp_path, steps=4, batch_size=3)


@pytest.mark.parametrize("make", [stored_batches, live_batches])
def test_a_batch_depends_on_seed_step_and_position_alone(tmp_path, make):
    """Read again, or by other processes, it is the same; another step's differs."""
    batches = make(tmp_path)
    first, again = batches[2], batches[2]
    assert torch.equal(first.image, again.image)
    assert torch.equal(first.trimap, again.trimap)
    assert not torch.equal(first.image, batches[1].image)
    assert not torch.equal(first.image[0], first.image[1])
    loaded = list(training_batches(batches, range(len(batches)), workers=2))
    assert len(loaded) == 3
    assert torch.equal(loaded[2].image, first.image)


def test_shapes_ranges_and_regions(stored):
    batch = stored[0]
    assert batch.image.shape == (3, 3, 64, 64)
    assert batch.trimap.shape == batch.alpha.shape == batch.unknown.shape == (3, 1, 64, 64)
    assert set(batch.trimap.unique().tolist()) <= {0.0, 0.5, 1.0}
    assert batch.unknown.flatten(1).any(dim=1).all()
    # what the trimap calls known is so in alpha
    assert (batch.alpha[batch.trimap == 1] > 0.98).all()
    assert (batch.alpha[batch.trimap == 0] < 0.02).all()


def test_theta_samples_the_whole_image_where_the_crop_was_cut(stored):
    """`grid_sample` with theta is the same crop that OpenCV made."""
    batch = stored[1]
    crops = batch.crops[0]
    files = [stored.table.parent / stored.rows[i].alpha for i in crops.index]
    whole = torch.stack([torch.from_numpy(load_alpha(file))[None] for file in files])
    grid = affine_grid(crops.theta, [3, 1, 64, 64], align_corners=False)
    sampled = grid_sample(whole, grid, mode="bilinear", padding_mode="border", align_corners=False)
    # OpenCV interpolates with 5-bit weights
    assert (sampled - batch.alpha).abs().max() < 0.03
    assert (sampled - batch.alpha).abs().mean() < 0.002


def test_thetas_of_crops_by_hand_and_crops_stay_inside_where_they_fit(rng):
    identity = np.array([[1.0, 0, 0], [0, 1, 0]])
    np.testing.assert_allclose(normalised(identity, 64, 64, 64), [[1, 0, 0], [0, 1, 0]], atol=1e-7)
    # the left half of an image of twice the width
    np.testing.assert_allclose(normalised(identity, 64, 64, 128), [[0.5, 0, -0.5], [0, 1, 0]], atol=1e-7)
    for _ in range(50):
        to_image = random_affine(rng, (0, 0), (300, 400), 64)
        corners = to_image @ np.array([[0, 63, 0, 63], [0, 0, 63, 63], [1, 1, 1, 1]])
        # rotation by 20 degrees may reach over the edge by a little
        assert corners.min() > -64
        centre = corners.mean(axis=1)
        assert 0 <= centre[0] <= 400
        assert 0 <= centre[1] <= 300


def test_jitter_keeps_range_and_repeats(rng):
    image = rng.random((8, 8, 3), np.float32)
    first = jitter(image, np.random.default_rng(1))
    np.testing.assert_array_equal(first, jitter(image, np.random.default_rng(1)))
    assert first.dtype == np.float32
    assert 0 <= first.min() <= first.max() <= 1
    assert np.abs(first - image).max() > 0.01
