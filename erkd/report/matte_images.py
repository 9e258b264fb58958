"""Images that show a matte: error maps, trimaps, magnified parts; inlined as data URIs."""

import base64
import io
from dataclasses import dataclass

import cv2
import numpy as np
from PIL import Image

from erkd.io.images import Array, resize_area, to_bytes

Window = tuple[slice, slice]  # rows and columns of a part of an image
TOO_OPAQUE = np.array([0.98, 0.55, 0.12], np.float32)
TOO_CLEAR = np.array([0.20, 0.58, 1.0], np.float32)
DARK = np.array([0.10, 0.11, 0.13], np.float32)
ERROR_AT_FULL_COLOUR = 0.5
NEW_GROUNDS = np.array([[0.07, 0.55, 0.38], [0.80, 0.16, 0.42], [0.15, 0.33, 0.80], [0.95, 0.77, 0.25]], np.float32)
SCALE_LENGTH = 5  # a window's side is this part of the image's


@dataclass(frozen=True)
class InlineImage:
    """An image inside the page: `uri` holds its bytes, `alt` says what it shows; `magnified` shows pixels."""

    uri: str
    alt: str
    caption: str
    width: int
    height: int
    magnified: bool = False


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
    height, width = (max(1, side // SCALE_LENGTH) for side in error.shape)
    sums = cv2.integral(error)
    inside = sums[height:, width:] - sums[:-height, width:] - sums[height:, :-width] + sums[:-height, :-width]
    inside = np.round(inside / max(sums[-1, -1], 1e-12), 6)
    top, left = map(int, np.unravel_index(inside.argmax(), inside.shape))
    return np.s_[top : top + height, left : left + width]


def outline_window(image: Array, window: Window) -> Array:
    """A copy of `image` H x W x 3 with the window's border drawn."""
    outlined = image.copy()
    rows, columns = window
    corners = (columns.start, rows.start), (columns.stop - 1, rows.stop - 1)
    thickness = max(2, max(image.shape) // 200)
    for colour, width in ((0, thickness + 2), (1, thickness)):
        cv2.rectangle(outlined, *corners, color=(colour,) * 3, thickness=width)
    return outlined


def inline(array: Array, alt: str, caption: str = "", longest: int = 400, magnified: bool = False) -> InlineImage:
    """Inline an array H x W, H x W x 3 or H x W x 4 in [0, 1] as WebP, no side longer than `longest` pixels."""
    height, width = array.shape[:2]
    scale = longest / max(height, width)
    if scale < 1:
        height, width = max(1, round(height * scale)), max(1, round(width * scale))
        array = resize_area(array, height, width)
    pixels = to_bytes(array)
    few_values = len(np.unique(pixels[::3, ::3])) <= 4
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, "WEBP", quality=92 if magnified else 78, lossless=few_values, method=4)
    uri = "data:image/webp;base64," + base64.b64encode(stream.getvalue()).decode()
    return InlineImage(uri, alt, caption, width, height, magnified)
