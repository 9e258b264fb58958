"""Colour sampling: the pair of known foreground and background colours that explains an unknown cell best.

After Gastal and Oliveira, "Shared Sampling for Real-Time Alpha Matting" (2010): each cell samples the nearest known
cells along rays, all pairs of samples are compared, and neighbours, which sample along other rays, share their pairs.
Shifts, one gather and fixed convolutions suffice, so it exports to ONNX at any size.
"""

import math

import torch
from torch import Tensor
from torch.nn.functional import conv2d, pad

from erkd.students.prior.closed_form import one_hot_kernels, placed, sum_channels

RAYS = [(0, 1), (1, 0), (0, -1), (-1, 0), (1, 1), (1, -1), (-1, 1), (-1, -1)]  # (down, right)
RAY_STEPS = torch.tensor(RAYS).T[:, None, None, :, None, None]  # down, and right
CELL_LENGTHS = torch.tensor([math.hypot(*ray) for ray in RAYS])[:, None, None]
RAYS_PER_CELL = len(RAYS) // 2  # cells take the first and the second half of them in a chequerboard pattern
DOUBLINGS = 6  # rays are 2^6 - 1 cells long
SHARING_DISTANCES = (2, 3, 1)  # cells to the neighbours of each round of sharing
CROSS = one_hot_kernels(5, 3, [(1, 1), (0, 1), (1, 0), (1, 2), (2, 1)])  # a cell and its four neighbours
ERROR_FLOOR = 2e-4  # added to squared colour errors: smaller ones count as none
# exponents in the paper's cost: of the colour error, of the distances to foreground and background
COLOUR_POWER, DISTANCE_POWERS = 3.0, torch.tensor([1.0, 4.0]).view(1, 2, 1, 1, 1)
FAR = 1e4  # distance in cells where a ray finds nothing
MISSING_COST = 100.0  # added to the cost of a pair that lacks a colour


def sample_pairs(image: Tensor, colours: Tensor, share: Tensor) -> tuple[Tensor, Tensor]:
    """Choose a pair of colours for each cell, by a soft minimum of Gastal and Oliveira's cost.

    Args:
        image: Mean colours, B x 3 x h x w; h and w multiples of 8.
        colours: Mean colours of known foreground and background, B x 2 x 3 x h x w.
        share: Share of known foreground and background pixels, B x 2 x h x w in [0, 1].

    Returns:
        The pairs (foreground, background), B x 2 x 3 x h x w, and 1 where both were found, else 0, B x 1 x h x w.
    """
    found, distances = sample_rays(colours, (share > 0).to(image.dtype))
    farther = (distances / distances.amin(2, keepdim=True)).log()  # than the nearest
    penalty = placed(DISTANCE_POWERS, image) * farther + MISSING_COST * (distances >= FAR)
    foreground, background = (found - image[:, None, :, None]).unbind(1)
    cost = colour_cost(foreground[:, :, :, None], background[:, :, None])
    cost = (cost + penalty[:, 0, :, None] + penalty[:, 1, None]).flatten(1, 2)  # of all pairs
    weight = softmin(cost).unflatten(1, (RAYS_PER_CELL, RAYS_PER_CELL))
    weights = torch.stack([weight.sum(2), weight.sum(1)], dim=1)
    chosen = (found * weights[:, :, None]).sum(3)
    valid = (cost.amin(1, keepdim=True) < MISSING_COST / 2).to(image.dtype)
    for distance in SHARING_DISTANCES:
        chosen, valid = share_with_neighbours(image, chosen, valid, distance)
    return chosen, valid


def sample_rays(colours: Tensor, known: Tensor) -> tuple[Tensor, Tensor]:
    """Find the nearest known cell along each of a cell's R rays.

    Args:
        colours: Mean colours of known foreground and background, B x 2 x 3 x h x w.
        known: 1 where a cell has such pixels, else 0, B x 2 x h x w.

    Returns:
        Its colours B x 2 x 3 x R x h x w, and its distances B x 2 x R x h x w in cells, at least 1. Where a ray finds
        nothing the distance is at least `FAR`, and the colour is the cell's own.
    """
    lengths = []
    for down, right in RAYS:
        length = (1 - known) * FAR
        for doubling in range(DOUBLINGS):  # the nearest within 1, 3, 7, ... cells
            offset = 2**doubling
            length = torch.minimum(length, shift(length, down * offset, right * offset, FAR) + offset)
        lengths.append(length)
    distances = torch.stack(lengths, dim=2)
    # flat indices of cells; sizes enter as tensors, since the exporter would fix sizes read from shapes
    number = torch.ones_like(known, dtype=torch.int64).flatten().cumsum(0).view_as(known)[:, :, None] - 1
    width = number[:1, :1, :, 1:2, :1] - number[:1, :1, :, :1, :1]
    down, right = placed(RAY_STEPS, known)
    index = number + torch.where(distances < FAR, distances, 0).long() * (down * width + right)
    distances = (distances * placed(CELL_LENGTHS, known)).clamp_min(1)
    odd = (number + number // width) % 2 == 1  # a chequerboard, as the width is even
    index, distances = (
        torch.where(odd, rays[:, :, :RAYS_PER_CELL], rays[:, :, RAYS_PER_CELL:]) for rays in (index, distances)
    )
    return colours.movedim(2, -1).flatten(0, 3)[index].movedim(-1, 2), distances


def shift(maps: Tensor, down: int, right: int, fill_value: float) -> Tensor:
    """Read B x C x h x w maps `down` cells below and `right` cells to the right; `fill_value` past the border."""
    maps = pad(maps, (max(-right, 0), max(right, 0), max(-down, 0), max(down, 0)), value=fill_value)
    maps = maps[:, :, down:] if down >= 0 else maps[:, :, :down]
    return maps[..., right:] if right >= 0 else maps[..., :right]


def share_with_neighbours(image: Tensor, chosen: Tensor, valid: Tensor, distance: int) -> tuple[Tensor, Tensor]:
    """One round of sharing: each cell chooses among its own pair and those of four neighbours `distance` cells away.

    Shapes as in `sample_pairs`.
    """
    maps = torch.cat([chosen.flatten(1, 2), valid], dim=1)
    kernel = placed(CROSS, maps).repeat(7, 1, 1, 1)
    near = conv2d(maps, kernel, padding=distance, dilation=distance, groups=7).unflatten(1, (7, 5))
    pairs, valid = near[:, :6].unflatten(1, (2, 3)), near[:, 6]
    weight = softmin(colour_cost(*(pairs - image[:, None, :, None]).unbind(1)) + MISSING_COST * (1 - valid))
    return (pairs * weight[:, None, None]).sum(3), valid.amax(1, keepdim=True)


def colour_cost(foreground: Tensor, background: Tensor) -> Tensor:
    """Cost of pairs: log of the image colour's squared distance to the segment between the two colours.

    `foreground` and `background` are B x 3 x ..., relative to the image's colour.
    """
    product, foreground, background = (
        sum_channels(one * two).squeeze(1)
        for one, two in ((foreground, background), (foreground, foreground), (background, background))
    )
    offset = background - product
    length = (foreground + offset - product).clamp_min(0)
    alpha = (offset / (length + 1e-4)).clamp(0, 1)
    error = background + alpha * (alpha * length - 2 * offset)  # |alpha F + (1 - alpha) B|^2
    return COLOUR_POWER * (error.clamp_min(0) + ERROR_FLOOR).log()


def softmin(cost: Tensor) -> Tensor:
    """Softmax of -cost over channels, spelled out: ONNX Runtime's Softmax transposes the maps and is far slower."""
    weight = (cost.amin(1, keepdim=True) - cost).exp()
    return weight / weight.sum(1, keepdim=True)
