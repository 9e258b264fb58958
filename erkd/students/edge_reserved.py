"""Edge-Reserved Module (ERM): fine edges on a path of their own, past the deep layers.

Fixed derivative-of-Gaussian filters at several scales look at the image's brightness and at the first guess of
alpha, learned filters at all that the encoder sees, and everything is gated by the unknown region. Edge
maps are predicted at strides 2 and 4 and supervised by the true alpha's signed gradient at the Grad
metric's sigma 1.4 (`erkd.distill.erkd`). The paper's layers are unknown (only its abstract could be found):
this is a reading of "multi-scale edge features that are reserved for the decoder".
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
    """Edge features B x C x H/2 x W/2 and B x C x H/4 x W/4, and edge maps B x 2 x ... at both strides.

    `coarse`: the inputs of the learned filters come at half the resolution.
    """

    kernels: Tensor

    def __init__(self, in_channels: int, out_channels: int, coarse: bool) -> None:
        super().__init__()
        bank = torch.cat([gradient_kernels(sigma, 4) for sigma in SIGMAS])
        apart = [torch.cat([bank, 0 * bank], dim=1), torch.cat([0 * bank, bank], dim=1)]
        self.register_buffer("kernels", torch.cat(apart), persistent=False)  # zeros: faster than two groups
        self.learned = conv(in_channels, 16, 3, stride=1 if coarse else 2)
        self.fuse = nn.Sequential(conv(len(self.kernels) + 16, out_channels, 1), Separable(out_channels))
        self.down = conv(out_channels, out_channels, 3, stride=2)
        self.predict = nn.ModuleList(nn.Conv2d(out_channels, 2, 1) for _ in STRIDES)

    def forward(
        self, image: Tensor, alpha: Tensor, unknown: Tensor, inputs: Tensor
    ) -> tuple[dict[int, Tensor], dict[int, Tensor]]:
        """Features and signed edge maps (d/dx, d/dy) by stride.

        `image` B x 3 x H x W, `alpha` (the first guess) and `unknown` B x 1 x H x W, `inputs` B x C x H x W, or
        half as large.
        """
        signal = torch.cat([image.mean(1, keepdim=True), alpha], dim=1)
        fixed = nn.functional.conv2d(signal, self.kernels, stride=2, padding=4)
        gate = max_pool2d(unknown, 2)
        fine = self.fuse(torch.cat([fixed, self.learned(inputs)], dim=1)) * gate
        coarse = self.down(fine) * max_pool2d(gate, 2)
        features = {2: fine, 4: coarse}
        edges = {stride: self.predict[i](features[stride]) for i, stride in enumerate(STRIDES)}
        return features, edges
