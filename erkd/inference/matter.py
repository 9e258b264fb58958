"""The public interface of inference: an image and a trimap in, alpha out.

matter = Matter.load()
alpha = matter(image, trimap)
"""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from erkd.inference.engines import Engine
from erkd.inference.find_student import open_engine
from erkd.inference.tiles import KEPT, estimate
from erkd.io.files import InputError
from erkd.io.images import Array, Bytes, to_bytes
from erkd.io.trimap_values import UNKNOWN, snap_trimap, warn_of_missing
from erkd.students import MULTIPLE


@dataclass(frozen=True)
class Matter:
    """A loaded student, thread-safe. Made by `Matter.load`."""

    engine: Engine
    tile: int

    @classmethod
    def load(
        cls,
        spec: str | Path | None = None,
        device: str = "auto",
        tile: int | None = None,
        threads: int = 0,
        quality: str | None = None,
    ) -> "Matter":
        """Load the student that `spec` names (see `find_student.open_engine`) on `device` auto, cpu or cuda.

        Or, without `spec`, the package's student for `quality`: fast, balanced (the default) or best.

        Images are run in tiles of at most `tile` x `tile` pixels, margins included, which bounds memory; on the CPU
        each on `threads` threads, 0: one on each core. Raises InputError when there is no such student or the tile
        is too small.
        """
        engine = open_engine(spec, device, threads, quality)
        smallest = 2 * engine.margin + MULTIPLE
        if tile is not None and tile < smallest:
            raise InputError(f"tile: {tile} pixels; {smallest} at least, since a tile sees {engine.margin} around it")
        return cls(engine, tile or 2 * engine.margin + KEPT)

    def __call__(self, image: NDArray[Any], trimap: NDArray[Any]) -> Array:
        """Estimate alpha, H x W float32 in [0, 1]; known regions are copied from the trimap.

        `image` is H x W x 3, RGB, uint8 or floating in [0, 1]; `trimap` is H x W, uint8 of 0 (background), 128
        (unknown) and 255 (foreground), or floating of 0, 0.5 and 1; what else is taken for these says
        `io.trimap_values`. Raises InputError for anything else. Warns, as TrimapWarning, of a trimap without
        foreground or without background.
        """
        alpha = np.empty(np.shape(trimap)[:2], np.float32)
        self.write(image, trimap, alpha)
        return alpha

    def write(self, image: NDArray[Any], trimap: NDArray[Any], alpha: NDArray[Any], name: object = "trimap") -> None:
        """Estimate alpha into a given array `alpha` H x W, uint8 (0..255) or floating (0..1).

        Errors and warnings call the trimap `name`.
        """
        estimate(self.engine, check_image(image), check_trimap(trimap, image.shape, name), alpha, self.tile)

    def batch(self, pairs: Iterable[tuple[NDArray[Any], NDArray[Any]]]) -> list[Array]:
        """Estimate alpha for several pairs (image, trimap) of any sizes."""
        return [self(image, trimap) for image, trimap in pairs]


def check_image(image: NDArray[Any]) -> NDArray[Any]:
    """Return `image` if it is H x W x 3, uint8 or floating in [0, 1]; else raise InputError."""
    if not isinstance(image, np.ndarray) or image.ndim != 3 or image.shape[2] != 3 or not image.size:
        raise InputError(f"image: H x W x 3 is expected; found {_shape(image)}")
    return check_range(image, "image")


def check_trimap(trimap: NDArray[Any], image_shape: tuple[int, ...], name: object = "trimap") -> Bytes:
    """Return `trimap_kinds` if some are unknown; else raise InputError. Warns of missing kinds."""
    kinds = trimap_kinds(trimap, image_shape, name)
    if not (kinds == UNKNOWN).any():
        raise InputError(
            f"{name}: no pixel is unknown (128), so there is nothing to estimate; a mask is given as the mask"
        )
    warn_of_missing(kinds, name)
    return kinds


def trimap_kinds(trimap: NDArray[Any], image_shape: tuple[int, ...], name: object = "trimap") -> Bytes:
    """Return `trimap` as uint8 of 0, 128 and 255 if its values and size are right; else raise InputError."""
    check_size(trimap, image_shape, name)
    return snap_trimap(to_bytes(check_range(trimap, name)), name)


def check_size(array: NDArray[Any], image_shape: tuple[int, ...], name: object) -> None:
    """Raise InputError unless `array` is one of an image's height and width, without channels."""
    if not isinstance(array, np.ndarray) or array.shape != image_shape[:2]:
        size = " x ".join(map(str, image_shape[:2]))
        raise InputError(f"{name}: the image's {size} (height x width) is expected; found {_shape(array)}")


def check_range(array: NDArray[Any], name: object) -> NDArray[Any]:
    """Return `array` if it is uint8 or floating in [0, 1]; else raise InputError."""
    if array.dtype == np.uint8:
        return array
    if not np.issubdtype(array.dtype, np.floating):
        raise InputError(f"{name}: uint8 or a floating type is expected; found {array.dtype}")
    low, high = array.min(), array.max()  # NaN if any is
    if not (low >= 0 and high <= 1):
        raise InputError(f"{name}: values in [0, 1] are expected; found {low:.4g} to {high:.4g}")
    return array


def _shape(array: Any) -> str:
    if not isinstance(array, np.ndarray):
        return type(array).__name__
    return " x ".join(map(str, array.shape)) or "a single number"
