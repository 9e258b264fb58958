"""Distances between feature maps of two networks that need no projection head, whatever their widths."""

from torch import Tensor
from torch.nn.functional import avg_pool2d, normalize

MOST_CELLS = 32  # longest side of maps for pairwise similarities, cells


def activation(features: Tensor) -> Tensor:
    """Channel mean of squares (attention transfer, ICLR 2017): B x C x h x w -> B x 1 x h x w."""
    return features.float().pow(2).mean(1, keepdim=True)


def unit_distance(student_map: Tensor, teacher_map: Tensor) -> Tensor:
    """Mean squared difference of two maps B x 1 x h x w, each normalised to unit length; of the order 1 / (h w)."""
    ours, theirs = (normalize(part.flatten(1), dim=1, eps=1e-6) for part in (student_map, teacher_map))
    return (ours - theirs).pow(2).mean()


def cosines(features: Tensor) -> Tensor:
    """Cosine similarities of all pairs of cells, B x C x h x w -> B x N x N, pooled first to N <= 32 x 32 cells."""
    pooled = avg_pool2d(features.float(), -(-features.shape[-1] // MOST_CELLS))
    cells = normalize(pooled.flatten(2), dim=1, eps=1e-6)
    return cells.transpose(1, 2) @ cells
