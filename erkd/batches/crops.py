"""Geometry of training crops: random affine maps, in pixels and in normalised coordinates."""

import numpy as np
from numpy.typing import NDArray

from erkd.io.images import Array

ZOOM = (0.45, 1.4)  # crop pixels per image pixel, drawn log-uniformly
Matrix = NDArray[np.float64]


def random_affine(rng: np.random.Generator, focus: tuple[int, int], size: tuple[int, int], crop: int) -> Matrix:
    """Draw a 2 x 3 matrix from crop to image pixels (integer pixel centres, as in OpenCV): zoom, rotation, flip.

    Args:
        rng: Source of randomness.
        focus: Pixel (row, column) that the crop should contain.
        size: Height and width of the image; the crop lies inside it where it fits.
        crop: Side of the crop, pixels.
    """
    height, width = size
    span = crop / np.exp(rng.uniform(*np.log(ZOOM)))
    angle = np.deg2rad(rng.uniform(-20, 20)) if rng.random() < 0.5 else 0.0
    scale = span / crop
    flip = -1.0 if rng.random() < 0.5 else 1.0
    linear = scale * np.array([[flip * np.cos(angle), -np.sin(angle)], [flip * np.sin(angle), np.cos(angle)]])
    centre = np.array([focus[1], focus[0]], float) + rng.uniform(-0.4, 0.4, 2) * span
    half = np.minimum(span / 2, np.array([width, height]) / 2)
    centre = np.clip(centre, half, np.array([width, height]) - half) - 0.5
    offset = centre - linear @ np.full(2, (crop - 1) / 2)
    return np.hstack([linear, offset[:, None]])


def zoom_of(to_image: Matrix) -> float:
    """Crop pixels per image pixel of a `random_affine` matrix."""
    return float(1 / np.sqrt(abs(np.linalg.det(to_image[:, :2]))))


def normalised(to_image: Matrix, crop: int, height: int, width: int) -> Array:
    """Convert a crop-to-image pixel matrix to the [-1, 1] coordinates of `affine_grid` with align_corners=False."""
    linear, offset = to_image[:, :2], to_image[:, 2]
    size = np.array([width, height], float)
    centre = linear @ np.full(2, (crop - 1) / 2) + offset  # image pixel at the crop's centre
    scaled = linear * crop / size[:, None]
    return np.hstack([scaled, ((2 * centre + 1) / size - 1)[:, None]]).astype(np.float32)
