"""How good a teacher is: zero-shot material accuracy, and patch-text AUC inside the unknown region."""

from collections.abc import Sequence

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor


def balanced_accuracy(found: Sequence[str], true: Sequence[str]) -> tuple[float, dict[str, float]]:
    """The mean over the true classes of each one's recall, and these recalls by name."""
    recalls = {
        name: float(
            np.mean([guess == name for guess, label in zip(found, true, strict=True) if label == name])
        )
        for name in sorted(set(true))
    }
    return float(np.mean(list(recalls.values()))), recalls


def auc(scores: NDArray[np.floating], labels: NDArray[np.bool_]) -> float | None:
    """Area under the ROC curve: how often a positive scores above a negative, ties counting half.

    None where one of the two kinds is missing.
    """
    positives, negatives = int(labels.sum()), int((~labels).sum())
    if positives == 0 or negatives == 0:
        return None
    _, places, counts = np.unique(scores, return_inverse=True, return_counts=True)
    ranks = np.cumsum(counts) - (counts - 1) / 2  # of tied values: their mean rank, from 1
    above = ranks[places][labels].sum() - positives * (positives + 1) / 2
    return float(above / (positives * negatives))


def patch_scores(patches: Tensor, ours: Tensor, theirs: Tensor) -> Tensor:
    """Cosine to the foreground's phrase minus that to the backdrop's, per cell, B x G x G.

    `patches` B x D x G x G; `ours` and `theirs`, the phrases' embeddings, B x D.
    """
    cells = F.normalize(patches, dim=1)
    return torch.einsum("bdhw,bd->bhw", cells, F.normalize(ours, dim=1) - F.normalize(theirs, dim=1))


def unknown_cells(
    trimap: Tensor, alpha: Tensor, grid: tuple[int, int], share: float = 0.5
) -> tuple[Tensor, Tensor]:
    """Cells that are unknown, and alpha of their unknown pixels: both Gh x Gw, from H x W maps.

    A cell counts as unknown when at least `share` of its pixels are; its alpha is the mean over these pixels,
    so that what the trimap gives away decides neither.
    """
    unknown = (trimap == 0.5).float()[None, None]
    known_share = F.adaptive_avg_pool2d(unknown, grid)[0, 0]
    weighted = F.adaptive_avg_pool2d(unknown * alpha[None, None], grid)[0, 0]
    return (known_share >= share) & (known_share > 0), weighted / known_share.clamp(min=1e-6)


def rounded(value: float | None) -> float | None:
    """A figure to six significant digits."""
    return None if value is None else float(f"{value:.6g}")
