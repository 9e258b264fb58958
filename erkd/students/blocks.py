"""Building blocks of the student: synchronised BatchNorm, conv-BN-ReLU, separable block, padding, upsampling."""

import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate

from erkd.runtime.distributed import is_distributed, mean_over_processes, process_count


class BatchNorm(nn.BatchNorm2d):
    """BatchNorm2d with statistics synchronised over processes, on any device (torch's SyncBatchNorm needs CUDA)."""

    def forward(self, features: Tensor) -> Tensor:
        """Normalise B x C x h x w by the statistics of all processes' batches."""
        if not (self.training and is_distributed()):
            return super().forward(features)
        mean = mean_over_processes(features.mean((0, 2, 3)))
        centred = features - mean[:, None, None]
        variance = mean_over_processes(centred.square().mean((0, 2, 3)))
        count = process_count() * features.numel() // len(mean)
        self._update_running(mean.detach(), variance.detach() * count / (count - 1))
        scale = self.weight * (variance + self.eps).rsqrt()
        return centred * scale[:, None, None] + self.bias[:, None, None]

    @torch.no_grad()
    def _update_running(self, mean: Tensor, variance: Tensor) -> None:
        for name, measured in (("running_mean", mean), ("running_var", variance)):
            self.get_buffer(name).lerp_(measured, self.momentum or 0.0)
        self.get_buffer("num_batches_tracked").add_(1)


def conv(in_channels: int, out_channels: int, kernel: int = 3, stride: int = 1) -> nn.Sequential:
    """Convolution with "same" padding, BatchNorm, ReLU; B x in x H x W -> B x out x H/stride x W/stride.

    BatchNorm makes a few hundred training steps enough (docs/decisions/012), and folds away at inference.

    Args:
        in_channels: Input channels.
        out_channels: Output channels.
        kernel: Side of the square kernel, odd.
        stride: Stride of the convolution.
    """
    return nn.Sequential(
        nn.Conv2d(in_channels, out_channels, kernel, stride, padding=kernel // 2, bias=False),
        BatchNorm(out_channels),
        nn.ReLU(inplace=True),
    )


class Separable(nn.Module):
    """Residual block: depthwise 5 x 5, then pointwise conv-BN-ReLU; B x C x H x W -> the same shape."""

    def __init__(self, channels: int, dilation: int = 1) -> None:
        super().__init__()
        self.depthwise = nn.Conv2d(channels, channels, 5, padding=2 * dilation, dilation=dilation, groups=channels)
        self.pointwise = conv(channels, channels, 1)

    def forward(self, features: Tensor) -> Tensor:
        """B x C x H x W -> the same shape."""
        return features + self.pointwise(self.depthwise(features))


def replicate_borders(module: nn.Module) -> None:
    """Let a module's convolutions repeat the border's values beyond it instead of padding by zeros.

    At stride 32 most cells of a training crop see padding and hardly any of a whole image's. Zeros among features
    that are positive would give BatchNorm statistics that hold for crops alone (docs/decisions/071).
    """
    for layer in module.modules():
        if isinstance(layer, nn.Conv2d) and any(layer.padding):
            layer.padding_mode = "replicate"


def upsample(features: Tensor) -> Tensor:
    """Upsample B x C x h x w bilinearly by 2. A scale factor, as a size would be computed inside the ONNX graph."""
    return interpolate(features, scale_factor=2, mode="bilinear")
