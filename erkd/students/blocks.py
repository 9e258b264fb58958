"""Small layers that every part of the student is made of."""

import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate

from erkd.runtime.distributed import mean_over_processes, process_count, several


class BatchNorm(nn.BatchNorm2d):
    """BatchNorm over the whole batch, also where several processes share it. (torch's own such layer needs CUDA.)"""

    def forward(self, features: Tensor) -> Tensor:
        """B x C x h x w -> the same shape."""
        if not (self.training and several()):
            return super().forward(features)
        mean = mean_over_processes(features.mean((0, 2, 3)))
        centred = features - mean[:, None, None]
        variance = mean_over_processes(centred.square().mean((0, 2, 3)))
        count = process_count() * features.numel() // len(mean)
        self._remember(mean.detach(), variance.detach() * count / (count - 1))
        scale = self.weight * (variance + self.eps).rsqrt()
        return centred * scale[:, None, None] + self.bias[:, None, None]

    @torch.no_grad()
    def _remember(self, mean: Tensor, variance: Tensor) -> None:
        for kept, measured in (("running_mean", mean), ("running_var", variance)):
            self.get_buffer(kept).lerp_(measured, self.momentum or 0.0)
        self.get_buffer("num_batches_tracked").add_(1)


def conv(in_channels: int, out_channels: int, kernel: int = 3, stride: int = 1) -> nn.Sequential:
    """Convolution with zero padding, BatchNorm, ReLU; B x in x H x W -> B x out x H/stride x W/stride.

    Without BatchNorm hardly anything is learned in a hundred steps (docs/decisions/012); it folds into the
    convolution when the student is used.
    """
    return nn.Sequential(
        nn.Conv2d(in_channels, out_channels, kernel, stride, padding=kernel // 2, bias=False),
        BatchNorm(out_channels),
        nn.ReLU(inplace=True),
    )


class Separable(nn.Module):
    """Depthwise 5 x 5, pointwise, ReLU, with a residual connection; B x C x H x W -> the same shape."""

    def __init__(self, channels: int, dilation: int = 1) -> None:
        super().__init__()
        self.depthwise = nn.Conv2d(
            channels, channels, 5, padding=2 * dilation, dilation=dilation, groups=channels
        )
        self.pointwise = conv(channels, channels, 1)

    def forward(self, features: Tensor) -> Tensor:
        """Refine B x C x H x W."""
        return features + self.pointwise(self.depthwise(features))


def double(features: Tensor) -> Tensor:
    """Twice the height and width, bilinearly. A factor and not a size, which ONNX would have to compute."""
    return interpolate(features, scale_factor=2, mode="bilinear")
