"""Tiled inference: images of any size in bounded memory, with the result of the whole image.

Only the surroundings of what is unknown are looked at. Their prior is computed at once, at stride 4 or more. The
rest of the network has a bounded receptive field, so tiles that overlap by its radius are exact. Tiles without
unknown pixels are skipped.
"""

import contextlib
import ctypes
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from erkd.inference.engines import Engine
from erkd.io.images import Array, Bytes, trimap_unit, unit
from erkd.io.trimap_values import BACKGROUND, FOREGROUND, UNKNOWN
from erkd.students import EPSILON, MULTIPLE, PRIOR_GAMMA

KEPT = 416  # default side of a tile without its margins, pixels; with them it is about a megapixel
LARGE = 1 << 21  # pixels from which an image's freed memory is returned to the system
STRIP = 256  # rows that are pooled at a time
CELLS = 1 << 17  # most cells of a prior: two megapixels at stride 4
CONTEXT = 32  # pixels around everything unknown that are looked at, where the prior has the engine's stride


@dataclass(frozen=True)
class Box:
    """Rows [top, bottom) and columns [left, right) of an image."""

    top: int
    bottom: int
    left: int
    right: int

    def of(self, array: NDArray[Any], stride: int = 1) -> NDArray[Any]:
        """This part of `array`, H x W x ... at `stride`."""
        rows = slice(self.top // stride, self.bottom // stride)
        return array[rows, self.left // stride : self.right // stride]

    def grown(self, margin: int, height: int, width: int) -> "Box":
        """This box grown by `margin` pixels, clipped to `height` x `width`."""
        top, left = max(self.top - margin, 0), max(self.left - margin, 0)
        return Box(top, min(self.bottom + margin, height), left, min(self.right + margin, width))


def estimate(engine: Engine, image: NDArray[Any], trimap: Bytes, alpha: NDArray[Any], tile: int) -> None:
    """Estimate alpha tile by tile.

    Args:
        engine: Runs the student.
        image: H x W x 3, uint8 or floating in [0, 1].
        trimap: H x W of 0, 128 and 255.
        alpha: Result, H x W, uint8 (0..255) or floating (0..1).
        tile: A tile has at most `tile` x `tile` pixels (of any proportions), margins included.
    """
    scale = 255 if alpha.dtype == np.uint8 else 1
    np.multiply(trimap == FOREGROUND, scale, out=alpha, casting="unsafe")
    around = surroundings(engine, trimap)
    image, trimap, alpha = around.of(image), around.of(trimap), around.of(alpha)
    prior, stride = whole_prior(engine, image, trimap)
    if trimap.size > LARGE:
        trim_heap()
    for kept, seen in tiles(trimap, tile, engine.margin):
        found = engine.network(
            unit(channels_first(padded(image, seen))),
            trimap_unit(channels_first(padded(trimap, seen)[:, :, None])),
            channels_first(upsampled_prior(prior, stride, seen, engine.prior_stride)),
        )[0, 0]
        target = kept.of(alpha)
        inner = Box(kept.top - seen.top, kept.bottom - seen.top, kept.left - seen.left, kept.right - seen.left)
        found = inner.of(found)[: target.shape[0], : target.shape[1]]
        target[:] = np.rint(found * 255) if scale == 255 else found


def surroundings(engine: Engine, trimap: Bytes) -> Box:
    """All that is unknown (not nothing) and `CONTEXT` pixels around, more where the prior is coarse."""
    height, width = trimap.shape
    unknown = unknown_box(trimap, Box(0, height, 0, width))
    assert unknown is not None
    return unknown.grown(CONTEXT * prior_stride(engine, trimap) // engine.prior_stride, height, width)


def prior_stride(engine: Engine, trimap: Bytes) -> int:
    """The engine's stride of priors, doubled until there are at most `CELLS` cells."""
    stride = engine.prior_stride
    while trimap.size > CELLS * stride**2:
        stride *= 2
    return stride


def whole_prior(engine: Engine, image: NDArray[Any], trimap: Bytes) -> tuple[Array, int]:
    """Compute the prior of the whole image, h x w x 12, and its stride (`prior_stride`)."""
    stride = prior_stride(engine, trimap)
    pooled = pool_known(image, trimap, stride, MULTIPLE // engine.prior_stride)
    return engine.spread(pooled)[0].transpose(1, 2, 0), stride


def pool_known(image: NDArray[Any], trimap: Bytes, stride: int, multiple: int) -> Array:
    """`propagation.pool_known` in numpy, in strips: 1 x 11 x h x w, h and w padded to multiples of `multiple`."""
    height, width = (-(-size // (multiple * stride)) * stride * multiple for size in trimap.shape)
    result = np.empty((1, 11, height // stride, width // stride), np.float32)
    for top in range(0, height, max(STRIP, 8 * stride)):
        strip = Box(top, min(top + max(STRIP, 8 * stride), height), 0, width)
        colours, marks = unit(padded(image, strip)), padded(trimap, strip)
        colours = np.asarray(cv2.pow(colours, PRIOR_GAMMA), np.float32)  # as `propagation.apply_gamma`
        rows = slice(top // stride, strip.bottom // stride)
        size = width // stride, (strip.bottom - top) // stride
        result[0, :3, rows] = cv2.resize(colours, size, interpolation=cv2.INTER_AREA).transpose(2, 0, 1)
        for first, value in ((3, FOREGROUND), (7, BACKGROUND)):
            known = (marks == value).astype(np.uint8)
            share = cv2.resize(known.astype(np.float32), size, interpolation=cv2.INTER_AREA)
            sums = cv2.resize(cv2.copyTo(colours, known), size, interpolation=cv2.INTER_AREA)
            result[0, first : first + 3, rows] = sums.transpose(2, 0, 1) / (share + EPSILON)
            result[0, first + 3, rows] = share
    return result


def upsampled_prior(prior: Array, stride: int, box: Box, cell: int) -> Array:
    """Crop a prior h x w x 12 at `stride` to `box`, upsampled bilinearly to stride `cell`."""
    if stride == cell:
        return box.of(prior, cell)
    top, left = max(box.top // stride - 1, 0), max(box.left // stride - 1, 0)
    part = prior[top : -(-box.bottom // stride) + 1, left : -(-box.right // stride) + 1]
    size = part.shape[1] * stride // cell, part.shape[0] * stride // cell
    fine = cv2.resize(part, size, interpolation=cv2.INTER_LINEAR)
    top, left = box.top - top * stride, box.left - left * stride
    return Box(top, top + box.bottom - box.top, left, left + box.right - box.left).of(fine, cell)


def tiles(trimap: Bytes, tile: int, margin: int) -> Iterator[tuple[Box, Box]]:
    """Iterate over tiles (kept part, part with margins) of the image padded to multiples of 32."""
    height, width = (-(-size // MULTIPLE) * MULTIPLE for size in trimap.shape)
    whole = unknown_box(trimap, Box(0, height, 0, width))
    if whole is None:
        return
    seen = whole.grown(margin, height, width)
    if (seen.bottom - seen.top) * (seen.right - seen.left) <= tile * tile:
        yield whole, seen
        return
    for top, bottom in spans(whole.top, whole.bottom, height, tile, margin):
        for left, right in spans(whole.left, whole.right, width, tile, margin):
            kept = unknown_box(trimap, Box(top, bottom, left, right))
            if kept is not None:
                yield kept, kept.grown(margin, height, width)


def spans(start: int, end: int, size: int, tile: int, margin: int) -> list[tuple[int, int]]:
    """Cut [start, end) of an axis of `size` pixels into pieces that fit into `tile` with a `margin` on both sides.

    All are multiples of 32 pixels.
    """
    if min(end + margin, size) - max(start - margin, 0) <= tile:
        return [(start, end)]
    step = (tile - 2 * margin) // MULTIPLE * MULTIPLE
    return [(at, min(at + step, end)) for at in range(start, end, step)]


def unknown_box(trimap: Bytes, box: Box) -> Box | None:
    """The smallest part of `box` with all its unknown pixels, in multiples of 32; None if there are none."""
    unknown = box.of(trimap) == UNKNOWN
    rows, columns = np.flatnonzero(unknown.any(axis=1)), np.flatnonzero(unknown.any(axis=0))
    if not len(rows):
        return None
    (top, bottom), (left, right) = (
        (ends[0] // MULTIPLE * MULTIPLE, (ends[-1] // MULTIPLE + 1) * MULTIPLE) for ends in (rows, columns)
    )
    return Box(box.top + int(top), box.top + int(bottom), box.left + int(left), box.left + int(right))


def padded(array: NDArray[Any], box: Box) -> NDArray[Any]:
    """Crop `array` to `box`, padded by reflection beyond its bottom and right border."""
    bottom, right = (max(end - size, 0) for end, size in zip((box.bottom, box.right), array.shape, strict=False))
    if not (bottom or right):
        return box.of(array)
    # enough rows and columns before the border to be reflected
    top, left = (
        min(start, max(size - extra, 0))
        for start, size, extra in zip((box.top, box.left), array.shape, (bottom, right), strict=False)
    )
    part = array[top : box.bottom, left : box.right]
    part = np.pad(part, ((0, bottom), (0, right), (0, 0))[: part.ndim], "symmetric")
    return part[box.top - top :, box.left - left :]


def channels_first(array: NDArray[Any]) -> NDArray[Any]:
    """H x W x C -> contiguous 1 x C x H x W."""
    return np.ascontiguousarray(array.transpose(2, 0, 1)[None])


def trim_heap() -> None:
    """Return freed memory to the system (glibc's `malloc_trim`, where available)."""
    with contextlib.suppress(AttributeError, OSError, TypeError):
        ctypes.CDLL(None).malloc_trim(0)
