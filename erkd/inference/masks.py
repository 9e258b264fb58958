"""A trimap from a mask: what a segmenter or a paint program took for the thing, and what of it is not certain."""

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from erkd.inference.matter import Matter, check_image, check_range, check_size
from erkd.io.files import InputError
from erkd.io.images import Array, Bytes, to_bytes, unit
from erkd.io.trimap_values import BACKGROUND, FOREGROUND, UNKNOWN, between_and_middle, count_greys

SIDE = 1024  # pixels of the longer side on which the trimap is made; a larger photo's is enlarged from there
SOFT = (0.05, 0.75)  # a mask between them is in doubt: segmenters are less sure over a thing than beside it
SHARE = 0.0125  # of the square root of the thing's area, added to the width of the mask's own edge: the band's radius
PART = 0.1  # of the thing's area: smaller islands and holes are doubted
UNSETTLED = 0.14  # alpha this far from what is known beside it: the band ends too soon there
WIDER = 2  # radii by which it is widened
TRIMAPS = 0.9  # of the greys between, near 128: so look trimaps; masks have 0.55 at most
LEAST_UNKNOWN = 0.005  # of a trimap's pixels
CROSS = np.ones((3, 3), np.uint8)
Region = NDArray[np.bool_]


def trimap_from_mask(
    matter: Matter, image: NDArray[Any], mask: NDArray[Any], band: float | None = None, name: object = "mask"
) -> Bytes:
    """Make a trimap, H x W of 0, 128 and 255, from the mask of a thing.

    Unknown is a band around the mask's edge, as wide as that edge is soft and the thing is large; where the mask is
    itself in doubt; and islands and holes, unless a first alpha agrees with them. Where that alpha has not settled at
    the band's end, the band is widened.

    Args:
        matter: The student that makes the first alpha, of a copy of at most `SIDE` pixels a side.
        image: H x W x 3, RGB, uint8 or floating in [0, 1].
        mask: H x W; bool, floating in [0, 1], or integers of 8 or 16 bits; the thing is what is above half.
        band: Pixels that are unknown to either side of the edge; without it, the width follows from the mask.
        name: What errors call the mask.

    Raises:
        InputError: For a mask of another shape or type, one that holds no thing or nothing else, and a trimap.
    """
    image = check_image(image)
    values = check_mask(mask, image.shape, name)
    height, width = values.shape
    scale, size = reduced_size(height, width, SIDE)
    small = unit(cv2.resize(values, size, interpolation=cv2.INTER_AREA))
    thing = small > 0.5
    if not thing.any() or thing.all():  # a few pixels of a large photo
        raise InputError(f"{name}: the thing or the background is too small in it to be found again")
    certain = np.where(thing, np.uint8(FOREGROUND), np.uint8(BACKGROUND))
    parts = _small_parts(thing)
    radius, known = _core(small, thing, parts, None if band is None else band * scale)
    if not _both_sides(known & (parts == 0), thing):
        parts[:] = 0  # all of it is fine: no part is more certain than another
    if not _both_sides(known, thing):
        raise InputError(
            f"{name}: all of the thing, or all around it, is within a pixel of the mask's edge; give a trimap"
        )
    reduced = reduce_image(image, size)
    trimap = np.where(known & (parts == 0), certain, np.uint8(UNKNOWN))
    alpha = matter(reduced, trimap)
    trimap = np.where(known & _confirmed(parts, alpha, thing), certain, trimap)
    if band is None:
        trimap = _widened(trimap, alpha, WIDER * radius)
    return np.asarray(cv2.resize(trimap, (width, height), interpolation=cv2.INTER_NEAREST_EXACT), np.uint8)


def reduce_image(image: NDArray[Any], size: tuple[int, int]) -> Bytes:
    """An image as bytes at a smaller `size` (width, height), or at its own."""
    source = image if image.dtype == np.uint8 else image.astype(np.float32)
    return to_bytes(cv2.resize(np.ascontiguousarray(source), size, interpolation=cv2.INTER_AREA))


def reduced_size(height: int, width: int, side: int) -> tuple[float, tuple[int, int]]:
    """By how much an image is reduced for its longer side to be `side` at most, and its width and height then."""
    scale = min(1, side / max(height, width))
    return scale, (max(1, round(width * scale)), max(1, round(height * scale)))


def check_mask(mask: NDArray[Any], image_shape: tuple[int, ...], name: object = "mask") -> Bytes:
    """Return a mask as bytes, H x W, if it can be one of an image of that shape; else raise InputError.

    Integers of 0 and 1 alone count as booleans.
    """
    check_size(mask, image_shape, name)
    if np.issubdtype(mask.dtype, np.floating):
        check_range(mask, name)
    elif mask.dtype not in (np.bool_, np.uint8, np.uint16):
        raise InputError(f"{name}: bool, uint8, uint16 or a floating type is expected; found {mask.dtype}")
    elif mask.max() <= 1:
        mask = mask.astype(bool)
    elif mask.dtype == np.uint16:
        mask = mask / np.float32(65535)
    values = to_bytes(mask)
    counts = count_greys(values)
    between, middle = between_and_middle(counts)
    if middle > TRIMAPS * between and between > LEAST_UNKNOWN * values.size:
        raise InputError(f"{name}: a trimap, no mask: its greys are near 128 (unknown); give it as the trimap")
    if not counts[128:].any():
        raise InputError(f"{name}: no pixel is above half, so it marks nothing; the thing is white, the rest black")
    if not counts[:128].any():
        raise InputError(f"{name}: every pixel is above half, so nothing is background; the rest is black")
    return values


def _core(mask: Array, thing: Region, parts: NDArray[np.int32], band: float | None) -> tuple[float, Region]:
    """The band's radius, pixels, and what lies beyond it and is not soft. Both sides keep a core."""
    inside, outside = (cv2.distanceTransform(region.astype(np.uint8), cv2.DIST_L2, 5) for region in (thing, ~thing))
    distance = np.maximum(inside, outside)  # to the nearest pixel of the other side, so 1 along the edge
    largest = min(np.where(parts == 0, side, 0).max() for side in (inside, outside)) - 1
    if band is None:
        band = _edge_width(mask, thing) + SHARE * float(np.sqrt(thing.sum()))
    beyond = distance > max(1.0, min(band, largest / 2))
    known = beyond & ((mask <= SOFT[0]) | (mask >= SOFT[1]))
    return band, known if _both_sides(known & (parts == 0), thing) else beyond


def _edge_width(mask: Array, thing: Region) -> float:
    """Over how many pixels the mask goes from 0 to 1: the median along its edge. A hard one's is two."""
    down, across = (cv2.Sobel(mask, cv2.CV_32F, *order, ksize=3, scale=1 / 8) for order in ((0, 1), (1, 0)))
    slope = np.median(np.hypot(down, across)[_edge(thing)])
    return 1 / max(float(slope), 1e-3)


def _edge(thing: Region) -> Region:
    bytes_ = thing.astype(np.uint8)
    return np.asarray(cv2.dilate(bytes_, CROSS) != cv2.erode(bytes_, CROSS))


def _small_parts(thing: Region) -> NDArray[np.int32]:
    """Labels, from 1 on, of the islands and holes below `PART` of the thing's area; 0 elsewhere."""
    most, result, last = PART * thing.sum(), np.zeros(thing.shape, np.int32), 0
    for region, connectivity in ((thing, 8), (~thing, 4)):
        count, labels, stats, _ = cv2.connectedComponentsWithStats(region.astype(np.uint8), connectivity=connectivity)
        areas = stats[:, cv2.CC_STAT_AREA]
        small = areas < most
        small[[0, 1 + int(areas[1:].argmax())]] = False
        result += np.where(small, np.arange(count) + last, 0).astype(np.int32)[labels]
        last += count
    return result


def _confirmed(parts: NDArray[np.int32], alpha: Array, thing: Region) -> Region:
    """The parts whose mean alpha lies on the side on which the mask has them."""
    count = np.maximum(np.bincount(parts.ravel()), 1)
    differs = np.bincount(parts.ravel(), np.abs(alpha - thing).ravel()) / count
    agrees = differs < 0.5
    agrees[0] = False
    return agrees[parts]


def _widened(trimap: Bytes, alpha: Array, radius: float) -> Bytes:
    """The trimap with discs of that radius unknown wherever alpha is not yet what is known beside it."""
    unknown = trimap == UNKNOWN
    seeds = np.zeros_like(unknown)
    for side, off in ((BACKGROUND, alpha > UNSETTLED), (FOREGROUND, alpha < 1 - UNSETTLED)):
        seeds |= cv2.dilate((unknown & off).astype(np.uint8), CROSS).astype(bool) & (trimap == side)
    if not seeds.any():
        return trimap
    distance = cv2.distanceTransform((~seeds).astype(np.uint8), cv2.DIST_L2, 5)
    result = np.where(distance <= radius, np.uint8(UNKNOWN), trimap)
    return result if _both_sides(result != UNKNOWN, trimap == FOREGROUND) else trimap


def _both_sides(known: Region, thing: Region) -> bool:
    return bool((known & thing).any() and (known & ~thing).any())
