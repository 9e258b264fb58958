"""Which image towers have dense features, and whether these are exact or an approximation.

`exact` means that the mean of an image's patches is its embedding. That holds where the tower averages cells
and then projects linearly. Elsewhere patches are an approximation, which `describe_tower` names:

- ViT with a class token: in the last block each token attends to itself alone, the value path of MaskCLIP
  (arXiv:2112.01071);
- ModifiedResNet: the attention pool's value and output projections at each cell, without its weights;
- a norm behind the average (ConvNeXt, CLIPA): the norm is taken at each cell.
"""

from open_clip.modified_resnet import ModifiedResNet
from open_clip.timm_model import TimmModel
from open_clip.transformer import VisionTransformer
from torch import nn

from erkd.io.files import InputError

EXACT = "exact: the mean of the patches is the embedding"


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
        raise InputError(
            f"dense features of timm's {name} with pooling {pooling!r} are not supported, only 'avg'"
        )
    if hasattr(tower.head, "mlp"):
        raise InputError(
            f"dense features of timm's {name} with an 'mlp' projection are not supported, only 'linear'"
        )
    if not isinstance(getattr(head, "norm", nn.Identity()), nn.Identity):
        return "approximate: the norm behind the average is taken at each cell"
    return EXACT
