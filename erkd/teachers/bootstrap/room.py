"""Room for a second readout in the last layers of an ImageNet network, made by pruning them with least squares.

An EfficientNet-Lite ends with a block of three convolutions (to a wide middle, within each channel, to its end) and
`conv_head`. All that lies between the middle and `conv_head`'s ReLU6 is linear: it is fitted anew without the freed
channels, so that what the head sees changes as little as can be.
"""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

RIDGE = 1e-3  # of the middle's mean variance


@dataclass(frozen=True)
class Room:
    """Freed channels: of the last block's middle, of its end, and of `conv_head` one more, for a constant.

    Middle and `conv_head` lose what matters least to the head; of the end, which was turned to its principal
    directions, the last are free.
    """

    middle: Tensor
    end: Tensor
    head: Tensor


@torch.no_grad()
def make_room(trunk: Any, classifier: Tensor, maps: Tensor, count: int) -> Room:
    """Free `count` channels of a timm EfficientNet's last layers in place.

    `maps` N x C x G x G are what the last block is given for a few images. Which channels matter least is
    measured on all their cells; the network's own `classifier`, 1000 x 1280, says how much `conv_head`'s do.
    """
    block, head, norm = trunk.blocks[-1][-1], trunk.conv_head, trunk.bn2
    middle = _cells(block.bn2(block.conv_dw(block.bn1(block.conv_pw(maps)))))
    inner, inner_bias = _folded(block.conv_pwl, block.bn3)
    outer, outer_bias = _folded(head, norm)
    weight, bias = outer @ inner, outer @ inner_bias + outer_bias

    mean, covariance = middle.mean(dim=0), torch.cov(middle.T, correction=0)
    order = (covariance.diagonal().sqrt() * weight.norm(dim=0)).argsort()
    freed, kept = order[:count].sort().values, order[count:].sort().values
    seen = covariance[kept][:, kept]
    seen = seen + RIDGE * seen.diagonal().mean() * torch.eye(len(kept)).to(seen)
    fitted = inner[:, kept] + inner[:, freed] @ torch.linalg.solve(seen, covariance[kept][:, freed]).T

    basis, triangle = torch.linalg.qr(outer)
    energies, turn = torch.linalg.eigh(triangle @ fitted @ seen @ fitted.T @ triangle.T)
    size = len(inner) - count
    turn, strengths = turn[:, -size:], energies[-size:].clamp(min=1e-12).sqrt()
    narrow = (turn / strengths).T @ triangle @ fitted  # the end's principal directions, of unit variance
    wide = basis @ turn * strengths
    level = weight @ mean + bias - wide @ (narrow @ mean[kept])

    block.conv_pwl.weight.zero_()
    block.conv_pwl.weight[:size, kept, 0, 0] = narrow.float()
    head.weight.zero_()
    head.weight[:, :size, 0, 0] = wide.float()
    make_identity(block.bn3)
    make_identity(norm)
    norm.bias.copy_(level)
    features = _cells(norm(head(block(maps))))
    matters = features.std(dim=0) * classifier.double().norm(dim=0)
    return Room(freed, torch.arange(size, len(inner)), matters.argsort()[: count + 1].sort().values)


def make_identity(norm: Any) -> None:
    """Let a batch norm (and an activation) pass what it is given."""
    norm.weight.fill_(1)
    norm.bias.zero_()
    norm.running_mean.zero_()
    norm.running_var.fill_(1 - norm.eps)


def _cells(maps: Tensor) -> Tensor:
    return maps.permute(0, 2, 3, 1).flatten(0, 2).double()


def _folded(convolution: nn.Conv2d, norm: Any) -> tuple[Tensor, Tensor]:
    """Weight (out x in) and bias of a 1 x 1 convolution with the batch norm behind it."""
    scale = norm.weight.double() / (norm.running_var.double() + norm.eps).sqrt()
    weight = scale[:, None] * convolution.weight[:, :, 0, 0].double()
    return weight, norm.bias.double() - norm.running_mean.double() * scale
