"""Contrastive losses between image regions and phrases; equal phrases in a batch are positives."""

import torch
import torch.nn.functional as F
from torch import Tensor


def contrast(vectors: Tensor, texts: Tensor, labels: Tensor, scale: Tensor) -> Tensor:
    """Symmetric InfoNCE (CLIP, arXiv:2103.00020) of B vectors against the U distinct phrases they belong to.

    `vectors` B x D, `texts` U x D, `labels` B: the phrase of each vector. Phrases are distinct, so vectors of
    one phrase never oppose each other; a phrase's probability over vectors is averaged over its own. Phrases
    without a vector only serve as negatives.
    """
    logits = scale * F.normalize(vectors, dim=1) @ F.normalize(texts, dim=1).T
    to_text = F.cross_entropy(logits, labels)
    belongs = F.one_hot(labels, len(texts)).to(logits.dtype)
    counts = belongs.sum(dim=0)
    per_text = -(logits.log_softmax(dim=0) * belongs).sum(dim=0) / counts.clamp(min=1)
    to_vector = per_text.sum() / (counts > 0).sum()
    return (to_text + to_vector) / 2


def pool(patches: Tensor, weights: Tensor) -> Tensor:
    """Weighted mean of patches: B x D x G x G with B x G x G gives B x D. All-zero weights give zeros."""
    total = weights.sum(dim=(1, 2)).clamp(min=1e-6)
    return torch.einsum("bdhw,bhw->bd", patches, weights) / total[:, None]


def cell_contrast(patches: Tensor, ours: Tensor, theirs: Tensor, alpha: Tensor, scale: float) -> Tensor:
    """Binary cross-entropy, per cell, of foreground phrase against backdrop phrase with alpha as the target.

    `patches` B x D x G x G, `ours` and `theirs` B x D (phrase embeddings), `alpha` B x G x G in [0, 1]. Cells
    are weighted so that foreground, backdrop and the mixed cells in between count alike in every image.
    """
    directions = F.normalize(ours, dim=1) - F.normalize(theirs, dim=1)
    logits = scale * torch.einsum("bdhw,bd->bhw", F.normalize(patches, dim=1), directions)
    losses = F.binary_cross_entropy_with_logits(logits, alpha, reduction="none")
    kinds = torch.stack([alpha, 1 - alpha, 4 * alpha * (1 - alpha)])
    weights = kinds / kinds.sum(dim=(2, 3), keepdim=True).clamp(min=1)
    return (losses * weights).sum() / weights.sum()
