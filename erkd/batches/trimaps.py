"""Trimaps of a batch of crops: `erkd.data.trimap_generation`'s rule on the CPU, and the same in torch on a GPU."""

import math
from collections.abc import Sequence

import cv2
import numpy as np
import torch
from torch import Tensor

from erkd.data.trimap_generation import (
    MOST_UNKNOWN,
    REFERENCE_SIDE,
    Radii,
    Region,
    draw_radii,
    narrow,
    trimap_from_radii,
)
from erkd.params import TrimapParams

DOUBTED = 0.5  # of the crops
MOST_STROKES = 6
STROKE, WIDTHS = 20, (6, 40)  # deviation of a stroke's ends, and its width, in pixels of the reference size


def draw_trimaps(
    alpha: Tensor, params: TrimapParams, rngs: Sequence[np.random.Generator], sides: Sequence[float]
) -> Tensor:
    """A trimap of 0, 0.5 and 1 per crop: B x 1 x S x S like `alpha`.

    `sides` are the whole images' longer sides, in crop pixels: radii are scaled by them.
    """
    radii = [draw_radii(params, rng, side / REFERENCE_SIDE) for rng, side in zip(rngs, sides, strict=True)]
    if alpha.device.type == "cpu":
        drawn = [trimap_from_radii(one, r)[0] for one, r in zip(alpha[:, 0].numpy(), radii, strict=True)]
        trimaps = torch.from_numpy(np.stack(drawn))
    else:
        trimaps = torch.stack([trimap_in_torch(one, r) for one, r in zip(alpha[:, 0], radii, strict=True)])
    doubted = np.stack(
        [
            draw_doubts(rng, alpha.shape[-1], side / REFERENCE_SIDE)
            for rng, side in zip(rngs, sides, strict=True)
        ]
    )
    return torch.where(torch.from_numpy(doubted).to(alpha.device), 0.5, trimaps)[:, None]


def draw_doubts(rng: np.random.Generator, size: int, scale: float) -> Region:
    """Where people mark as unknown what is all foreground or all background: a few strokes, S x S, on some crops."""
    canvas = np.zeros((size, size), np.uint8)
    if rng.random() < DOUBTED:
        for _ in range(int(rng.integers(1, MOST_STROKES + 1))):
            start = rng.uniform(0, size, 2)
            end = start + rng.normal(0, STROKE * scale, 2)
            width = max(1, round(math.exp(rng.uniform(*np.log(WIDTHS))) * scale))
            cv2.line(canvas, start.astype(int).tolist(), end.astype(int).tolist(), 1, width)
    return canvas > 0


def trimap_in_torch(alpha: Tensor, radii: Radii) -> Tensor:
    """`erkd.data.trimap_generation.trimap_from_radii` of alpha S x S, wherever it lies."""
    levels = (alpha * 255).round()
    while True:
        solid, empty = levels >= 254, levels <= 1
        foreground = erode(solid, radii.foreground)
        if radii.whole:
            closed = erode(~erode(empty, radii.foreground), radii.foreground) | ~empty
            empty = ~closed
        background = erode(empty, radii.background)
        trimap = torch.where(foreground, 1.0, torch.where(background, 0.0, 0.5))
        if radii.narrowest or float((trimap == 0.5).float().mean()) < MOST_UNKNOWN:
            return trimap
        radii = narrow(radii)


def erode(region: Tensor, radius: int) -> Tensor:
    """The pixels of `region` (booleans, S x S) farther than `radius` from any pixel outside it."""
    outside = torch.where(region, torch.inf, 0.0)
    for axis in (0, 1):  # Euclidean distance is separable: the least of f(j) + (i - j)^2 along each axis
        nearest, size = outside.clone(), region.shape[axis]
        for step in range(1, min(radius + 1, size)):
            near, far = outside.narrow(axis, 0, size - step), outside.narrow(axis, step, size - step)
            front, back = nearest.narrow(axis, 0, size - step), nearest.narrow(axis, step, size - step)
            torch.minimum(front, far + step**2, out=front)
            torch.minimum(back, near + step**2, out=back)
        outside = nearest
    return region & (outside > (radius + 0.01) ** 2)
