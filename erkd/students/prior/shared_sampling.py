"""Sampling: the pair of known colours, foreground and background, that explains an unknown cell best.

After Gastal and Oliveira, "Shared Sampling for Real-Time Alpha Matting" (2010): rays find the nearest known
cells, the pairs of what they find are compared, and neighbours share what they chose. Neighbours look along
different rays, as there. Shifts, one gather and fixed convolutions: it exports to ONNX at any size.
"""

import math

import torch
from torch import Tensor
from torch.nn.functional import conv2d, pad

from erkd.students.prior.closed_form import one_hot

RAYS = [(0, 1), (1, 0), (0, -1), (-1, 0), (1, 1), (1, -1), (-1, 1), (-1, -1)]  # (down, right)
LOOKED = len(RAYS) // 2  # every other cell takes the first half of them, the others the second
DOUBLINGS = 6  # a ray is 2^6 - 1 cells long
SHARED = (2, 3, 1)  # distances in cells at which neighbours share their pairs, one after another
CROSS = one_hot(5, 3, [(1, 1), (0, 1), (1, 0), (1, 2), (2, 1)])  # a cell and four neighbours
FLOOR = 2e-4  # squared error of colour that is as good as none
ERROR, WAYS = (
    3.0,
    (1.0, 4.0),
)  # powers of the error, and of the ways to foreground and background, as in the paper
FAR = 1e4  # cells: nothing was found
NONE = 100.0  # the cost of a pair that lacks a colour


def sample(image: Tensor, colours: Tensor, share: Tensor) -> tuple[Tensor, Tensor]:
    """The best pair of each cell, B x 2 x 3 x h x w (foreground, background), and where there is one, B x 1 x h x w.

    `image` B x 3 x h x w, mean colours; `colours` B x 2 x 3 x h x w of the known foreground and background in a
    cell, and `share` B x 2 x h x w, what they take of it. h and w are multiples of 8.
    """
    found, steps = look(colours, (share > 0).to(image.dtype))
    powers = torch.tensor(WAYS, device=image.device).view(1, 2, 1, 1, 1)
    ways = powers * (steps / steps.amin(2, keepdim=True)).log() + NONE * (steps >= FAR)
    foreground, background = (found - image[:, None, :, None]).unbind(1)
    cost = mismatch(foreground[:, :, :, None], background[:, :, None])
    cost = (cost + ways[:, 0, :, None] + ways[:, 1, None]).flatten(1, 2)  # of all pairs
    weight = shares(cost).unflatten(1, (LOOKED, LOOKED))
    weights = torch.stack([weight.sum(2), weight.sum(1)], dim=1)
    chosen = (found * weights[:, :, None]).sum(3)
    there = (cost.amin(1, keepdim=True) < NONE / 2).to(image.dtype)
    for distance in SHARED:
        chosen, there = exchange(image, chosen, there, distance)
    return chosen, there


def look(colours: Tensor, known: Tensor) -> tuple[Tensor, Tensor]:
    """What a cell's rays meet first: colours B x 2 x 3 x R x h x w, and how far away, B x 2 x R x h x w, >= 1.

    `colours` B x 2 x 3 x h x w, `known` B x 2 x h x w of 0 and 1. Where a ray meets nothing the way is `FAR` or
    more, and the colour is the cell's own.
    """
    ways = []
    for down, right in RAYS:
        way = (1 - known) * FAR
        for doubling in range(DOUBLINGS):  # the first within 1, 3, 7, ... cells
            step = 2**doubling
            way = torch.minimum(way, moved(way, down * step, right * step, FAR) + step)
        ways.append(way)
    steps = torch.stack(ways, dim=2)
    # cells by number, row by row: sizes enter as tensors, since the exporter takes no arithmetic of shapes
    number = torch.ones_like(known, dtype=torch.int64).flatten().cumsum(0).view_as(known)[:, :, None] - 1
    width = number[:1, :1, :, 1:2, :1] - number[:1, :1, :, :1, :1]
    down, right = torch.tensor(RAYS, device=known.device).T[:, None, None, :, None, None]
    index = number + torch.where(steps < FAR, steps, 0).long() * (down * width + right)
    lengths = torch.tensor([math.hypot(*ray) for ray in RAYS], device=known.device)[:, None, None]
    steps = (steps * lengths).clamp_min(1)
    odd = (number + number // width) % 2 == 1  # like a chessboard, as the width is even
    index, steps = (torch.where(odd, both[:, :, :LOOKED], both[:, :, LOOKED:]) for both in (index, steps))
    return colours.movedim(2, -1).flatten(0, 3)[index].movedim(-1, 2), steps


def moved(maps: Tensor, down: int, right: int, beyond: float) -> Tensor:
    """What lies so many cells below and to the right of each cell, B x C x h x w; `beyond` past the border."""
    maps = pad(maps, (max(-right, 0), max(right, 0), max(-down, 0), max(down, 0)), value=beyond)
    maps = maps[:, :, down:] if down >= 0 else maps[:, :, :down]
    return maps[..., right:] if right >= 0 else maps[..., :right]


def exchange(image: Tensor, chosen: Tensor, there: Tensor, distance: int) -> tuple[Tensor, Tensor]:
    """`sample`'s pairs after each cell has tried those of its neighbours `distance` cells away."""
    maps = torch.cat([chosen.flatten(1, 2), there], dim=1)
    kernel = CROSS.to(maps).repeat(7, 1, 1, 1)
    near = conv2d(maps, kernel, padding=distance, dilation=distance, groups=7).unflatten(1, (7, 5))
    pairs, there = near[:, :6].unflatten(1, (2, 3)), near[:, 6]
    weight = shares(mismatch(*(pairs - image[:, None, :, None]).unbind(1)) + NONE * (1 - there))
    return (pairs * weight[:, None, None]).sum(3), there.amax(1, keepdim=True)


def mismatch(foreground: Tensor, background: Tensor) -> Tensor:
    """The cost of colours, B x 3 x ... less the image's: how far the image's is from the line between them."""
    product = (foreground * background).sum(1)
    foreground, background = (foreground**2).sum(1), (background**2).sum(1)
    length = (foreground + background - 2 * product).clamp_min(0)
    alpha = ((background - product) / (length + 1e-4)).clamp(0, 1)
    error = alpha**2 * foreground + (1 - alpha) ** 2 * background + 2 * alpha * (1 - alpha) * product
    return ERROR * (error.clamp_min(0) + FLOOR).log()


def shares(cost: Tensor) -> Tensor:
    """Softmax of -cost over the channels, in steps: ONNX Runtime's turns the maps around and takes far longer."""
    weight = (cost.amin(1, keepdim=True) - cost).exp()
    return weight / weight.sum(1, keepdim=True)
