"""Alpha losses: by hand, at equality, and where nothing is unknown."""

import pytest
import torch

from erkd.losses import alpha_l1, laplacian, masked_mean


def test_masked_mean_by_hand():
    values = torch.tensor([1.0, 2.0, 6.0])
    assert masked_mean(values, torch.tensor([1.0, 0.0, 3.0])) == pytest.approx((1 + 18) / 4)
    assert masked_mean(values, torch.zeros(3)) == 0


def test_alpha_l1_counts_unknown_pixels_alone():
    alpha_pred = torch.tensor([[0.5, 0.2], [1.0, 0.0]])[None, None]
    alpha_true = torch.tensor([[0.25, 0.3], [0.0, 0.0]])[None, None]
    unknown = torch.tensor([[1.0, 1.0], [0.0, 1.0]])[None, None]
    assert alpha_l1(alpha_pred, alpha_true, unknown) == pytest.approx((0.25 + 0.1 + 0) / 3)


def test_laplacian_of_a_constant_difference_is_zero_and_of_a_checkerboard_is_its_first_band():
    unknown = torch.ones(1, 1, 64, 64)
    assert laplacian(torch.full_like(unknown, 0.7), torch.zeros_like(unknown), unknown) == pytest.approx(
        0, abs=1e-5
    )
    board = (torch.arange(64)[:, None] + torch.arange(64)) % 2 * 1.0
    # the binomial blur of a checkerboard is flat 0.5 inside, so the first band is +-0.5 there
    value = laplacian(board[None, None], torch.zeros_like(unknown), unknown)
    assert value == pytest.approx(0.5 / 5, rel=0.2)


def test_laplacian_is_linear_in_the_difference():
    a, b = torch.rand(2, 1, 1, 64, 64, generator=torch.Generator().manual_seed(0)).unbind()
    unknown = torch.ones(1, 1, 64, 64)
    torch.testing.assert_close(laplacian(b + (a - b) * 3, b, unknown), 3 * laplacian(a, b, unknown))


@pytest.mark.parametrize("loss", [alpha_l1, laplacian])
def test_zero_at_equality_and_finite_and_attached_without_unknown_pixels(loss):
    alpha = torch.rand(1, 1, 64, 64)
    assert loss(alpha, alpha.clone(), torch.ones_like(alpha)) == 0
    alpha_pred = torch.rand(1, 1, 64, 64, requires_grad=True)
    value = loss(alpha_pred * 1, alpha, torch.zeros_like(alpha))
    assert torch.isfinite(value)
    value.backward()
    assert torch.isfinite(alpha_pred.grad).all()
