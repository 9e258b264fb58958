"""Trimaps of training crops, by the rule of `erkd.data.trimap_generation`: with OpenCV on the CPU, else in torch."""

import math
from collections.abc import Sequence

import cv2
import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import max_pool2d

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

MARGIN = 4  # pixels of a crop that are unknown around what is unknown as a whole
STROKED = 0.5  # share of crops with unknown strokes in known regions
MOST_STROKES = 6
STROKE, WIDTHS = 20, (6, 40)  # a stroke's extent (standard deviation) and width, pixels at reference size


def draw_trimaps(
    alpha: Tensor, params: TrimapParams, rngs: Sequence[np.random.Generator], sides: Sequence[float]
) -> Tensor:
    """Draw trimaps B x 1 x S x S of 0, 0.5, 1.

    Args:
        alpha: B x 1 x S x S in [0, 1].
        params: Range of radii, at the reference size.
        rngs: One generator per crop.
        sides: Longer side of each whole image in crop pixels, which radii scale with.
    """
    radii = [draw_radii(params, rng, side / REFERENCE_SIDE) for rng, side in zip(rngs, sides, strict=True)]
    if alpha.device.type == "cpu":
        drawn = [trimap_from_radii(one, r)[0] for one, r in zip(alpha[:, 0].numpy(), radii, strict=True)]
        trimaps = torch.from_numpy(np.stack(drawn))
    else:
        trimaps = torch.stack([trimap_in_torch(one, r) for one, r in zip(alpha[:, 0], radii, strict=True)])
    strokes = np.stack(
        [draw_strokes(rng, alpha.shape[-1], side / REFERENCE_SIDE) for rng, side in zip(rngs, sides, strict=True)]
    )
    return torch.where(torch.from_numpy(strokes).to(alpha.device), 0.5, trimaps)[:, None]


def doubt(trimaps: Tensor, covered: Tensor) -> Tensor:
    """Make what `covered` (B x 1 x S x S) shows, and `MARGIN` pixels around it, unknown as a whole.

    A trimap that would know hardly anything afterwards stays as it is.
    """
    around = max_pool2d((covered > 0.5 / 255).float(), 2 * MARGIN + 1, 1, MARGIN)
    doubted = torch.where(around > 0, 0.5, trimaps)
    enough = (doubted == 0.5).float().mean((1, 2, 3), keepdim=True) < MOST_UNKNOWN
    return torch.where(enough, doubted, trimaps)


def draw_strokes(rng: np.random.Generator, size: int, scale: float) -> Region:
    """Draw strokes of unknown pixels, S x S, as users paint them over known regions too; none on some crops.

    `size` is S, and `scale` the image's size relative to the reference.
    """
    canvas = np.zeros((size, size), np.uint8)
    if rng.random() < STROKED:
        for _ in range(int(rng.integers(1, MOST_STROKES + 1))):
            start = rng.uniform(0, size, 2)
            end = start + rng.normal(0, STROKE * scale, 2)
            width = max(1, round(math.exp(rng.uniform(*np.log(WIDTHS))) * scale))
            cv2.line(canvas, start.astype(int).tolist(), end.astype(int).tolist(), 1, width)
    return canvas > 0


def trimap_in_torch(alpha: Tensor, radii: Radii) -> Tensor:
    """`erkd.data.trimap_generation.trimap_from_radii` for alpha S x S on any device."""
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
    """Erode a boolean `region` S x S: keep pixels farther than `radius` from any pixel outside it."""
    outside = torch.where(region, torch.inf, 0.0)
    for axis in (0, 1):  # separable squared distance transform: min over j of f(j) + (i - j)^2
        nearest, size = outside.clone(), region.shape[axis]
        for step in range(1, min(radius + 1, size)):
            near, far = outside.narrow(axis, 0, size - step), outside.narrow(axis, step, size - step)
            front, back = nearest.narrow(axis, 0, size - step), nearest.narrow(axis, step, size - step)
            torch.minimum(front, far + step**2, out=front)
            torch.minimum(back, near + step**2, out=back)
        outside = nearest
    return region & (outside > (radius + 0.01) ** 2)
