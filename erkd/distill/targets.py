"""What a cache of CLIP's dense features says of a batch: of the crops as mixed, or layer by layer."""

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn.functional import avg_pool2d, normalize

from erkd.batches import Batch, View
from erkd.features import FeatureCache
from erkd.files import InputError


def mixed_target(cache: FeatureCache, batch: Batch, cells: int) -> Tensor:
    """CLIP's features of the crops, B x D x cells x cells.

    Of a live composite they are mixed from its layers' features by what each contributes to a cell, so that
    the teacher need not see the composite.
    """
    return _mix(cache, batch.views, cells)


def layer_targets(cache: FeatureCache, batch: Batch, cells: int) -> tuple[Tensor, Tensor]:
    """CLIP's features of the foreground (all its layers, by their shares) and of the background.

    Both B x D x cells x cells, of unit length; 0 where no foreground is. Raises InputError for stored
    composites, whose layers are not known.
    """
    if len(batch.views) < 2:
        raise InputError(
            "kd.erkd.target layered: stored composites have no layers; set distill.compositing to live"
        )
    foreground = _mix(cache, batch.views[:-1], cells)
    background = _mix(cache, batch.views[-1:], cells)
    return normalize(foreground, dim=1), normalize(background, dim=1)


def centred(features: Tensor, mean: Tensor) -> Tensor:
    """Directions of B x D x h x w less `mean` (D): what all cells share would make any two look alike."""
    return normalize(features, dim=1) - mean[None, :, None, None]


def _mix(cache: FeatureCache, views: Sequence[View], cells: int) -> Tensor:
    parts = [
        avg_pool2d(view.share, view.share.shape[-1] // cells)
        * cache.sample(view.index, view.theta, (cells, cells))
        for view in views
    ]
    return torch.stack(parts).sum(0)
