"""Feature-refinement self-distillation (FRSKD, arXiv 2103.08273; MingiJi/FRSKD), ported to matting.

A self-teacher (BiFPNc) refines the student's own feature pyramid and predicts alpha from its finest level:
- `alpha`: the self-teacher's alpha losses (in place of cross-entropy); only they train it, and the student's encoder;
- `response`: Charbonnier distance (in place of KL) from the student's alpha to the self-teacher's, on unknown pixels;
- `attention`: sum over levels of mean (Q(F) - Q(T))^2, Q being the unit-length channel mean of squares.
The last two have a stop-gradient on the self-teacher, are 0 until `start` and then ramp up as exp(-5 (1 - t)^2), as
in the paper's segmentation code (from epoch 40 of 60, weights 1 and 50). As there, a second top-down pass follows
the bottom-up one; otherwise the finest level would give the bottom-up path no gradient.
"""

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate, max_pool2d, relu

from erkd.batches.batch import Batch
from erkd.distill.auxiliary_head import AuxiliaryHead
from erkd.distill.map_distances import activation, unit_distance
from erkd.params import FrskdParams
from erkd.runtime.schedule import gaussian_rise
from erkd.students.blocks import conv
from erkd.students.losses import alpha_loss, charbonnier
from erkd.students.student import Matte, Student

WIDTH = 2  # ratio of the self-teacher's channels to the student's


class Node(nn.Module):
    """BiFPN node: a weighted sum of its inputs, refined by two depthwise separable convolutions."""

    def __init__(self, inputs: int, channels: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(inputs))
        self.refine = nn.Sequential(*(layer for _ in range(2) for layer in self._separable(channels)))

    @staticmethod
    def _separable(channels: int) -> Sequence[nn.Module]:
        return nn.Conv2d(channels, channels, 3, padding=1, groups=channels), conv(channels, channels, 1)

    def forward(self, *inputs: Tensor) -> Tensor:
        """Fuse non-negative `inputs`, each B x C x h x w; the weights are normalised to sum 1 (fast fusion)."""
        weight = relu(self.weight)
        weight = weight / (weight.sum() + 1e-6)
        mixed = torch.stack([share * part for share, part in zip(weight, inputs, strict=True)]).sum(0)
        refined: Tensor = self.refine(mixed)
        return refined


class TopDown(nn.Module):
    """Top-down path: each node fuses its own level with the coarser node."""

    def __init__(self, channels: Sequence[int]) -> None:
        super().__init__()
        self.from_coarser = nn.ModuleList(conv(coarse, fine, 1) for fine, coarse in pairwise(channels))
        self.nodes = nn.ModuleList(Node(2, fine) for fine in channels[:-1])

    def forward(self, levels: Sequence[Tensor]) -> list[Tensor]:
        """Maps of `channels`, finest first, each half the size of the one before -> maps of the same shapes."""
        refined = [levels[-1]]
        for i in reversed(range(len(levels) - 1)):
            # nearest-neighbour upsampling commutes with the 1 x 1 convolution, which costs a quarter before it
            coarser = interpolate(self.from_coarser[i](refined[0]), scale_factor=2, mode="nearest")
            refined.insert(0, self.nodes[i](levels[i], coarser))
        return refined


class SelfTeacher(nn.Module):
    """BiFPNc on a pyramid of `channels`, finest first: top-down, bottom-up, and top-down once more."""

    def __init__(self, channels: Sequence[int]) -> None:
        super().__init__()
        wide = [WIDTH * c for c in channels]
        coarsest = len(wide) - 1
        self.lateral = nn.ModuleList(conv(c, WIDTH * c, 1) for c in channels)
        self.lateral_up = nn.ModuleList(conv(c, WIDTH * c, 1) for c in channels[1:])
        self.top_down = TopDown(wide)
        self.from_finer = nn.ModuleList(conv(fine, coarse, 1) for fine, coarse in pairwise(wide))
        # the coarsest level has no top-down node
        self.bottom_up = nn.ModuleList(Node(2 if i == coarsest else 3, wide[i]) for i in range(1, len(wide)))
        self.last = TopDown(wide)

    def forward(self, levels: Sequence[Tensor]) -> list[Tensor]:
        """B x C x h x w, finest first, each half the size of the one before -> B x 2C x h x w."""
        down = self.top_down([widen(level) for widen, level in zip(self.lateral, levels, strict=True)])
        refined = down[:1]
        for i in range(1, len(levels)):
            parts = [self.lateral_up[i - 1](levels[i])]
            if i < len(levels) - 1:
                parts.append(down[i])
            parts.append(self.from_finer[i - 1](max_pool2d(refined[-1], 3, stride=2, padding=1)))
            refined.append(self.bottom_up[i - 1](*parts))
        maps: list[Tensor] = self.last(refined)
        return maps


class Frskd(nn.Module):
    """The FRSKD losses of one batch. Self-teacher and head are not saved with the student."""

    def __init__(self, student: Student, laplacian: float, params: FrskdParams) -> None:
        super().__init__()
        self.params = params
        self.laplacian = laplacian
        self.self_teacher = SelfTeacher(student.encoder.channels)
        self.head = AuxiliaryHead(student, WIDTH * student.encoder.channels[0])

    def forward(self, matte: Matte, batch: Batch, progress: float) -> dict[str, Tensor]:
        """Return the weighted losses by name."""
        levels = list(matte.levels.values())
        refined = self.self_teacher(levels)
        alpha = self.head(refined[0], matte, batch)
        attention = [
            unit_distance(activation(ours), activation(theirs.detach()))
            for ours, theirs in zip(levels, refined, strict=True)
        ]
        rise = gaussian_rise(progress, self.params.start, 1)
        return {
            name: self.params.weight * loss
            for name, loss in {
                "alpha": alpha_loss(alpha, batch.alpha, batch.unknown, self.laplacian),
                "response": rise * self.params.response * charbonnier(matte.alpha, alpha.detach(), batch.unknown),
                "attention": rise * self.params.attention * torch.stack(attention).sum(),
            }.items()
        }
