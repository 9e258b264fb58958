"""The geometry of training crops: which part of an image a crop shows, at which size, turned how."""

import numpy as np
from numpy.typing import NDArray

from erkd.io.images import Array

ZOOM = (0.45, 1.4)  # crop pixels per image pixel, drawn log-uniformly
Matrix = NDArray[np.float64]


def random_affine(
    rng: np.random.Generator, focus: tuple[int, int], size: tuple[int, int], crop: int
) -> Matrix:
    """A 2 x 3 matrix from crop pixels to image pixels: zoom, rotation, flip, around the pixel `focus`.

    `focus` is (row, column), `size` the image's (height, width). Pixel centres have whole coordinates, as in
    OpenCV. The crop lies inside the image where it fits.
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
    """Crop pixels per image pixel of a matrix of `random_affine`."""
    return float(1 / np.sqrt(abs(np.linalg.det(to_image[:, :2]))))


def normalised(to_image: Matrix, crop: int, height: int, width: int) -> Array:
    """A crop-to-image pixel matrix in the [-1, 1] coordinates of `affine_grid` with align_corners=False."""
    linear, offset = to_image[:, :2], to_image[:, 2]
    size = np.array([width, height], float)
    centre = linear @ np.full(2, (crop - 1) / 2) + offset  # pixel at the crop's centre
    scaled = linear * crop / size[:, None]
    return np.hstack([scaled, ((2 * centre + 1) / size - 1)[:, None]]).astype(np.float32)
