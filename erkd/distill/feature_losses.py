"""Losses between dense features of student and teacher, in the forms of `kd.erkd.loss`.

`cosine`, `channel` and `relation` take unit-length, mean-centred features of both, B x C x h x w, and the cells'
weights, B x 1 x h x w, all positive. They are 0 for equal features and about 1 for unrelated ones, so that one
weight (`kd.erkd.feature`) serves all. All work image by image, so that processes can share a batch.
`masked` is the cosine of what `Generation` makes of the student's features.
"""

import math
from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn.functional import normalize

from erkd.students.losses import masked_mean

MASKED = 0.75  # share of cells that `Generation` has to do without, as in MGD's segmentation


def cosine(ours: Tensor, theirs: Tensor, weight: Tensor) -> Tensor:
    """Weighted mean over cells of 1 - cosine."""
    return masked_mean(1 - (ours * theirs).sum(1, keepdim=True), weight)


def channel(ours: Tensor, theirs: Tensor, weight: Tensor) -> Tensor:
    """Channel-wise distillation (CWD; Shu et al., ICCV 2021): mean over channels c of KL(p_c || q_c).

    p_c is the softmax over cells i of the teacher's channel, p_ci ~ w_i exp(t_ci / T), and q_c the student's; cells
    count by their weight w. CWD's T^2 is 1: channels are scaled to about unit variance, and T = 1 there.
    """
    scale, mass = math.sqrt(ours.shape[1]), weight.flatten(2).log()
    q, p = ((scale * part.flatten(2) + mass).log_softmax(-1) for part in (ours, theirs))
    return (p.exp() * (p - q)).sum(-1).mean()


def relation(ours: Tensor, theirs: Tensor, weight: Tensor) -> Tensor:
    """DIST (Huang et al., NeurIPS 2022): half the mean 1 - r over a cell's channels, half over a channel's cells.

    r is Pearson's correlation; cells are DIST's instances and channels its classes, beta = gamma = 1/2. Cells count
    by their weight, channels alike.
    """
    of_cells, of_cells_true = (normalize(part - part.mean(1, keepdim=True), dim=1) for part in (ours, theirs))
    within_cells = masked_mean(1 - (of_cells * of_cells_true).sum(1, keepdim=True), weight)
    share = (weight / weight.sum((2, 3), keepdim=True)).flatten(2)
    flat = [part.flatten(2) for part in (ours, theirs)]
    centred = [share.sqrt() * (part - (share * part).sum(-1, keepdim=True)) for part in flat]
    of_channels, of_channels_true = (normalize(part, dim=-1, eps=1e-6) for part in centred)
    within_channels = 1 - (of_channels * of_channels_true).sum(-1)
    return (within_cells + within_channels.mean()) / 2


class Generation(nn.Module):
    """Masked generation (MGD; Yang et al., ECCV 2022): the teacher's features from a random part of the student's.

    G(M * S) with a mask M of cells, redrawn at every call, and G two 3 x 3 convolutions with a ReLU between. Here the
    result is compared by cosine, where MGD sums squares.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.generate = nn.Sequential(
            nn.Conv2d(channels, channels, 3, padding=1),
            nn.ReLU(inplace=True),
            nn.Conv2d(channels, channels, 3, padding=1),
        )

    def forward(self, features: Tensor) -> Tensor:
        """B x C x h x w -> the same shape."""
        kept = torch.rand_like(features[:, :1]) >= MASKED
        generated: Tensor = self.generate(features * kept)
        return generated


LOSSES: dict[str, Callable[[Tensor, Tensor, Tensor], Tensor]] = {
    "cosine": cosine,
    "channel": channel,
    "masked": cosine,
    "relation": relation,
}
