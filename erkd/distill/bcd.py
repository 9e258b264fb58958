"""Boundary and context distillation (BCD, arXiv 2401.13174): a stand-in, between CLIP and the student.

The paper takes object boundaries from the hierarchical feature maps of both networks, and context as relations of
every cell to all others. Its boundary operator, losses, layers, weights and temperature could not be found. These
rest on operators known from elsewhere:
- `boundary`: activation maps mean_c F^2 (as in attention transfer) less their 3 x 3 average; the mean squared
  difference of both networks' maps, each scaled to unit length;
- `context`: each cell's distribution over all cells, softmax of their cosines, and the KL divergence between
  both networks' (SPKD and EdgeSAM compare the cosines themselves).
Both compare networks of any widths without a projection, at the student's two deepest strides.
"""

import torch
from torch import Tensor, nn
from torch.nn.functional import avg_pool2d

from erkd.batches.batch import Batch
from erkd.distill.map_distances import activation, cosines, unit_distance
from erkd.distill.targets import both_levels, mixed_target
from erkd.features.cache import FeatureCache
from erkd.features.space import CentredSpace
from erkd.params import BcdParams
from erkd.students.student import Matte


def boundary_map(features: Tensor) -> Tensor:
    """|A - its 3 x 3 average| of A = mean_c F^2; B x C x h x w -> B x 1 x h x w. Nothing lies beyond the border."""
    plain = activation(features)
    return (plain - avg_pool2d(plain, 3, stride=1, padding=1, count_include_pad=False)).abs()


def boundary_distance(student_features: Tensor, teacher_features: Tensor) -> Tensor:
    """Mean squared difference of the boundary maps at unit length; B x any channels x h x w, scalar."""
    return unit_distance(boundary_map(student_features), boundary_map(teacher_features))


def context_divergence(student_features: Tensor, teacher_features: Tensor, temperature: float) -> Tensor:
    """KL(teacher || student) of each cell's distribution over all cells, softmax of cosine / `temperature`.

    B x any channels x h x w; the mean over cells.
    """
    ours, theirs = (
        (cosines(part) / temperature).log_softmax(-1) for part in (student_features, teacher_features)
    )
    return (theirs.exp() * (theirs - ours)).sum(-1).mean()


class Bcd(nn.Module):
    """The BCD losses of one batch; has no weights of its own."""

    def __init__(self, cache: FeatureCache, params: BcdParams) -> None:
        super().__init__()
        self.caches = both_levels(cache)
        self.shallow_space, self.space = (CentredSpace(level) for level in self.caches)
        self.params = params

    def forward(self, matte: Matte, batch: Batch, progress: float) -> dict[str, Tensor]:
        """Losses by name, scaled by their weights; gradients reach the student alone."""
        boundary, context = [], []
        spaces, levels = (self.shallow_space, self.space), list(matte.levels.values())[-2:]
        for ours, cache, space in zip(levels, self.caches, spaces, strict=True):
            theirs = space.centre_target(mixed_target(cache, batch, ours.shape[-1]))
            boundary.append(boundary_distance(ours, theirs))
            context.append(context_divergence(ours, theirs, self.params.temperature))
        return {
            "boundary": self.params.weight * self.params.boundary * torch.stack(boundary).sum(),
            "context": self.params.weight * self.params.context * torch.stack(context).sum(),
        }
