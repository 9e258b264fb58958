"""What a cache of CLIP's dense features says of a batch: of the crops as mixed, or layer by layer."""

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn.functional import avg_pool2d

from erkd.batches.batch import Batch, Crops
from erkd.features.cache import FeatureCache
from erkd.io.files import InputError


def mixed_target(cache: FeatureCache, batch: Batch, cells: int) -> Tensor:
    """CLIP's features of the crops, B x C x cells x cells, as `cache` stores them.

    Of a live composite they are mixed from its layers' features by what each contributes to a cell, so that
    the teacher need not see the composite.
    """
    return _mix(cache, batch.crops, cells)


def layer_targets(cache: FeatureCache, batch: Batch, cells: int) -> tuple[Tensor, Tensor]:
    """CLIP's features of the foreground (the mean of its layers by their shares) and of the background.

    Both B x C x cells x cells, as `cache` stores them; 0 where no foreground is. Raises InputError for stored
    composites, whose layers are not known.
    """
    if len(batch.crops) < 2:
        raise InputError(
            "kd.erkd.target layered: stored composites have no layers; set distill.compositing to live"
        )
    foreground = _mix(cache, batch.crops[:-1], cells)
    share = torch.stack([_shares(crops, cells) for crops in batch.crops[:-1]]).sum(0)
    return foreground / share.clamp(min=1e-6), _sampled(cache, batch.crops[-1], cells)


def both_levels(cache: FeatureCache) -> tuple[FeatureCache, FeatureCache]:
    """The targets of the student's two deepest strides, finest first: a ViT has one level, which is then both."""
    return cache.shallow or cache, cache


def _shares(crops: Crops, cells: int) -> Tensor:
    return avg_pool2d(crops.share, crops.share.shape[-1] // cells)


def _sampled(cache: FeatureCache, crops: Crops, cells: int) -> Tensor:
    return cache.sample(crops.index, crops.theta, (cells, cells))


def _mix(cache: FeatureCache, layers: Sequence[Crops], cells: int) -> Tensor:
    return torch.stack([_shares(crops, cells) * _sampled(cache, crops, cells) for crops in layers]).sum(0)
