"""Foreground estimation, cut-outs and composites on another background."""

from collections.abc import Sequence
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from erkd.io.files import InputError
from erkd.io.images import Array, resize_area, unit

Pixels = NDArray[Any]  # uint8, or floating in [0, 1]
SMALL = 32  # levels up to this longer side get five times the passes, pixels
PASSES = 2  # per level
FLOOR = 1e-3  # least weight of a pixel in the weighted blur


def estimate_foreground(image: Pixels, alpha: Pixels) -> Array:
    """Estimate foreground colours H x W x 3 in [0, 1] such that image = alpha F + (1 - alpha) B with smooth F and B.

    `image` is H x W x 3 and `alpha` H x W, in [0, 1] or uint8. On each level of a pyramid (Germer et al., "Fast
    Multi-Level Foreground Estimation", ICPR 2020), coarse to fine, F and B are blurred with weights alpha and 1 -
    alpha (Forte, "Approximate Fast Foreground Colour Estimation", ICIP 2021), then projected on the compositing
    equation; compared with others in docs/decisions/037.
    """
    image, alpha = unit(image), unit(alpha)
    height, width = alpha.shape
    levels = int(np.ceil(np.log2(max(height, width, 2))))
    foreground = background = image.mean(axis=(0, 1), keepdims=True)
    for level in range(levels + 1):
        size = round(height ** (level / levels)), round(width ** (level / levels))
        small, share = resize_area(image, *size), resize_area(alpha, *size)[:, :, None]
        foreground, background = (resize_area(layer, *size).reshape(*size, 3) for layer in (foreground, background))
        for _ in range(5 * PASSES if max(size) <= SMALL else PASSES):
            foreground, background = _blur(foreground, share), _blur(background, 1 - share)
            missing = small - share * foreground - (1 - share) * background
            missing /= share**2 + (1 - share) ** 2
            foreground = np.clip(foreground + share * missing, 0, 1)
            background = np.clip(background + (1 - share) * missing, 0, 1)
    return foreground


def _blur(layer: Array, share: Array) -> Array:
    """3 x 3 mean of a layer's colours, weighted by `share`."""
    weight = share + np.float32(FLOOR)
    return np.asarray(cv2.blur(layer * weight, (3, 3)) / cv2.blur(weight, (3, 3))[:, :, None], np.float32)


def cutout(image: Pixels, alpha: Pixels) -> Array:
    """RGBA, H x W x 4 in [0, 1]: the estimated foreground with `alpha`, without a halo of the old background."""
    return np.dstack([estimate_foreground(image, alpha), unit(alpha)])


def place(image: Pixels, alpha: Pixels, background: Pixels | Sequence[float]) -> Array:
    """Composite the estimated foreground of `image` over another background: H x W x 3 in [0, 1].

    `background` is an image of any size, resized by `cover`, or an RGB colour in [0, 1]. Raises InputError for
    anything else.
    """
    colours = unit(np.asarray(background))
    if colours.shape != (3,) and (colours.ndim != 3 or colours.shape[2] != 3):
        raise InputError(f"background: H x W x 3 or three numbers are expected; found shape {colours.shape}")
    behind = cover(colours, *image.shape[:2]) if colours.ndim == 3 else colours
    share = unit(alpha)[:, :, None]
    return share * estimate_foreground(image, alpha) + (1 - share) * behind


def cover(image: Array, height: int, width: int) -> Array:
    """Resize `image` to just cover `height` x `width`, and crop its centre."""
    scale = max(height / image.shape[0], width / image.shape[1])
    scaled = resize_area(image, max(height, round(image.shape[0] * scale)), max(width, round(image.shape[1] * scale)))
    top, left = (scaled.shape[0] - height) // 2, (scaled.shape[1] - width) // 2
    return scaled[top : top + height, left : left + width]
