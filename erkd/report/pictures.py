"""Pictures that show a matte: error maps, magnified parts, cut-outs on a new background; as data URIs."""

import base64
import io
from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from erkd.io.images import Array, resize_area, to_bytes

TOO_OPAQUE = np.array([0.98, 0.55, 0.12], np.float32)
TOO_CLEAR = np.array([0.20, 0.58, 1.0], np.float32)
DARK = np.array([0.10, 0.11, 0.13], np.float32)
ERROR_AT_FULL_COLOUR = 0.5
NEW_GROUNDS = np.array(
    [[0.07, 0.55, 0.38], [0.80, 0.16, 0.42], [0.15, 0.33, 0.80], [0.95, 0.77, 0.25]], np.float32
)
SCALE_LENGTH = 5  # a window's side is this part of the image's
PAPER = 1.0


@dataclass(frozen=True)
class Picture:
    """An inlined picture: `uri` holds its bytes, `alt` says what it shows; `magnified` shows pixels."""

    uri: str
    alt: str
    caption: str
    width: int
    height: int
    magnified: bool = False


@dataclass(frozen=True)
class Window:
    """A part of an image, in pixels."""

    top: int
    left: int
    height: int
    width: int

    def cut(self, array: Array) -> Array:
        """The window's part of `array`, H x W or H x W x C."""
        return array[self.top : self.top + self.height, self.left : self.left + self.width]


def error_map(alpha_pred: Array, alpha_true: Array) -> Array:
    """Signed error of H x W alphas as H x W x 3: orange where too opaque, blue where too transparent.

    Full colour stands for an error of 0.5 or more; without error the true alpha shines through faintly.
    """
    error = alpha_pred - alpha_true
    strength = np.clip(np.abs(error) / ERROR_AT_FULL_COLOUR, 0, 1)[:, :, None]
    colour = np.where(error[:, :, None] > 0, TOO_OPAQUE, TOO_CLEAR)
    ground = DARK + 0.12 * alpha_true[:, :, None]
    return np.asarray(ground * (1 - strength) + colour * strength, np.float32)


def tint_trimap(image: Array, trimap: Array) -> Array:
    """The image H x W x 3 under its trimap: known background dimmed, unknown region tinted."""
    dimmed = 0.3 * image
    tinted = 0.55 * image + 0.45 * TOO_CLEAR
    known = np.where((trimap == 1)[:, :, None], image, dimmed)
    return np.asarray(np.where((trimap == 0.5)[:, :, None], tinted, known), np.float32)


def checkerboard(height: int, width: int, cell: int = 12) -> Array:
    """Grey squares, H x W x 3, that stand for transparency."""
    rows, columns = np.indices((height, width)) // cell
    grey = np.where((rows + columns) % 2 == 0, np.float32(0.86), np.float32(0.70))
    return np.asarray(np.repeat(grey[:, :, None], 3, axis=2), np.float32)


def estimate_foreground(image: Array, alpha: Array) -> Array:
    """Foreground colours, H x W x 3 in [0, 1], of an image H x W x 3 and its alpha H x W.

    Blur fusion (Forte 2021, "Approximate Fast Foreground Colour Estimation") in windows from half the image
    down to its 64th: means of both layers, weighted by the cube of each layer's share in a pixel, then the
    least change of both that brings I = alpha F + (1 - alpha) B about.
    """
    opacity, clearness = alpha[:, :, None], 1 - alpha[:, :, None]
    both = opacity**2 + clearness**2
    toward_foreground, toward_background = opacity / both, clearness / both
    foreground, background = image, image
    for parts in (2, 4, 8, 16, 32, 64):
        size = max(3, round(max(alpha.shape) / parts))
        foreground = _weighted_blur(foreground, opacity * opacity * opacity, size)
        background = _weighted_blur(background, clearness * clearness * clearness, size)
        residual = image - opacity * foreground - clearness * background
        foreground = np.clip(foreground + toward_foreground * residual, 0, 1)
        background = np.clip(background + toward_background * residual, 0, 1)
    return foreground


def _weighted_blur(colours: Array, weight: Array, size: int) -> Array:
    """The weighted mean of colours in a square window around every pixel; `weight` is H x W x 1."""
    total = cv2.blur(weight, (size, size))[:, :, None]
    return np.asarray(cv2.blur(colours * weight, (size, size)) / (total + 1e-8), np.float32)


def replace_background(image: Array, alpha: Array, background: Array) -> Array:
    """What `image` cuts out by `alpha` (H x W), before `background` (H x W x 3, or one colour of 3)."""
    opacity = alpha[:, :, None]
    return np.asarray(opacity * estimate_foreground(image, alpha) + (1 - opacity) * background, np.float32)


def contrasting_colour(image: Array, trimap: Array) -> Array:
    """The plain colour, of a few, that is unlike both known layers of the image: there halos show."""
    means = [image[known].mean(axis=0) for known in (trimap == 0, trimap == 1) if known.any()]
    if not means:
        means = [image.mean(axis=(0, 1))]
    nearest = np.min([np.square(NEW_GROUNDS - mean).sum(axis=1) for mean in means], axis=0)
    return np.asarray(NEW_GROUNDS[nearest.argmax()], np.float32)


def busiest_window(error: Array) -> Window:
    """The window, a fifth of the image high and wide, that holds most of a non-negative `error` H x W.

    Of equal ones the first in reading order; a shift below a millionth of the total does not count.
    """
    rows, columns = error.shape
    height, width = max(1, rows // SCALE_LENGTH), max(1, columns // SCALE_LENGTH)
    sums = np.zeros((rows + 1, columns + 1))
    sums[1:, 1:] = error.astype(np.float64).cumsum(0).cumsum(1)
    inside = sums[height:, width:] - sums[:-height, width:] - sums[height:, :-width] + sums[:-height, :-width]
    inside = np.round(inside / max(sums[-1, -1], 1e-12), 6)
    top, left = np.unravel_index(int(inside.argmax()), inside.shape)
    return Window(int(top), int(left), height, width)


def outline_window(image: Array, window: Window) -> Array:
    """A copy of `image` H x W x 3 with the window's border drawn."""
    outlined = image.copy()
    corners = (window.left, window.top), (window.left + window.width - 1, window.top + window.height - 1)
    thickness = max(2, max(image.shape) // 200)
    cv2.rectangle(outlined, *corners, color=(0, 0, 0), thickness=thickness + 2)
    cv2.rectangle(outlined, *corners, color=(1, 1, 1), thickness=thickness)
    return outlined


def picture(
    array: Array, alt: str, caption: str = "", longest: int = 400, magnified: bool = False
) -> Picture:
    """Inline an array H x W or H x W x 3 in [0, 1] as WebP, no side longer than `longest` pixels."""
    height, width = array.shape[:2]
    scale = longest / max(height, width)
    if scale < 1:
        height, width = max(1, round(height * scale)), max(1, round(width * scale))
        array = resize_area(array, height, width)
    pixels = to_bytes(array)
    few_values = len(np.unique(pixels[::3, ::3])) <= 4
    stream = io.BytesIO()
    Image.fromarray(pixels).save(
        stream, "WEBP", quality=92 if magnified else 78, lossless=few_values, method=4
    )
    uri = "data:image/webp;base64," + base64.b64encode(stream.getvalue()).decode()
    return Picture(uri, alt, caption, width, height, magnified)


def result_strip(
    cases: Sequence[tuple[Array, Array, Array, Array]], height: int = 240, gap: int = 8
) -> Array:
    """One picture of several results, R x W x 3: a row each of image, trimap, alpha and cut-out.

    A case is (image H x W x 3, trimap H x W, alpha H x W, new background h x w x 3). Every panel is `height`
    high and half as wide again: what overlaps is cut off, around the middle of what is not background.
    """
    if not cases:
        raise ValueError("result_strip needs at least one case")
    rows = []
    for image, trimap, alpha, background in cases:
        cut_out = replace_background(image, alpha, _cover(background, *alpha.shape))
        window = _panel_window(trimap)
        panels = [
            resize_area(window.cut(_rgb(panel)), height, height * 3 // 2)
            for panel in (image, trimap, alpha, cut_out)
        ]
        rows.append(_join(panels, gap, axis=1))
    return _join(rows, gap, axis=0)


def _panel_window(trimap: Array) -> Window:
    """The largest part of 3 : 2 inside, around the middle of what the trimap does not call background."""
    rows, columns = trimap.shape
    height, width = min(rows, columns * 2 // 3), min(columns, rows * 3 // 2)
    inside = np.argwhere(trimap > 0)
    middle = inside.mean(axis=0) if len(inside) else np.array([rows / 2, columns / 2])
    top = int(np.clip(round(float(middle[0]) - height / 2), 0, rows - height))
    left = int(np.clip(round(float(middle[1]) - width / 2), 0, columns - width))
    return Window(top, left, height, width)


def _cover(background: Array, height: int, width: int) -> Array:
    """The background scaled to cover height x width, its middle kept."""
    scale = max(height / background.shape[0], width / background.shape[1])
    rows, columns = (
        max(side, round(old * scale)) for side, old in zip((height, width), background.shape, strict=False)
    )
    grown = resize_area(background, rows, columns)
    top, left = (rows - height) // 2, (columns - width) // 2
    return grown[top : top + height, left : left + width]


def _rgb(array: Array) -> Array:
    return np.repeat(array[:, :, None], 3, axis=2) if array.ndim == 2 else array


def _join(panels: Sequence[Array], gap: int, axis: int) -> Array:
    shape = list(panels[0].shape)
    shape[axis] = gap
    space = np.full(shape, PAPER, np.float32)
    parts: list[NDArray[np.float32]] = [part for panel in panels for part in (space, panel)][1:]
    return np.concatenate(parts, axis=axis)
