"""Decoder and full-resolution head: from the fused deep features back to every pixel."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn.functional import pixel_shuffle, relu

from erkd.students.blocks import BatchNorm, Separable, conv, double


class Decoder(nn.Module):
    """Deep features up to stride 2; the encoder's features and ERM's edges join where they exist.

    `widths` are the channels at each level, coarsest first, starting with the input's; `skips` those of
    the encoder features (and edges) that join from the second level on.
    """

    def __init__(self, widths: Sequence[int], skips: Sequence[int]) -> None:
        super().__init__()
        self.fuse = nn.ModuleList(
            conv(coarse + skip, fine, 1)
            for coarse, fine, skip in zip(widths[:-1], widths[1:], skips, strict=True)
        )
        self.refine = nn.ModuleList(Separable(width) for width in widths[1:])
        self.channels = widths[-1]

    def forward(self, deep: Tensor, skips: Sequence[Sequence[Tensor]]) -> Tensor:
        """`deep` B x C x h x w and what joins it at each level, coarsest first -> B x widths[-1] x H/2 x W/2."""
        features = deep
        for fuse, refine, skip in zip(self.fuse, self.refine, skips, strict=True):
            features = refine(fuse(torch.cat([double(features), *skip], dim=1)))
        return features


class Head(nn.Module):
    """Alpha at full resolution from stride-2 features, the image and the propagated cues.

    It works at stride 2, where a cell has four corrections of the closed form's alpha, zero at the start.
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
        """B x C x H/2 x W/2, B x 3 x H x W, B x cues x H x W (first: an alpha) -> B x 1 x H x W."""
        hidden = relu(self.coarse(features) + self.fine(torch.cat([image, cues], dim=1)))
        alpha = cues[:, :1] + pixel_shuffle(self.out(hidden), 2)
        if self.training:  # clipped, with the gradient of the unclipped: what overshoots can come back
            return alpha + (alpha.clamp(0, 1) - alpha).detach()
        return alpha.clamp(0, 1)
