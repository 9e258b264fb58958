"""Live batches: exact composites, aligned views, the same on every call; trimaps equal on every device."""

import numpy as np
import pytest
import torch
from torch.nn.functional import affine_grid, grid_sample
from training_set import disc, live_batches

from erkd import photometry
from erkd.batches import training_batches
from erkd.live import LiveBatches, merge
from erkd.live_trimap import erode, trimap_in_torch
from erkd.trimap import Radii, _erode, trimap_from_radii


@pytest.fixture
def live(tmp_path):
    return live_batches(tmp_path)


def test_a_batch_depends_on_seed_step_and_position_alone(live):
    first, again = live[2], live[2]
    assert torch.equal(first.image, again.image)
    assert torch.equal(first.trimap, again.trimap)
    assert not torch.equal(first.image, live[1].image)
    loaded = list(training_batches(live, range(len(live)), workers=2))
    assert len(loaded) == 3
    assert torch.equal(loaded[2].image, first.image)


def test_shapes_ranges_and_shares(live):
    for step in range(3):
        batch = live[step]
        assert batch.image.shape == batch.foreground.shape == batch.background.shape == (4, 3, 64, 64)
        assert 0 <= batch.image.min() <= batch.image.max() <= 1
        assert set(batch.trimap.unique().tolist()) <= {0.0, 0.5, 1.0}
        shares = sum(view.share for view in batch.views)
        torch.testing.assert_close(shares, torch.ones_like(shares))
        torch.testing.assert_close(1 - batch.views[-1].share, batch.alpha)
        assert (batch.alpha[batch.trimap == 1] > 0.98).all()
        assert (batch.alpha[batch.trimap == 0] < 0.02).all()


def test_without_camera_effects_the_image_is_the_composite(live, monkeypatch):
    monkeypatch.setattr(LiveBatches, "_camera", lambda self, rngs, image: image)
    batch = live[0]
    expected = batch.alpha * batch.foreground + (1 - batch.alpha) * batch.background
    torch.testing.assert_close(batch.image, expected)


def test_theta_finds_the_crop_in_its_layer(live):
    live.distill = live.distill.model_copy(update={"merge": 0.0})
    batch = live[1]
    view = batch.views[0]
    for i in range(4):
        layer, _ = live.load(int(view.index[i]))
        grid = affine_grid(view.theta[i : i + 1], [1, 4, 64, 64], align_corners=False)
        piece = grid_sample(layer[None].float() / 255, grid, padding_mode="reflection", align_corners=False)
        torch.testing.assert_close(piece[:, 3:], view.share[i : i + 1])
    assert {int(i) for i in view.index} <= {0, 1}


def test_merged_foregrounds_cover_as_both_do():
    first, second = torch.tensor([0.5, 1.0, 0.0]), torch.tensor([0.5, 0.7, 0.2])
    shares = merge(first, second)
    torch.testing.assert_close(sum(shares), 1 - (1 - first) * (1 - second))


@pytest.mark.parametrize("radius", [1, 4, 9, 40])
def test_erosion_in_torch_is_opencvs(rng, radius):
    region = disc(70, 90, 33) > 0.5
    region &= rng.random(region.shape) > 0.002
    np.testing.assert_array_equal(erode(torch.from_numpy(region), radius).numpy(), _erode(region, radius))


@pytest.mark.parametrize("whole", [False, True])
def test_trimaps_in_torch_are_those_of_the_cpu(rng, whole):
    alpha = np.asarray(disc(80, 80, 30) * (rng.random((80, 80)) > 0.01), np.float32)
    for radii in (Radii(3, 7, whole), Radii(40, 60, whole)):
        expected, _ = trimap_from_radii(alpha, radii)
        np.testing.assert_array_equal(trimap_in_torch(torch.from_numpy(alpha), radii).numpy(), expected)


def test_blur_noise_and_jpeg_of_strength_zero_change_nothing():
    images = torch.rand(2, 3, 32, 32)
    zero = torch.zeros(2)
    torch.testing.assert_close(photometry.blur(images, zero), images)
    torch.testing.assert_close(photometry.add_noise(images, zero, torch.zeros(2, 2)), images)
    torch.testing.assert_close(photometry.compress(images, zero), images)
    torch.testing.assert_close(
        photometry.tone(images.clamp(1e-3), torch.ones(2, 3), torch.ones(2)), images.clamp(1e-3)
    )


def test_blur_noise_and_jpeg_do_what_they_say():
    images = torch.zeros(2, 3, 64, 64)
    images[:, :, 32, 32] = 1
    blurred = photometry.blur(images, torch.tensor([0.0, 2.0]))
    assert blurred[0, 0, 32, 32] == 1
    assert blurred[1, 0, 32, 32].item() == pytest.approx(1 / (2 * np.pi * 4), rel=0.02)
    assert blurred[1, 0].sum().item() == pytest.approx(1, rel=1e-3)
    grey = torch.full((1, 3, 64, 64), 0.5)
    noisy = photometry.add_noise(grey, torch.tensor([0.1]), torch.tensor([[5, 9]]))
    assert noisy.std().item() == pytest.approx(0.1, rel=0.05)
    smooth = torch.linspace(0, 1, 64).expand(1, 3, 64, 64)
    assert (photometry.compress(smooth, torch.tensor([90.0])) - smooth).abs().mean() < 0.01
