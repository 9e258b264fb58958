"""The result of drawing a foreground, and the supersampled canvases that it is drawn on.

Coverage is drawn at `SCALE` times the resolution and area-averaged, so that structures thinner than a pixel get the
right fractional alpha.
"""

import math
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from erkd.io.images import Array

SCALE = 4  # supersampling of coverage canvases
COLOUR_SCALE = 2  # supersampling of colour canvases, which need less
SHOULDER = 0.6  # linear light above which highlights are rolled off
SUBPIXEL_BITS = 3  # OpenCV's fixed-point fraction of a coordinate
ASPECTS = ((1, 1), (3, 4), (4, 3), (2, 3), (3, 2), (9, 16), (16, 9))


@dataclass(frozen=True)
class Drawing:
    """A foreground: colours H x W x 3 (also where alpha is 0) and alpha H x W, in [0, 1], and a caption."""

    foreground: Array
    alpha: Array
    phrase: str


def random_shape(rng: np.random.Generator, size: int) -> tuple[int, int]:
    """Height and width of an image of a random common aspect ratio, longer side `size`."""
    across, down = ASPECTS[rng.integers(len(ASPECTS))]
    scale = size / max(across, down)
    return round(down * scale), round(across * scale)


def unit_of(height: int, width: int) -> float:
    """The unit of length of drawings in pixels: the square root of the image's area."""
    return math.sqrt(height * width)


def over(top: tuple[Array, Array], bottom: tuple[Array, Array], height: float = 1.0) -> tuple[Array, Array]:
    """Composite one (colour, alpha) pair over another (Porter and Duff, 1984); `height` scales the upper alpha.

    Where both alphas are 0 the lower colour is kept.
    """
    top_alpha = top[1] * height
    alpha = top_alpha + bottom[1] * (1 - top_alpha)
    share = np.where(alpha > 1e-6, top_alpha / np.maximum(alpha, 1e-6), 0)[:, :, None]
    return (top[0] * share + bottom[0] * (1 - share)).astype(np.float32), alpha.astype(np.float32)


def coverage_canvas(height: int, width: int) -> NDArray[np.uint8]:
    """An empty coverage canvas, `SCALE` times finer."""
    return np.zeros((height * SCALE, width * SCALE), np.uint8)


def fine_colours(colour: Array) -> NDArray[np.uint8]:
    """A colour canvas, `COLOUR_SCALE` times finer, initialised with `colour` H x W x 3."""
    size = (colour.shape[1] * COLOUR_SCALE, colour.shape[0] * COLOUR_SCALE)
    return np.rint(cv2.resize(colour, size, interpolation=cv2.INTER_LINEAR) * 255).astype(np.uint8)


def average(canvas: NDArray[np.integer], height: int, width: int) -> Array:
    """Area-average a canvas of 0..255 to `height` x `width` in [0, 1]."""
    mean = cv2.resize(canvas.astype(np.float32), (width, height), interpolation=cv2.INTER_AREA)
    return mean / np.float32(255)


def developed(canvas: Array, drawn: NDArray[np.bool_] | Array, base: Array) -> Array:
    """The stored colours of a canvas of linear light, averaged over what is drawn; highlights are rolled off.

    Args:
        canvas: Linear light, some times finer than the result, x 3.
        drawn: Whether, or how much of, a canvas pixel is drawn.
        base: Stored colours H x W x 3 where nothing is near.
    """
    height, width = base.shape[:2]
    shown = np.dstack([canvas, np.ones(canvas.shape[:2], np.float32)]) * drawn[:, :, None]
    small = cv2.resize(shown.astype(np.float32), (width, height), interpolation=cv2.INTER_AREA)
    filled = small
    for sigma in (1.0, 4.0):
        wide = cv2.GaussianBlur(small, (0, 0), sigma)
        filled = np.where(filled[:, :, 3:] > 0.02, filled, wide)
    light = filled[:, :, :3] / np.maximum(filled[:, :, 3:], 1e-6)
    light = np.where(filled[:, :, 3:] > 1e-4, light, base**2)
    light = np.where(light < SHOULDER, light, 1 - (1 - SHOULDER) * np.exp((SHOULDER - light) / (1 - SHOULDER)))
    return np.sqrt(np.maximum(light, 0)).astype(np.float32)


def enlarge(field: Array, height: int, width: int) -> Array:
    """Resize a smooth field bicubically."""
    return np.asarray(cv2.resize(field, (width, height), interpolation=cv2.INTER_CUBIC), np.float32)


def fixed_point(points: NDArray[np.floating], scale: int) -> NDArray[np.int32]:
    """Convert positions (x, y; pixel centres at .5) to OpenCV's fixed point on a canvas `scale` times finer."""
    return np.rint((points * scale - 0.5) * (1 << SUBPIXEL_BITS)).astype(np.int32)


class Sketch:
    """A drawing in the making: its colours, and its coverage on a canvas of its own."""

    def __init__(self, colours: Array, coverage: NDArray[np.uint8] | None = None) -> None:
        self.shape = colours.shape[:2]
        self.colours = fine_colours(colours)
        self.coverage = coverage_canvas(*self.shape) if coverage is None else coverage

    def fill(self, polygon: NDArray[np.floating], colour: Array) -> None:
        """Cover and colour one polygon (N x 2, x and y in pixels of the image); `colour` is of 0 to 255."""
        cv2.fillPoly(self.coverage, [fixed_point(polygon, SCALE)], 255, cv2.LINE_8, SUBPIXEL_BITS)
        self.tint(polygon, colour)

    def tint(self, polygon: NDArray[np.floating], colour: Array) -> None:
        """Colour one polygon without covering it."""
        points = [fixed_point(polygon, COLOUR_SCALE)]
        cv2.fillPoly(self.colours, points, colour.tolist(), cv2.LINE_8, SUBPIXEL_BITS)

    def averaged(self) -> tuple[Array, Array]:
        """Colours (H x W x 3) and alpha (H x W) in [0, 1]."""
        return average(self.colours, *self.shape), average(self.coverage, *self.shape)
