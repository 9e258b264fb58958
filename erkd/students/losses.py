"""Losses on alpha. Each is a sum over unknown pixels divided by their number, and stays attached and finite
when there are none. Of a batch that several processes share, the mean of their losses is the whole batch's.

B x 1 x H x W everywhere; `unknown` is 1 in the unknown region and 0 elsewhere.
"""

import torch
from torch import Tensor
from torch.nn.functional import conv2d, interpolate, pad

from erkd.runtime.distributed import mean_over_processes


def masked_mean(values: Tensor, weight: Tensor) -> Tensor:
    """Mean of `values` under non-negative `weight` of a broadcastable shape; 0 where all weights are 0."""
    weight = weight.expand_as(values)
    return (values * weight).sum() / mean_over_processes(weight.sum()).clamp(min=1e-6)


def alpha_l1(alpha_pred: Tensor, alpha_true: Tensor, unknown: Tensor) -> Tensor:
    """Mean absolute difference over the unknown region (the alpha loss of GCA-Matting, AAAI 2020)."""
    return masked_mean((alpha_pred - alpha_true).abs(), unknown)


def laplacian(alpha_pred: Tensor, alpha_true: Tensor, unknown: Tensor, levels: int = 5) -> Tensor:
    """Weighted L1 between Laplacian pyramids, level l weighing 2^l (Hou & Liu, ICCV 2019), / the unknown count.

    The pyramid is linear, so it is built once, of the difference. H and W at least 2^levels.
    """
    difference = alpha_pred - alpha_true
    total = difference.new_zeros(())
    for level in range(levels):
        coarse = _blur(difference)[:, :, ::2, ::2]
        band = difference - interpolate(coarse, size=difference.shape[-2:], mode="bilinear")
        # a coarse pixel stands for 4^level fine ones
        total = total + 2**level * 4**level * band.abs().sum()
        difference = coarse
    return total / (5 * mean_over_processes(unknown.sum()).clamp(min=1))


def alpha_loss(alpha_pred: Tensor, alpha_true: Tensor, unknown: Tensor, laplacian_weight: float) -> Tensor:
    """What every alpha is trained by: `alpha_l1` + `laplacian_weight` x `laplacian`."""
    detail = laplacian(alpha_pred, alpha_true, unknown)
    return alpha_l1(alpha_pred, alpha_true, unknown) + laplacian_weight * detail


def charbonnier(alpha_pred: Tensor, alpha_true: Tensor, unknown: Tensor) -> Tensor:
    """Mean of sqrt(d^2 + 1e-12) over the unknown region: L1 that is smooth at 0 (DIM, CVPR 2017)."""
    difference = (alpha_pred - alpha_true).float()
    return masked_mean((difference**2 + 1e-12).sqrt(), unknown)


def _blur(values: Tensor) -> Tensor:
    """5 x 5 binomial blur with replicated borders, one channel."""
    row = torch.tensor([1, 4, 6, 4, 1], dtype=values.dtype, device=values.device) / 16
    return conv2d(pad(values, (2, 2, 2, 2), mode="replicate"), torch.outer(row, row)[None, None])
