"""Gaussian gradients of an 8-bit alpha, as the metric Grad takes them (Rhemann et al. 2009)."""

import cv2
import numpy as np
from numpy.typing import NDArray

SIGMA = 1.4
HALF_SIZE = 4  # the official rule, where the Gaussian falls below 1e-2, gives 4 for sigma 1.4


def kernels() -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The Gaussian and its derivative on -4..4, each of unit L2 norm; so is then their outer product."""
    offsets = np.arange(-HALF_SIZE, HALF_SIZE + 1)
    gaussian = np.exp(-(offsets**2) / (2 * SIGMA**2))
    derivative = -offsets * gaussian
    return gaussian / np.linalg.norm(gaussian), derivative / np.linalg.norm(derivative)


def step_magnitude() -> float:
    """The gradient magnitude beside a straight edge between alpha 0 and alpha 1, the largest there is."""
    gaussian, derivative = kernels()
    return float(gaussian.sum() * np.abs(derivative).sum() / 2)


def stretch_of(alpha: NDArray[np.uint8]) -> tuple[float, float]:
    """Factor and offset that take an alpha's minimum to 0 and its maximum to 1 (a constant one: 255 to 1)."""
    low, high = int(alpha.min()), int(alpha.max())
    return (1 / (high - low), -low / (high - low)) if high > low else (1 / 255, 0.0)


def gradient_magnitude(alpha: NDArray[np.uint8], rows: slice, stretch: tuple[float, float]) -> NDArray[np.float64]:
    """Gradient magnitude of a stretched alpha in `rows`, filtered with what lies around them.

    `alpha` is H x W of 0..255, the result as many rows x W; the image's border is repeated outwards.
    """
    gaussian, derivative = kernels()
    start = max(rows.start - HALF_SIZE, 0)
    stretched = alpha[start : rows.stop + HALF_SIZE] * stretch[0] + stretch[1]
    along_x, along_y = (
        np.asarray(cv2.sepFilter2D(stretched, -1, *pair, borderType=cv2.BORDER_REPLICATE), np.float64)
        for pair in ((derivative, gaussian), (gaussian, derivative))
    )
    along_x *= along_x
    along_y *= along_y
    along_x += along_y
    # cv2.magnitude would do, but its last bit depends on where in memory the arrays happen to lie
    return np.asarray(np.sqrt(along_x[rows.start - start : rows.stop - start]))
