"""Distillation targets of a batch, read from the cache of CLIP's dense features: per crop, or per layer."""

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn.functional import avg_pool2d

from erkd.batches.batch import Batch, Crops, Inputs
from erkd.features.cache import FeatureCache
from erkd.io.files import InputError


def crop_targets(cache: FeatureCache, inputs: Inputs, cells: int) -> Tensor:
    """CLIP's features of the crops, B x C x cells x cells, in the cache's space.

    For live composites, which the teacher has not seen, they are the mean of the layers' features weighted by their
    share of each cell.
    """
    return _mixed(cache, inputs.crops, cells)


def layer_targets(cache: FeatureCache, batch: Batch, cells: int) -> tuple[Tensor, Tensor]:
    """CLIP's features of the foreground (0 where there is none) and of the background, each B x C x cells x cells.

    Two foregrounds are averaged by their shares of a cell. Raises InputError for stored composites, whose layers are
    unknown.
    """
    if len(batch.crops) < 2:
        raise InputError("kd.erkd.target layered: stored composites have no layers; set distill.compositing to live")
    foreground = _mixed(cache, batch.crops[:-1], cells)
    share = torch.stack([_share(crops, cells) for crops in batch.crops[:-1]]).sum(0)
    return foreground / share.clamp(min=1e-6), _sampled(cache, batch.crops[-1], cells)


def both_levels(cache: FeatureCache) -> tuple[FeatureCache, FeatureCache]:
    """The caches for the student's two deepest strides, finer first; twice the same if the teacher has one level."""
    return cache.shallow or cache, cache


def words(cache: FeatureCache) -> Tensor:
    """Unit-length embeddings of the texts that the text loss compares over, V x D: the cache's vocabulary."""
    return torch.from_numpy(cache.vocabulary)


def _share(crops: Crops, cells: int) -> Tensor:
    return avg_pool2d(crops.share, crops.share.shape[-1] // cells)


def _sampled(cache: FeatureCache, crops: Crops, cells: int) -> Tensor:
    return cache.sample(crops.index, crops.theta, (cells, cells)).to(crops.share.device, non_blocking=True)


def _mixed(cache: FeatureCache, layers: Sequence[Crops], cells: int) -> Tensor:
    return torch.stack([_share(crops, cells) * _sampled(cache, crops, cells) for crops in layers]).sum(0)
