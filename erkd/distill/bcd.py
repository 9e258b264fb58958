"""Boundary and context distillation from CLIP, after BCD (arXiv 2401.13174), whose exact losses could not be found.

- `boundary`: mean squared difference of both networks' boundary maps at unit length; a boundary map is the deviation
  of the activation map mean_c F^2 (attention transfer) from its 3 x 3 average;
- `context`: KL divergence between both networks' distributions of each cell over all cells, softmax of cosine
  similarities (SPKD and EdgeSAM compare the cosines themselves).
Both work on networks of any widths without a projection head, at the student's two deepest strides.
"""

import torch
from torch import Tensor, nn
from torch.nn.functional import avg_pool2d

from erkd.batches.batch import Batch
from erkd.distill.map_distances import activation, cosines, unit_distance
from erkd.distill.targets import both_levels, crop_targets
from erkd.features.cache import FeatureCache
from erkd.features.space import CentredSpace
from erkd.params import BcdParams
from erkd.students.student import Matte


def boundary_map(features: Tensor) -> Tensor:
    """|A - its 3 x 3 average| of A = mean_c F^2; B x C x h x w -> B x 1 x h x w. Borders average existing cells."""
    plain = activation(features)
    return (plain - avg_pool2d(plain, 3, stride=1, padding=1, count_include_pad=False)).abs()


def boundary_distance(student_features: Tensor, teacher_features: Tensor) -> Tensor:
    """Mean squared difference of the unit-length boundary maps of two B x (any C) x h x w; a scalar."""
    return unit_distance(boundary_map(student_features), boundary_map(teacher_features))


def context_divergence(student_features: Tensor, teacher_features: Tensor, temperature: float) -> Tensor:
    """KL(teacher || student) of each cell's softmax(cosine / `temperature`) over all cells, averaged over cells.

    Both features are B x (any C) x h x w.
    """
    ours, theirs = ((cosines(part) / temperature).log_softmax(-1) for part in (student_features, teacher_features))
    return (theirs.exp() * (theirs - ours)).sum(-1).mean()


class Bcd(nn.Module):
    """The BCD losses of one batch; without parameters of its own."""

    def __init__(self, cache: FeatureCache, params: BcdParams) -> None:
        super().__init__()
        self.caches = both_levels(cache)
        self.shallow_space, self.space = (CentredSpace(level) for level in self.caches)
        self.params = params

    def forward(self, matte: Matte, batch: Batch, progress: float) -> dict[str, Tensor]:
        """Return the weighted losses by name; gradients reach the student only."""
        boundary, context = [], []
        spaces, levels = (self.shallow_space, self.space), list(matte.levels.values())[-2:]
        for ours, cache, space in zip(levels, self.caches, spaces, strict=True):
            theirs = space.centre_target(crop_targets(cache, batch, ours.shape[-1]))
            boundary.append(boundary_distance(ours, theirs))
            context.append(context_divergence(ours, theirs, self.params.temperature))
        return {
            "boundary": self.params.weight * self.params.boundary * torch.stack(boundary).sum(),
            "context": self.params.weight * self.params.context * torch.stack(context).sum(),
        }
