"""Alpha losses: by hand, at equality, and where nothing is unknown."""

import cv2
import numpy as np
import pytest
import torch

from erkd.students.losses import alpha_l1, alpha_loss, charbonnier, laplacian, masked_mean


def test_masked_mean_by_hand():
    values = torch.tensor([1.0, 2.0, 6.0])
    assert masked_mean(values, torch.tensor([1.0, 0.0, 3.0])) == pytest.approx((1 + 18) / 4)
    assert masked_mean(values, torch.zeros(3)) == 0
    assert masked_mean(values, torch.tensor([0.0, 0.2, 0.0])) == pytest.approx(2)


def test_alpha_l1_counts_unknown_pixels_alone():
    alpha_pred = torch.tensor([[0.5, 0.2], [1.0, 0.0]])[None, None]
    alpha_true = torch.tensor([[0.25, 0.3], [0.0, 0.0]])[None, None]
    unknown = torch.tensor([[1.0, 1.0], [0.0, 1.0]])[None, None]
    assert alpha_l1(alpha_pred, alpha_true, unknown) == pytest.approx((0.25 + 0.1 + 0) / 3)


def test_laplacian_of_a_constant_difference_is_zero_and_of_a_checkerboard_is_its_first_band():
    unknown = torch.ones(1, 1, 64, 64)
    assert laplacian(torch.full_like(unknown, 0.7), torch.zeros_like(unknown), unknown) == pytest.approx(0, abs=1e-5)
    board = (torch.arange(64)[:, None] + torch.arange(64)) % 2 * 1.0
    # the binomial blur of a checkerboard is flat 0.5 inside, so the first band is +-0.5 there
    value = laplacian(board[None, None], torch.zeros_like(unknown), unknown)
    assert value == pytest.approx(0.5 / 5, rel=0.2)


def plain_laplacian(difference, unknown, levels=5):
    """The definition in NumPy: blur, keep every second pixel, and enlarge again as `cv2.resize` does."""
    taps, total = np.array([1, 4, 6, 4, 1]) / 16, 0.0
    for level in range(levels):
        blurred = cv2.sepFilter2D(difference, -1, taps, taps, borderType=cv2.BORDER_REPLICATE)
        coarse = np.ascontiguousarray(blurred[::2, ::2])
        band = difference - cv2.resize(coarse, difference.shape[::-1], interpolation=cv2.INTER_LINEAR)
        total += 2**level * 4**level * np.abs(band).sum()
        difference = coarse
    return total / 5 / max(unknown, 1)


@pytest.mark.parametrize("unknown", [0, 1, 1000])
def test_laplacian_is_the_plain_one(unknown):
    difference = np.random.default_rng(0).uniform(-1, 1, (64, 96))
    mask = torch.zeros(1, 1, 64, 96, dtype=torch.float64)
    mask.view(-1)[:unknown] = 1
    found = laplacian(torch.from_numpy(difference)[None, None], torch.zeros_like(mask), mask)
    assert found == pytest.approx(plain_laplacian(difference, unknown), rel=1e-9)


def test_charbonnier_is_the_distance_but_smooth_at_zero():
    alpha_pred, alpha_true = torch.tensor([0.7, 0.2, 0.9]), torch.tensor([0.4, 0.2, 0.1])
    assert charbonnier(alpha_pred, alpha_true, torch.tensor([1.0, 0.0, 0.0])) == pytest.approx(0.3)
    assert charbonnier(alpha_pred, alpha_true, torch.tensor([0.0, 1.0, 0.0])) == pytest.approx(1e-6)
    assert charbonnier(alpha_pred, alpha_true, torch.tensor([1.0, 0.0, 1.0])) == pytest.approx((0.3 + 0.8) / 2)


def test_the_alpha_loss_is_both_parts():
    a, b = torch.rand(2, 1, 1, 64, 64, generator=torch.Generator().manual_seed(1)).unbind()
    unknown = torch.ones_like(a)
    parts = alpha_l1(a, b, unknown) + 0.3 * laplacian(a, b, unknown)
    torch.testing.assert_close(alpha_loss(a, b, unknown, 0.3), parts)


@pytest.mark.parametrize("loss", [alpha_l1, laplacian])
def test_zero_at_equality_and_finite_and_attached_without_unknown_pixels(loss):
    alpha = torch.rand(1, 1, 64, 64)
    assert loss(alpha, alpha.clone(), torch.ones_like(alpha)) == 0
    alpha_pred = torch.rand(1, 1, 64, 64, requires_grad=True)
    value = loss(alpha_pred * 1, alpha, torch.zeros_like(alpha))
    assert torch.isfinite(value)
    value.backward()
    assert torch.isfinite(alpha_pred.grad).all()
