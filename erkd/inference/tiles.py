"""A matte of any size in bounded memory: the image stays as it is, and tiles of it become float.

What sees the whole image is propagation, once, at a quarter of the size or less. Everything else in the
network is local, so that tiles which overlap by its reach give what the whole would give. Only what the trimap
leaves unknown is run.
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
from erkd.io.images import BACKGROUND, FOREGROUND, UNKNOWN, Array, Bytes, trimap_unit, unit
from erkd.students import EPSILON, LIGHT, MULTIPLE

KEPT = 416  # pixels along a tile, its margins apart: one tile sees a megapixel
LARGE = 1 << 21  # pixels: below it, what is freed is less than the time it would cost to have it back
STRIP = 256  # rows that are reduced at a time
CELLS = 1 << 17  # of an image's prior at most: two megapixels at stride 4


@dataclass(frozen=True)
class Box:
    """Rows top..bottom and columns left..right of an image; the ends are excluded."""

    top: int
    bottom: int
    left: int
    right: int

    def of(self, array: NDArray[Any], stride: int = 1) -> NDArray[Any]:
        """This part of `array` (H x W x ...), or of its reduction by `stride`."""
        rows = slice(self.top // stride, self.bottom // stride)
        return array[rows, self.left // stride : self.right // stride]

    def grown(self, margin: int, height: int, width: int) -> "Box":
        """This box and `margin` pixels around it, as far as the image goes."""
        top, left = max(self.top - margin, 0), max(self.left - margin, 0)
        return Box(top, min(self.bottom + margin, height), left, min(self.right + margin, width))


def estimate(engine: Engine, image: NDArray[Any], trimap: Bytes, alpha: NDArray[Any], tile: int) -> None:
    """Write the alpha of `image` H x W x 3 (uint8, or floats in [0, 1]) into `alpha` H x W.

    `trimap` H x W holds 0, 128 and 255; `alpha` is uint8 (0..255) or floating (0..1). The network is given at
    most `tile` x `tile` pixels (of any proportions) at once, margins included.
    """
    scale = 255 if alpha.dtype == np.uint8 else 1
    prior, stride = whole_prior(engine, image, trimap)
    if trimap.size > LARGE:
        release()
    np.multiply(trimap == FOREGROUND, scale, out=alpha, casting="unsafe")
    for kept, seen in tiles(trimap, tile, engine.margin):
        found = engine.network(
            unit(channels_first(padded(image, seen))),
            trimap_unit(channels_first(padded(trimap, seen)[:, :, None])),
            channels_first(enlarged(prior, stride, seen, engine.prior_stride)),
        )[0, 0]
        target = kept.of(alpha)
        inner = Box(
            kept.top - seen.top, kept.bottom - seen.top, kept.left - seen.left, kept.right - seen.left
        )
        found = inner.of(found)[: target.shape[0], : target.shape[1]]
        target[:] = np.rint(found * 255) if scale == 255 else found


def whole_prior(engine: Engine, image: NDArray[Any], trimap: Bytes) -> tuple[Array, int]:
    """`spread`'s prior of the whole image, h x w x 12, and the pixels along a cell.

    A cell has `prior_stride` pixels, as `propagate`'s, and more where there would be more than `CELLS` cells: memory
    stays bounded, and what comes from far away needs no detail.
    """
    stride = engine.prior_stride
    while trimap.size > CELLS * stride**2:
        stride *= 2
    pooled = pool_known(image, trimap, stride, MULTIPLE // engine.prior_stride)
    return engine.spread(pooled)[0].transpose(1, 2, 0), stride


def pool_known(image: NDArray[Any], trimap: Bytes, stride: int, multiple: int) -> Array:
    """`propagation.pool_known` in numpy, 1 x 11 x h x w for cells of `stride` x `stride` pixels, strip by strip.

    h and w are multiples of `multiple`.
    """
    height, width = (-(-size // (multiple * stride)) * stride * multiple for size in trimap.shape)
    result = np.empty((1, 11, height // stride, width // stride), np.float32)
    for top in range(0, height, max(STRIP, 8 * stride)):
        strip = Box(top, min(top + max(STRIP, 8 * stride), height), 0, width)
        colours, marks = unit(padded(image, strip)), padded(trimap, strip)
        colours = np.asarray(cv2.pow(colours, LIGHT), np.float32)  # as `propagation.to_light`
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


def enlarged(prior: Array, stride: int, box: Box, cell: int) -> Array:
    """The part of the prior, h x w x 12, that lies at `box`, with cells of `cell` pixels instead of `stride`."""
    if stride == cell:
        return box.of(prior, cell)
    top, left = max(box.top // stride - 1, 0), max(box.left // stride - 1, 0)
    part = prior[top : -(-box.bottom // stride) + 1, left : -(-box.right // stride) + 1]
    size = part.shape[1] * stride // cell, part.shape[0] * stride // cell
    fine = cv2.resize(part, size, interpolation=cv2.INTER_LINEAR)
    top, left = box.top - top * stride, box.left - left * stride
    return Box(top, top + box.bottom - box.top, left, left + box.right - box.left).of(fine, cell)


def tiles(trimap: Bytes, tile: int, margin: int) -> Iterator[tuple[Box, Box]]:
    """What is kept of each tile and what it sees, in pixels of the image rounded up to multiples of 32."""
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
    """start..end cut into pieces that with their margins fit into `tile`; all are multiples of 32."""
    if min(end + margin, size) - max(start - margin, 0) <= tile:
        return [(start, end)]
    step = (tile - 2 * margin) // MULTIPLE * MULTIPLE
    return [(at, min(at + step, end)) for at in range(start, end, step)]


def unknown_box(trimap: Bytes, box: Box) -> Box | None:
    """The smallest part of `box` that holds all its unknown pixels, in multiples of 32; None without any."""
    unknown = box.of(trimap) == UNKNOWN
    rows, columns = np.flatnonzero(unknown.any(axis=1)), np.flatnonzero(unknown.any(axis=0))
    if not len(rows):
        return None
    (top, bottom), (left, right) = (
        (ends[0] // MULTIPLE * MULTIPLE, (ends[-1] // MULTIPLE + 1) * MULTIPLE) for ends in (rows, columns)
    )
    return Box(box.top + int(top), box.top + int(bottom), box.left + int(left), box.left + int(right))


def padded(array: NDArray[Any], box: Box) -> NDArray[Any]:
    """A part of an image, which is mirrored where `box` goes beyond it."""
    bottom, right = (
        max(end - size, 0) for end, size in zip((box.bottom, box.right), array.shape, strict=False)
    )
    if not (bottom or right):
        return box.of(array)
    # with enough before the border to be mirrored
    top, left = (
        min(start, max(size - extra, 0))
        for start, size, extra in zip((box.top, box.left), array.shape, (bottom, right), strict=False)
    )
    part = array[top : box.bottom, left : box.right]
    part = np.pad(part, ((0, bottom), (0, right), (0, 0))[: part.ndim], "symmetric")
    return part[box.top - top :, box.left - left :]


def channels_first(array: NDArray[Any]) -> NDArray[Any]:
    """H x W x C as 1 x C x H x W, contiguous."""
    return np.ascontiguousarray(array.transpose(2, 0, 1)[None])


def release() -> None:
    """Give freed memory back to the system, where the C library can (glibc): decoding and reducing leave much."""
    with contextlib.suppress(AttributeError, OSError, TypeError):
        ctypes.CDLL(None).malloc_trim(0)
