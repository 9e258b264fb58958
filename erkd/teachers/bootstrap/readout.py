"""A linear readout of a block in the middle of an EfficientNet, written into the network's own last layers.

What the last block and the head of an ImageNet network say serves a thousand classes: of alpha and materials the
block before them knows more (docs/decisions/021). So that is what is read, cell by cell: with standardised
features z, `patches = W z`. The architecture stays timm's: the last block and the head are set so that they
carry z through their ReLU6s as two halves, max(z, 0) and max(-z, 0), and the projection puts both together. That
is exact up to six standard deviations, where ReLU6 ends.
"""

from typing import Any

import torch
from torch import Tensor, nn

LIMIT = 6.0  # where ReLU6 ends


def split_trunk(trunk: Any) -> nn.Sequential:
    """The trunk up to what is read: all blocks but the last."""
    blocks = [block for stage in trunk.blocks for block in stage]
    return nn.Sequential(trunk.conv_stem, trunk.bn1, *blocks[:-1])


def standardise(maps: Tensor, mean: Tensor, deviation: Tensor) -> Tensor:
    """z of maps B x C x G x G, by statistics of each channel (C), held within six deviations."""
    return ((maps - mean[:, None, None]) / deviation[:, None, None]).clamp(-LIMIT, LIMIT)


@torch.no_grad()
def write_readout(tower: Any, weight: Tensor, mean: Tensor, deviation: Tensor) -> None:
    """Set the last layers of an open_clip timm tower (linear projection) so that its patches are `weight` z.

    `weight` D x C; `mean` and `deviation` C.
    """
    trunk, count = tower.trunk, len(mean)
    block = trunk.blocks[-1][-1]
    _zero(block, trunk.conv_head, tower.head.proj)
    for norm in (block.bn1, block.bn2, block.bn3, trunk.bn2):
        _make_identity(norm)
    both, one = torch.arange(2 * count), torch.arange(count)
    signs = torch.tensor([1.0, -1.0]).repeat_interleave(count).to(weight)
    block.conv_pw.weight[both, both % count, 0, 0] = signs / deviation[both % count]
    block.bn1.bias[both] = -signs * (mean / deviation)[both % count]
    middle = block.conv_dw.kernel_size[0] // 2
    block.conv_dw.weight[both, 0, middle, middle] = 1.0
    block.conv_pwl.weight[one, one, 0, 0] = 1.0
    block.conv_pwl.weight[one, count + one, 0, 0] = -1.0
    trunk.conv_head.weight[both, both % count, 0, 0] = signs
    tower.head.proj.weight[:, : 2 * count] = torch.cat([weight, -weight], dim=1)


def _zero(block: Any, *layers: Any) -> None:
    for layer in (block.conv_pw, block.conv_dw, block.conv_pwl, *layers):
        layer.weight.zero_()


def _make_identity(norm: Any) -> None:
    norm.weight.fill_(1)
    norm.bias.zero_()
    norm.running_mean.zero_()
    norm.running_var.fill_(1 - norm.eps)
