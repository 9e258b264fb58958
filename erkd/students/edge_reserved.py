"""Edge-Reserved Module (ERM): multi-scale edge features that bypass the deep path.

Fixed derivative-of-Gaussian filters at several scales are applied to the image's brightness and the prior's alpha,
learned filters to the encoder's input; all features are gated by the unknown region. Edge maps are predicted at
strides 2 and 4 and supervised by the true alpha's signed gradient at the Grad metric's sigma 1.4
(`erkd.distill.erkd`). Only the abstract of the paper could be found, so the layers are this project's reading of it.
"""

import torch
from torch import Tensor, nn
from torch.nn.functional import max_pool2d

from erkd.students.blocks import Separable, conv

SIGMAS = (0.8, 1.4, 2.8)
STRIDES = (2, 4)


def gradient_kernels(sigma: float, radius: int) -> Tensor:
    """Derivative-of-Gaussian filters for x and y, 2 x 1 x (2 radius + 1) x (2 radius + 1), of unit L2 norm.

    The Grad metric of Rhemann et al. (CVPR 2009) uses sigma 1.4 and radius 4.
    """
    offsets = torch.arange(-radius, radius + 1, dtype=torch.float32)
    gauss = torch.exp(-(offsets**2) / (2 * sigma**2))
    x = gauss[:, None] * (-offsets * gauss)[None, :]
    kernels = torch.stack([-x, -x.T])[:, None]
    return kernels / kernels.pow(2).sum(dim=(2, 3), keepdim=True).sqrt()


class EdgeReserved(nn.Module):
    """Edge features and signed edge maps at strides 2 and 4.

    Args:
        in_channels: Channels of the encoder's input, which the learned filters see.
        out_channels: Channels C of the edge features.
        coarse: Whether the encoder's input comes at half the image's resolution.
    """

    kernels: Tensor

    def __init__(self, in_channels: int, out_channels: int, coarse: bool) -> None:
        super().__init__()
        bank = torch.cat([gradient_kernels(sigma, 4) for sigma in SIGMAS])
        apart = [torch.cat([bank, 0 * bank], dim=1), torch.cat([0 * bank, bank], dim=1)]
        # zero-padded to both channels: a dense convolution is faster than a grouped one
        self.register_buffer("kernels", torch.cat(apart), persistent=False)
        self.learned = conv(in_channels, 16, 3, stride=1 if coarse else 2)
        self.fuse = nn.Sequential(conv(len(self.kernels) + 16, out_channels, 1), Separable(out_channels))
        self.down = conv(out_channels, out_channels, 3, stride=2)
        self.predict = nn.ModuleList(nn.Conv2d(out_channels, 2, 1) for _ in STRIDES)

    def forward(
        self, image: Tensor, alpha: Tensor, unknown: Tensor, inputs: Tensor
    ) -> tuple[dict[int, Tensor], dict[int, Tensor]]:
        """Compute edge features B x C x H/s x W/s and edge maps B x 2 x H/s x W/s (d/dx, d/dy), both by stride s.

        Args:
            image: B x 3 x H x W in [0, 1].
            alpha: The prior's alpha, B x 1 x H x W in [0, 1].
            unknown: 1 in the unknown region, B x 1 x H x W.
            inputs: The encoder's input, B x in_channels x H x W, or H/2 x W/2 if `coarse`.
        """
        signal = torch.cat([image.mean(1, keepdim=True), alpha], dim=1)
        fixed = nn.functional.conv2d(signal, self.kernels, stride=2, padding=4)
        gate = max_pool2d(unknown, 2)
        fine = self.fuse(torch.cat([fixed, self.learned(inputs)], dim=1)) * gate
        coarse = self.down(fine) * max_pool2d(gate, 2)
        features = {2: fine, 4: coarse}
        edges = {stride: self.predict[i](features[stride]) for i, stride in enumerate(STRIDES)}
        return features, edges
