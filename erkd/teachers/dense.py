"""Dense features of open_clip's image towers: one vector per cell, in the space that images and texts share.

`exact` means that the mean of an image's patches is its embedding. That holds where the tower averages cells
and then projects linearly. Elsewhere patches are an approximation, which `describe_tower` names:

- ViT with a class token: in the last block each token attends to itself alone, the value path of MaskCLIP
  (arXiv:2112.01071);
- ModifiedResNet: the attention pool's value and output projections at each cell, without its weights;
- a norm behind the average (ConvNeXt, CLIPA): the norm is taken at each cell.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from open_clip.modified_resnet import ModifiedResNet
from open_clip.timm_model import TimmModel
from open_clip.transformer import VisionTransformer
from torch import Tensor, nn

from erkd.io.files import InputError

EXACT = "exact: the mean of the patches is the embedding"


@dataclass(frozen=True)
class TeacherFeatures:
    """`embedding` B x D of the whole image and `patches` B x D x Gh x Gw, in the joint image-text space.

    `shallow`, B x C x 2 Gh x 2 Gw, is the tower's own last map on a grid twice as fine (at strides 16 and 8,
    say), outside the joint space; None where the tower has none, as a ViT. Nothing is normalised.
    """

    embedding: Tensor
    patches: Tensor
    shallow: Tensor | None = None


def describe_tower(tower: nn.Module) -> str:
    """How a tower's patches relate to its embedding, in words. Raises InputError for a tower without them."""
    if isinstance(tower, TimmModel):
        return _describe_timm(tower)
    if isinstance(tower, ModifiedResNet):
        return "approximate: values of the attention pool at each cell, without its weights"
    if not isinstance(tower, VisionTransformer):
        raise InputError(f"dense features of {type(tower).__name__} are not supported")
    if tower.attn_pool is not None or tower.pool_type not in ("tok", "avg"):
        raise InputError("dense features of a ViT with an attentional pooler are not supported")
    if tower.pool_type == "tok":
        return "approximate: value path of the last block (the class token's attention is dropped)"
    if tower.final_ln_after_pool:
        return "approximate: the norm behind the average is taken at each cell"
    return EXACT


def _describe_timm(tower: TimmModel) -> str:
    trunk, name = tower.trunk, type(tower.trunk).__name__
    head = getattr(trunk, "head", None)
    pooling = getattr(trunk, "global_pool", None) or getattr(head, "global_pool", None)
    pooling = getattr(pooling, "pool_type", pooling)
    if hasattr(tower.head, "pool"):
        pooling = type(tower.head.pool).__name__
    if pooling != "avg":
        raise InputError(f"dense features of timm's {name} with pooling {pooling!r} are not supported, only 'avg'")
    if hasattr(tower.head, "mlp"):
        raise InputError(f"dense features of timm's {name} with an 'mlp' projection are not supported, only 'linear'")
    if not isinstance(getattr(head, "norm", nn.Identity()), nn.Identity):
        return "approximate: the norm behind the average is taken at each cell"
    return EXACT


def dense_features(tower: nn.Module, images: Tensor) -> TeacherFeatures:
    """Run an image tower on normalised `images`, B x 3 x H x W of any size.

    Raises InputError for a tower or pooling without a per-cell counterpart.
    """
    describe_tower(tower)
    if isinstance(tower, TimmModel):
        return _timm(tower, images)
    if isinstance(tower, ModifiedResNet):
        return _resnet(tower, images)
    assert isinstance(tower, VisionTransformer)
    return _vit(tower, images)


def _timm(tower: TimmModel, images: Tensor) -> TeacherFeatures:
    cells, maps = tower.trunk.forward_intermediates(images)
    if cells.ndim != 4 or cells.shape[1] != tower.trunk.num_features:
        raise InputError(f"timm's {type(tower.trunk).__name__} gives no B x C x H x W map; it is not supported")
    batch, channels, height, width = cells.shape
    # a 1 x 1 map is its own average: the tower's head, run on each cell, is the per-cell projection
    alone = cells.permute(0, 2, 3, 1).reshape(-1, channels, 1, 1)
    projected = tower.head(tower.trunk.forward_head(alone)).reshape(batch, height, width, -1)
    embedding = tower.head(tower.trunk.forward_head(cells))
    patches = projected.permute(0, 3, 1, 2).contiguous()
    return TeacherFeatures(embedding, patches, _twice_as_fine(maps, patches))


def _resnet(tower: ModifiedResNet, images: Tensor) -> TeacherFeatures:
    maps = tower.forward_intermediates(images, intermediates_only=True)["image_intermediates"]
    cells = maps[-1]
    pool, (batch, _, height, width) = tower.attnpool, cells.shape
    position = _position(pool.positional_embedding, height, width)
    tokens = cells.flatten(2).transpose(1, 2)
    tokens = torch.cat([tokens.mean(dim=1, keepdim=True), tokens], dim=1) + position
    values = pool.v_proj(tokens)
    query = _heads(pool.q_proj(tokens[:, :1]), pool.num_heads)
    pooled = F.scaled_dot_product_attention(
        query, _heads(pool.k_proj(tokens), pool.num_heads), _heads(values, pool.num_heads)
    )
    embedding = pool.c_proj(pooled.transpose(1, 2).reshape(batch, -1))
    patches = pool.c_proj(values[:, 1:]).transpose(1, 2).reshape(batch, -1, height, width)
    return TeacherFeatures(embedding, patches.contiguous(), _twice_as_fine(maps, patches))


def _vit(tower: VisionTransformer, images: Tensor) -> TeacherFeatures:
    cells = tower.conv1(images)
    batch, _, height, width = cells.shape
    tokens = cells.flatten(2).transpose(1, 2)
    tokens = torch.cat([tower.class_embedding.expand(batch, 1, -1), tokens], dim=1)
    tokens = tower.ln_pre(tokens + _position(tower.positional_embedding, height, width))
    depth = len(tower.transformer.resblocks)
    wanted = [depth - 2] if depth > 1 else [0]
    final, states = tower.transformer.forward_intermediates(tokens, indices=wanted)
    embedding = tower._pool(final)[0] @ tower.proj
    if tower.pool_type == "tok":
        alone = torch.full((tokens.shape[1],) * 2, float("-inf"), device=tokens.device).fill_diagonal_(0)
        final = tower.transformer.resblocks[-1](states[0] if depth > 1 else tokens, attn_mask=alone)
    patches = tower.ln_post(final[:, 1:]) @ tower.proj
    return TeacherFeatures(embedding, patches.transpose(1, 2).reshape(batch, -1, height, width).contiguous())


def _twice_as_fine(maps: Sequence[Tensor], patches: Tensor) -> Tensor | None:
    """The last of a trunk's maps with two cells for each of the patches', along both sides."""
    grid = (2 * patches.shape[2], 2 * patches.shape[3])
    return next((found for found in reversed(maps) if found.shape[2:] == grid), None)


def _heads(tokens: Tensor, heads: int) -> Tensor:
    """B x N x C as B x heads x N x C / heads."""
    return tokens.unflatten(2, (heads, -1)).transpose(1, 2)


def _position(embedding: Tensor, height: int, width: int) -> Tensor:
    """A square grid's positional embedding (one extra token first) resampled to `height` x `width` cells."""
    side = round((len(embedding) - 1) ** 0.5)
    if (height, width) == (side, side):
        return embedding
    grid = embedding[1:].reshape(1, side, side, -1).permute(0, 3, 1, 2)
    grid = F.interpolate(grid, (height, width), mode="bicubic", antialias=True, align_corners=False)
    return torch.cat([embedding[:1], grid[0].flatten(1).T])
