"""The space in which student and teacher are compared: directions less their mean, in a cache's basis."""

import torch
from torch import Tensor, nn
from torch.nn.functional import normalize

from erkd.features.cache import FeatureCache


class CentredSpace(nn.Module):
    """Centring by the mean of a cache and, where the cache has one, its basis of principal directions.

    Centring takes off what all cells share, which would make any two of them look alike.
    """

    mean: Tensor
    basis: Tensor | None

    def __init__(self, cache: FeatureCache) -> None:
        super().__init__()
        self.channels = len(cache.mean if cache.basis is None else cache.basis)  # of what the cache stores
        self.register_buffer("mean", torch.from_numpy(cache.mean)[None, :, None, None])
        basis = None if cache.basis is None else torch.from_numpy(cache.basis)
        self.register_buffer("basis", basis)

    def centre(self, features: Tensor) -> Tensor:
        """Features of the student's, B x D x h x w, as a cache with a basis stores the teacher's: B x C x h x w."""
        centred = normalize(features, dim=1) - self.mean
        return centred if self.basis is None else torch.einsum("cd,bdhw->bchw", self.basis, centred)

    def centre_target(self, target: Tensor) -> Tensor:
        """What a cache gave, centred: B x C x h x w."""
        return self.centre(target) if self.basis is None else target

    def direction(self, target: Tensor) -> Tensor:
        """What a cache gave in the joint space, where texts live: B x D x h x w, of about unit length."""
        return normalize(target, dim=1) if self.basis is None else self.restore(target)

    def restore(self, centred: Tensor) -> Tensor:
        """Centred features, B x C x h x w, back in the joint space: B x D x h x w."""
        return self.mean + (
            centred if self.basis is None else torch.einsum("cd,bchw->bdhw", self.basis, centred)
        )

    def distance(self, features: Tensor, target: Tensor) -> Tensor:
        """1 - cosine of the student's features (B x D x h x w) and a cache's target, centred: B x 1 x h x w."""
        ours, theirs = (
            normalize(part, dim=1) for part in (self.centre(features), self.centre_target(target))
        )
        return 1 - (ours * theirs).sum(1, keepdim=True)
