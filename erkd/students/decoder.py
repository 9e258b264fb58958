"""The U-Net-like decoder (to stride 2) and the full-resolution alpha head."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn.functional import pixel_shuffle, relu

from erkd.students.blocks import BatchNorm, Separable, conv, upsample


class Decoder(nn.Module):
    """Upsample deep features to stride 2, with skip connections from the encoder and from ERM where they exist.

    Args:
        widths: Channels at each level, coarsest first, starting with the input's.
        skips: Channels of the skip connections at each level but the first.
    """

    def __init__(self, widths: Sequence[int], skips: Sequence[int]) -> None:
        super().__init__()
        self.fuse = nn.ModuleList(
            conv(coarse + skip, fine, 1) for coarse, fine, skip in zip(widths[:-1], widths[1:], skips, strict=True)
        )
        self.refine = nn.ModuleList(Separable(width) for width in widths[1:])
        self.channels = widths[-1]

    def forward(self, deep: Tensor, skips: Sequence[Sequence[Tensor]]) -> Tensor:
        """Decode `deep` B x C x h x w with `skips` of each level, coarsest first -> B x widths[-1] x H/2 x W/2."""
        features = deep
        for fuse, refine, skip in zip(self.fuse, self.refine, skips, strict=True):
            features = refine(fuse(torch.cat([upsample(features), *skip], dim=1)))
        return features


class Head(nn.Module):
    """Full-resolution alpha from stride-2 features, the image and the cues of the prior.

    It computes at stride 2: a pixel shuffle turns four channels per cell into residuals of the prior's alpha. The
    last layer is initialised with zeros, so that training starts from the prior.
    """

    def __init__(self, channels: int, cue_channels: int, width: int) -> None:
        super().__init__()
        self.coarse = nn.Sequential(nn.Conv2d(channels, width, 3, padding=1, bias=False), BatchNorm(width))
        self.fine = nn.Sequential(
            nn.Conv2d(3 + cue_channels, width, 4, stride=2, padding=1, bias=False), BatchNorm(width)
        )
        self.out = nn.Conv2d(width, 4, 3, padding=1, bias=False)
        nn.init.zeros_(self.out.weight)

    def forward(self, features: Tensor, image: Tensor, cues: Tensor) -> Tensor:
        """Predict alpha B x 1 x H x W in [0, 1].

        Args:
            features: The decoder's last map, B x C x H/2 x W/2.
            image: B x 3 x H x W in [0, 1].
            cues: B x `cue_channels` x H x W; channel 0 is the prior's alpha.
        """
        hidden = relu(self.coarse(features) + self.fine(torch.cat([image, cues], dim=1)))
        alpha = cues[:, :1] + pixel_shuffle(self.out(hidden), 2)
        if self.training:  # straight-through clamp: values outside [0, 1] keep their gradient
            return alpha + (alpha.clamp(0, 1) - alpha).detach()
        return alpha.clamp(0, 1)
