"""Two linear readouts of an ImageNet network, written into the network's own last layers.

What an ImageNet network says last serves a thousand classes: of alpha and materials the block before its last one
knows more (docs/decisions/021). So words are read from the head's features h, and materials from standardised
features z of that block: a cell's vector is (words h, materials z). The architecture stays timm's: in the room that
`room.py` makes, the last block and the head carry each of materials z on a channel of its own through their ReLU6s,
shifted to the middle of their range, and the projection puts both together. That is exact up to six standard
deviations, where ReLU6 ends.
"""

from typing import Any

import torch
from torch import Tensor, nn

from erkd.teachers.bootstrap.room import Room

LIMIT = 6.0  # where ReLU6 ends


def split_trunk(trunk: Any) -> tuple[nn.Sequential, nn.Sequential]:
    """The trunk up to its last block, and the last block with `conv_head`: B x C x G x G to B x 1280 x G x G."""
    blocks = [block for stage in trunk.blocks for block in stage]
    return (
        nn.Sequential(trunk.conv_stem, trunk.bn1, *blocks[:-1]),
        nn.Sequential(blocks[-1], trunk.conv_head, trunk.bn2),
    )


def standardise(maps: Tensor, mean: Tensor, deviation: Tensor) -> Tensor:
    """z of maps B x C x G x G, by statistics of each channel (C)."""
    return (maps - mean[:, None, None]) / deviation[:, None, None]


@torch.no_grad()
def write_words(tower: Any, room: Room, words: Tensor, features: Tensor) -> Tensor:
    """Set the first rows of an open_clip timm tower's projection to `words` (W x 1280) of the head's features.

    Channels of `room` count by their mean over `features` (N x 1280) alone, a constant that the last of them
    carries. Returns the weights as set.
    """
    head, norm, constant = tower.trunk.conv_head, tower.trunk.bn2, room.head[-1]
    head.weight[room.head] = 0
    norm.bias[room.head] = 0
    norm.bias[constant] = 1
    kept = words.clone()
    kept[:, room.head] = 0
    kept[:, constant] = words[:, room.head] @ features[:, room.head].mean(dim=0)
    tower.head.proj.weight.zero_()
    tower.head.proj.weight[: len(words)] = kept
    return kept


@torch.no_grad()
def write_materials(tower: Any, room: Room, weight: Tensor, mean: Tensor, deviation: Tensor, spread: Tensor) -> None:
    """Set what `write_words` left of the tower so that the last rows of its patches are `weight` z.

    `weight` M x C, `mean` and `deviation` C; `spread` M is the standard deviation of `weight` z. The room has M
    channels.
    """
    trunk, count = tower.trunk, len(weight)
    block = trunk.blocks[-1][-1]
    slope = LIMIT / 2 / LIMIT / spread  # six deviations to half of ReLU6's range
    per_channel = slope[:, None] * weight / deviation
    block.conv_pw.weight[room.middle, :, 0, 0] = per_channel
    _pass(block.bn1, room.middle, LIMIT / 2 - per_channel @ mean)
    block.conv_dw.weight[room.middle] = 0
    centre = block.conv_dw.kernel_size[0] // 2
    block.conv_dw.weight[room.middle, 0, centre, centre] = 1
    _pass(block.bn2, room.middle, torch.zeros(count))
    block.conv_pwl.weight[room.end, room.middle, 0, 0] = 1
    carriers, constant = room.head[:-1], room.head[-1]
    trunk.conv_head.weight[carriers, room.end, 0, 0] = 1
    rows = torch.arange(len(tower.head.proj.weight) - count, len(tower.head.proj.weight))
    tower.head.proj.weight[rows, carriers] = 1 / slope
    tower.head.proj.weight[rows, constant] = -LIMIT / 2 / slope


def _pass(norm: Any, channels: Tensor, shift: Tensor) -> None:
    """Let a batch norm add `shift` to some channels and do nothing else to them."""
    norm.weight[channels] = 1
    norm.bias[channels] = shift.to(norm.bias)
    norm.running_mean[channels] = 0
    norm.running_var[channels] = 1 - norm.eps
