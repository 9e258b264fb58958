"""Trimaps of training crops, by the rule of `erkd.data.trimap_generation`: with OpenCV on the CPU, else in torch."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import torch
from scipy.fft import next_fast_len
from torch import Tensor
from torch.nn.functional import max_pool2d

from erkd.data.trimap_generation import (
    HALF,
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


@dataclass(frozen=True)
class TrimapPlan:
    """What is drawn for trimaps: each crop's radii, and `strokes` of unknown pixels, B x S x S boolean."""

    radii: list[Radii]
    strokes: Tensor


def plan_trimaps(
    params: TrimapParams, rngs: Sequence[np.random.Generator], sides: Sequence[float], size: int
) -> TrimapPlan:
    """Draw for crops of `size` pixels.

    Args:
        params: Range of radii, at the reference size.
        rngs: One generator per crop.
        sides: Longer side of each whole image in crop pixels, which radii scale with.
        size: S.
    """
    scales = [side / REFERENCE_SIDE for side in sides]
    radii = [draw_radii(params, rng, scale) for rng, scale in zip(rngs, scales, strict=True)]
    strokes = np.stack([draw_strokes(rng, size, scale) for rng, scale in zip(rngs, scales, strict=True)])
    return TrimapPlan(radii, torch.from_numpy(strokes))


def make_trimaps(alpha: Tensor, plan: TrimapPlan) -> Tensor:
    """Make trimaps B x 1 x S x S of 0, 0.5, 1 from alpha B x 1 x S x S in [0, 1]."""
    if alpha.device.type == "cpu":
        drawn = [trimap_from_radii(one, r)[0] for one, r in zip(alpha[:, 0].numpy(), plan.radii, strict=True)]
        trimaps = torch.from_numpy(np.stack(drawn))
    else:
        trimaps = trimaps_in_torch(alpha[:, 0], plan.radii)
    return torch.where(plan.strokes.to(alpha.device, non_blocking=True), 0.5, trimaps)[:, None]


def doubt(trimaps: Tensor, covered: Tensor) -> Tensor:
    """Make what `covered` (B x 1 x S x S) shows, and `MARGIN` pixels around it, unknown as a whole.

    A trimap that would know hardly anything afterwards stays as it is.
    """
    around = (covered > 0.5 / 255).float()
    for axis in ((1, 2 * MARGIN + 1), (2 * MARGIN + 1, 1)):
        around = max_pool2d(around, axis, 1, (axis[0] // 2, axis[1] // 2))
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


def trimaps_in_torch(alpha: Tensor, radii: Sequence[Radii]) -> Tensor:
    """`erkd.data.trimap_generation.trimap_from_radii` of alphas B x S x S on any device.

    Crops that are unknown nearly everywhere are drawn again, narrower, until none is: about three rounds, after each
    of which B numbers are read by the CPU.
    """
    levels = (alpha * 255).round()
    solid, empty = levels >= 254, levels <= 1
    trimaps = torch.empty_like(alpha)
    left = dict(enumerate(radii))
    while left:
        rows = torch.tensor([*left], device=alpha.device)
        drawn = _draw_round(solid[rows], empty[rows], [*left.values()])
        trimaps[rows] = drawn
        shares = (drawn == 0.5).float().mean((1, 2)).tolist()
        unknown = dict(zip(left, shares, strict=True))
        left = {i: narrow(r) for i, r in left.items() if not r.narrowest and unknown[i] >= MOST_UNKNOWN}
    return trimaps


def _draw_round(solid: Tensor, empty: Tensor, radii: Sequence[Radii]) -> Tensor:
    """Trimaps of these radii: B x S x S of 0, 0.5, 1 from definite foreground and background."""
    inner = [r.foreground for r in radii]
    foreground = erode(solid, inner)
    whole = [i for i, r in enumerate(radii) if r.whole]
    if whole:
        closing = [inner[i] for i in whole]
        closed = erode(~erode(empty[whole], closing), closing)
        empty = empty.clone()
        empty[whole] &= ~closed
    background = erode(empty, [r.background for r in radii])
    return torch.where(foreground, 1.0, torch.where(background, 0.0, 0.5))


def erode(regions: Tensor, radii: Sequence[int]) -> Tensor:
    """Erode boolean `regions` B x S x S: keep pixels farther than their radius from any pixel outside a region.

    Pixels outside are counted in a disc around each pixel, by Fourier transforms, whose cost does not depend on the
    radius; in single precision counts are exact to a tenth of a pixel in crops of 640.
    """
    size = regions.shape[-1]
    side = next_fast_len(size + max(radii), real=True)  # what wraps around falls into the margin
    axis = torch.arange(side, device=regions.device)
    squares = torch.minimum(axis, side - axis) ** 2
    reach = torch.tensor(radii, device=regions.device) ** 2 + HALF
    discs = (squares[:, None] + squares <= reach[:, None, None]).float()
    around = torch.fft.rfft2((~regions).float(), s=(side, side)) * torch.fft.rfft2(discs)
    count = torch.fft.irfft2(around, s=(side, side))[:, :size, :size]
    return regions & (count < 0.5)
