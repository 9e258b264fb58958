"""Losses on alpha, normalised by the number of unknown pixels; finite, with a gradient, when there are none.

All maps are B x 1 x H x W; `unknown` is 1 in the unknown region and 0 elsewhere. Counts are averaged over
processes, so that the mean of the processes' losses is the loss of the whole batch.
"""

from torch import Tensor
from torch.nn.functional import interpolate, pad

from erkd.runtime.distributed import mean_over_processes


def masked_mean(values: Tensor, weight: Tensor) -> Tensor:
    """Weighted mean of `values`; `weight` >= 0 is broadcast. 0 when all weights are 0."""
    weight = weight.expand_as(values)
    return (values * weight).sum() / mean_over_processes(weight.sum()).clamp(min=1e-6)


def alpha_l1(alpha_pred: Tensor, alpha_true: Tensor, unknown: Tensor) -> Tensor:
    """Mean absolute difference over the unknown region (the alpha loss of GCA-Matting, AAAI 2020)."""
    return masked_mean((alpha_pred - alpha_true).abs(), unknown)


def laplacian(alpha_pred: Tensor, alpha_true: Tensor, unknown: Tensor, levels: int = 5) -> Tensor:
    """Laplacian pyramid loss (Hou & Liu, ICCV 2019): sum over levels l of 2^l L1, divided by the unknown count.

    The pyramid is linear, so one of the difference suffices.

    Args:
        alpha_pred: Predicted alpha in [0, 1]; H and W at least 2^levels.
        alpha_true: True alpha in [0, 1].
        unknown: 1 in the unknown region; only its sum enters.
        levels: Levels of the pyramid.
    """
    difference = alpha_pred - alpha_true
    total = difference.new_zeros(())
    for level in range(levels):
        coarse = _blur(difference)[:, :, ::2, ::2]
        band = difference - interpolate(coarse, size=difference.shape[-2:], mode="bilinear")
        # a pixel of this level covers 4^level pixels of the image
        total = total + 2**level * 4**level * band.abs().sum()
        difference = coarse
    return total / (5 * mean_over_processes(unknown.sum()).clamp(min=1))


def alpha_loss(alpha_pred: Tensor, alpha_true: Tensor, unknown: Tensor, laplacian_weight: float) -> Tensor:
    """The alpha loss of students and auxiliary heads: `alpha_l1` + `laplacian_weight` x `laplacian`."""
    detail = laplacian(alpha_pred, alpha_true, unknown)
    return alpha_l1(alpha_pred, alpha_true, unknown) + laplacian_weight * detail


def charbonnier(alpha_pred: Tensor, alpha_true: Tensor, unknown: Tensor) -> Tensor:
    """Charbonnier loss, the mean of sqrt(d^2 + 1e-12) over the unknown region (Deep Image Matting, CVPR 2017)."""
    difference = (alpha_pred - alpha_true).float()
    return masked_mean((difference**2 + 1e-12).sqrt(), unknown)


def _blur(values: Tensor) -> Tensor:
    """5 x 5 binomial filter with replicated borders, B x 1 x H x W.

    By shifts: the gradient of a convolution of one channel would take PyTorch a tenth of a training step.
    """
    values = pad(values, (2, 2, 2, 2), mode="replicate")
    for axis in (2, 3):
        one, two, three, four, five = (values.narrow(axis, i, values.shape[axis] - 4) for i in range(5))
        values = (one + five + 4 * (two + four) + 6 * three) / 16
    return values
