"""The space of feature losses: unit-length features, mean-centred, optionally PCA-projected."""

import torch
from torch import Tensor, nn
from torch.nn.functional import normalize

from erkd.features.cache import FeatureCache


class CentredSpace(nn.Module):
    """Centring by a cache's mean and projection by its basis, if any.

    Without centring the component that all cells share dominates every cosine.
    """

    mean: Tensor
    basis: Tensor | None

    def __init__(self, cache: FeatureCache) -> None:
        super().__init__()
        self.channels = len(cache.mean if cache.basis is None else cache.basis)  # as stored by the cache
        self.register_buffer("mean", torch.from_numpy(cache.mean)[None, :, None, None])
        basis = None if cache.basis is None else torch.from_numpy(cache.basis)
        self.register_buffer("basis", basis)

    def centre(self, features: Tensor) -> Tensor:
        """Normalise, centre and project features of the joint space, B x D x h x w -> B x C x h x w."""
        centred = normalize(features, dim=1) - self.mean
        return centred if self.basis is None else torch.einsum("cd,bdhw->bchw", self.basis, centred)

    def centre_target(self, target: Tensor) -> Tensor:
        """The same for features as the cache stores them, which with a basis are centred already: B x C x h x w."""
        return self.centre(target) if self.basis is None else target

    def direction(self, target: Tensor) -> Tensor:
        """Stored features in the joint image-text space, of about unit length: B x D x h x w."""
        return normalize(target, dim=1) if self.basis is None else self.restore(target)

    def restore(self, centred: Tensor) -> Tensor:
        """Inverse of `centre` up to the projection's loss: B x C x h x w -> B x D x h x w."""
        return self.mean + (centred if self.basis is None else torch.einsum("cd,bchw->bdhw", self.basis, centred))

    def distance(self, features: Tensor, target: Tensor) -> Tensor:
        """1 - cosine between student features B x D x h x w and a stored target, both centred: B x 1 x h x w."""
        ours, theirs = self.directions(features, target)
        return 1 - (ours * theirs).sum(1, keepdim=True)

    def directions(self, features: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
        """Student features B x D x h x w and a stored target, both centred and of unit length: B x C x h x w."""
        return normalize(self.centre(features), dim=1), normalize(self.centre_target(target), dim=1)
