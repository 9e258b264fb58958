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
from erkd.io.images import TRIMAP_FILE_VALUES, UNKNOWN, Array, Bytes, levels
from erkd.students import MULTIPLE


@dataclass(frozen=True)
class Matter:
    """A loaded student, thread-safe. Made by `Matter.load`."""

    engine: Engine
    tile: int

    @classmethod
    def load(cls, spec: str | Path | None = None, device: str = "auto", tile: int | None = None) -> "Matter":
        """Load the student that `spec` names (see `find_student.open_engine`) on `device` auto, cpu or cuda.

        Images are run in tiles of at most `tile` x `tile` pixels, margins included, which bounds memory. Raises
        InputError when there is no such student or the tile is too small.
        """
        engine = open_engine(spec, device)
        smallest = 2 * engine.margin + MULTIPLE
        if tile is not None and tile < smallest:
            raise InputError(f"tile: {tile} pixels; {smallest} at least, since a tile sees {engine.margin} around it")
        return cls(engine, tile or 2 * engine.margin + KEPT)

    def __call__(self, image: NDArray[Any], trimap: NDArray[Any]) -> Array:
        """Estimate alpha, H x W float32 in [0, 1]; known regions are copied from the trimap.

        `image` is H x W x 3, RGB, uint8 or floating in [0, 1]; `trimap` is H x W, uint8 of 0 (background), 128
        (unknown) and 255 (foreground), or floating of 0, 0.5 and 1. Raises InputError for anything else.
        """
        alpha = np.empty(np.shape(trimap)[:2], np.float32)
        self.write(image, trimap, alpha)
        return alpha

    def write(self, image: NDArray[Any], trimap: NDArray[Any], alpha: NDArray[Any]) -> None:
        """Estimate alpha into a given array `alpha` H x W, uint8 (0..255) or floating (0..1)."""
        estimate(self.engine, check_image(image), check_trimap(trimap, image.shape), alpha, self.tile)

    def batch(self, pairs: Iterable[tuple[NDArray[Any], NDArray[Any]]]) -> list[Array]:
        """Estimate alpha for several pairs (image, trimap) of any sizes."""
        return [self(image, trimap) for image, trimap in pairs]


def check_image(image: NDArray[Any]) -> NDArray[Any]:
    """Return `image` if it is H x W x 3, uint8 or floating in [0, 1]; else raise InputError."""
    if not isinstance(image, np.ndarray) or image.ndim != 3 or image.shape[2] != 3 or not image.size:
        raise InputError(f"image: H x W x 3 is expected; found {_shape(image)}")
    if image.dtype == np.uint8:
        return image
    _check_floating(image, "image")
    low, high = image.min(), image.max()  # NaN if any is
    if not (low >= 0 and high <= 1):
        raise InputError(f"image: values in [0, 1] are expected; found {low:.4g} to {high:.4g}")
    return image


def check_trimap(trimap: NDArray[Any], image_shape: tuple[int, ...]) -> Bytes:
    """Return `trimap` as uint8 of 0, 128 and 255 if its values and size are right; else raise InputError."""
    if not isinstance(trimap, np.ndarray) or trimap.shape != image_shape[:2]:
        size = " x ".join(map(str, image_shape[:2]))
        raise InputError(f"trimap: the image's {size} (height x width) is expected; found {_shape(trimap)}")
    if trimap.dtype == np.uint8:
        _check_values(levels(trimap), TRIMAP_FILE_VALUES)
    else:
        _check_floating(trimap, "trimap")
        _check_values(np.unique(trimap), (0, 0.5, 1))
        trimap = np.clip(trimap * 256, 0, 255).astype(np.uint8)
    if not (trimap == UNKNOWN).any():
        raise InputError("trimap: no pixel is unknown (128), so there is nothing to estimate")
    return trimap


def _check_floating(array: NDArray[Any], name: str) -> None:
    if not np.issubdtype(array.dtype, np.floating):
        raise InputError(f"{name}: uint8 or a floating type is expected; found {array.dtype}")


def _check_values(found: NDArray[Any], expected: tuple[float, ...]) -> None:
    odd = np.setdiff1d(found, expected)
    if odd.size:
        raise InputError(
            f"trimap: {_listed(expected)} (background, unknown, foreground) are expected; "
            f"found {_listed(odd[:8])} too"
        )


def _listed(values: Iterable[float]) -> str:
    return ", ".join(f"{value:g}" for value in values)


def _shape(array: Any) -> str:
    if not isinstance(array, np.ndarray):
        return type(array).__name__
    return " x ".join(map(str, array.shape)) or "a single number"
