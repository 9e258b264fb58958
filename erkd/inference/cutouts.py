"""Foreground estimation, cut-outs and composites on another background."""

from collections.abc import Iterator, Sequence
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from erkd.io.files import InputError
from erkd.io.images import Array, to_bytes, unit

Pixels = NDArray[Any]  # uint8, or floating in [0, 1]
SMALL = 32  # levels up to this longer side get five times the passes, pixels
PASSES = 2  # per level
FLOOR = 1e-3  # least weight of a pixel in the weighted blur
STRIP = 1 << 19  # pixels of a level that are worked on together


def estimate_foreground(image: Pixels, alpha: Pixels) -> Array:
    """Estimate foreground colours H x W x 3 in [0, 1] such that image = alpha F + (1 - alpha) B with smooth F and B.

    `image` is H x W x 3 and `alpha` H x W, in [0, 1] or uint8. On each level of a pyramid (Germer et al., "Fast
    Multi-Level Foreground Estimation", ICPR 2020), coarse to fine, F and B are blurred with weights alpha and 1 -
    alpha (Forte, "Approximate Fast Foreground Colour Estimation", ICIP 2021), then projected on the compositing
    equation; compared with others in docs/decisions/037.
    """
    foreground = np.empty(image.shape, np.float32)
    for rows, part in foreground_strips(image, alpha):
        foreground[rows] = part
    return foreground


def foreground_strips(image: Pixels, alpha: Pixels) -> Iterator[tuple[slice, Array]]:
    """`estimate_foreground` from top to bottom: some rows of the image and their foreground, without seams.

    Floats of a whole large photo would take 12 bytes per pixel and array; here the largest are of a quarter of it.
    """
    height, width = alpha.shape
    levels = int(np.ceil(np.log2(max(height, width, 2))))
    sizes = [(round(height ** (level / levels)), round(width ** (level / levels))) for level in range(levels + 1)]
    mean = shrink_rows(image, (1, 1), slice(0, 1))
    layers = mean, mean
    for size in sizes[:-1]:
        finer = np.empty((*size, 3), np.float32), np.empty((*size, 3), np.float32)
        for rows, *parts in _level(image, alpha, layers, size):
            for layer, part in zip(finer, parts, strict=True):
                layer[rows] = part
        layers = finer
    for rows, foreground, _ in _level(image, alpha, layers, sizes[-1]):
        yield rows, foreground


def _level(
    image: Pixels, alpha: Pixels, layers: tuple[Array, Array], size: tuple[int, int]
) -> Iterator[tuple[slice, Array, Array]]:
    """Refine foreground and background, `layers` of the coarser level, to `size`: rows, foreground, background."""
    passes = 5 * PASSES if max(size) <= SMALL else PASSES
    step = max(STRIP // size[1], 2 * passes)
    for top in range(0, size[0], step):
        rows = slice(top, min(top + step, size[0]))
        seen = slice(max(top - passes, 0), min(rows.stop + passes, size[0]))  # a pass looks one row further
        small, share = shrink_rows(image, size, seen), shrink_rows(alpha, size, seen)[:, :, None]
        foreground, background = (grow_rows(layer, size, seen) for layer in layers)
        for _ in range(passes):
            foreground, background = _blur(foreground, share), _blur(background, 1 - share)
            missing = small - share * foreground - (1 - share) * background
            missing /= share**2 + (1 - share) ** 2
            foreground = np.clip(foreground + share * missing, 0, 1)
            background = np.clip(background + (1 - share) * missing, 0, 1)
        inner = slice(rows.start - seen.start, rows.stop - seen.start)
        yield rows, foreground[inner], background[inner]


def _blur(layer: Array, share: Array) -> Array:
    """3 x 3 mean of a layer's colours, weighted by `share`."""
    weight = share + np.float32(FLOOR)
    return np.asarray(cv2.blur(layer * weight, (3, 3)) / cv2.blur(weight, (3, 3))[:, :, None], np.float32)


def shrink_rows(array: Pixels, size: tuple[int, int], rows: slice) -> Array:
    """`rows` of H x W or H x W x C shrunk to `size` by area averaging, float32 in [0, 1]."""
    height, width = array.shape[:2]
    if size == (height, width):
        return unit(array[rows])
    scale = height / size[0]
    middle = (rows.start + rows.stop) // 2
    if middle > rows.start and (rows.stop - rows.start) * scale * size[1] > STRIP:
        halves = slice(rows.start, middle), slice(middle, rows.stop)
        return np.concatenate([shrink_rows(array, size, half) for half in halves])
    first, last = int(rows.start * scale), min(int(np.ceil(rows.stop * scale)), height)
    step = max(STRIP // width, 1)
    narrow = np.concatenate(
        [
            cv2.resize(unit(part), (size[1], len(part)), interpolation=cv2.INTER_AREA)
            for part in (array[top : min(top + step, last)] for top in range(first, last, step))
        ]
    )
    edges = np.arange(rows.start, rows.stop + 1) * scale - first
    whole = np.minimum(edges.astype(int), len(narrow) - 1)
    sums = np.cumsum(narrow, axis=0, dtype=np.float64) - narrow  # of the rows above each
    share = (edges - whole).reshape(-1, *[1] * (narrow.ndim - 1))
    return np.asarray(np.diff(sums[whole] + share * narrow[whole], axis=0) / scale, np.float32)


def grow_rows(layer: Array, size: tuple[int, int], rows: slice) -> Array:
    """`rows` of h x w x C enlarged to `size` bilinearly, as `cv2.resize` does."""
    height = layer.shape[0]
    place = np.clip((np.arange(rows.start, rows.stop) + 0.5) * (height / size[0]) - 0.5, 0, height - 1)
    above = place.astype(int)
    first, last = above[0], min(above[-1] + 2, height)
    wide = cv2.resize(layer[first:last], (size[1], int(last - first)), interpolation=cv2.INTER_LINEAR)
    share = (place - above).astype(np.float32)[:, None, None]
    below = np.minimum(above + 1, height - 1)
    return np.asarray((1 - share) * wide[above - first] + share * wide[below - first], np.float32)


def cutout(image: Pixels, alpha: Pixels) -> Pixels:
    """RGBA, H x W x 4: the estimated foreground with `alpha`, without a halo of the old background.

    uint8 if `image` is, else float32 in [0, 1].
    """
    result = np.empty((*alpha.shape, 4), np.uint8 if image.dtype == np.uint8 else np.float32)
    convert = to_bytes if image.dtype == np.uint8 else unit
    for rows, foreground in foreground_strips(image, alpha):
        result[rows, :, :3] = convert(foreground)
        result[rows, :, 3] = convert(unit(alpha[rows]))
    return result


def place(image: Pixels, alpha: Pixels, background: Pixels | Sequence[float]) -> Pixels:
    """Composite the estimated foreground of `image` over another background: H x W x 3.

    `background` is an image of any size, resized by `cover`, or an RGB colour in [0, 1]. The result is uint8 if
    `image` is, else float32 in [0, 1]. Raises InputError for another background.
    """
    colours = np.asarray(background)
    if colours.shape != (3,) and (colours.ndim != 3 or colours.shape[2] != 3):
        raise InputError(f"background: H x W x 3 or three numbers are expected; found shape {colours.shape}")
    behind = cover(colours, *image.shape[:2]) if colours.ndim == 3 else np.broadcast_to(colours, image.shape)
    result = np.empty(image.shape, np.uint8 if image.dtype == np.uint8 else np.float32)
    convert = to_bytes if image.dtype == np.uint8 else unit
    for rows, foreground in foreground_strips(image, alpha):
        share = unit(alpha[rows])[:, :, None]
        result[rows] = convert(share * foreground + (1 - share) * unit(behind[rows]))
    return result


def cover(image: Pixels, height: int, width: int) -> Pixels:
    """Crop the centre of `image` to the proportions of `height` x `width`, and resize it to that; of its own type."""
    scale = max(height / image.shape[0], width / image.shape[1])
    seen = [max(min(round(size / scale), full), 1) for size, full in zip((height, width), image.shape, strict=False)]
    top, left = ((full - size) // 2 for size, full in zip(seen, image.shape, strict=False))
    part = image[top : top + seen[0], left : left + seen[1]]
    interpolation = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(part, (width, height), interpolation=interpolation))
