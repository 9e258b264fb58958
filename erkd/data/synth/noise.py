"""Fractal noise and functions on smooth fields."""

import math

import cv2
import numpy as np

from erkd.io.images import Array


def fractal(
    rng: np.random.Generator, height: int, width: int, cells: float = 3, octaves: int = 5, gain: float = 0.5
) -> Array:
    """Fractal noise H x W of mean 0 and standard deviation 1.

    The first octave has `cells` cells along the longer side; each of the `octaves` doubles the frequency and scales
    the amplitude by `gain`.
    """
    total = np.zeros((height, width), np.float32)
    longer = max(height, width)
    for octave in range(octaves):
        count = cells * 2**octave
        if count > longer / 2:
            break
        rows, columns = (int(np.ceil(count * side / longer)) + 3 for side in (height, width))
        grid = rng.standard_normal((rows, columns), dtype=np.float32)
        total += np.float32(gain**octave) * cv2.resize(grid, (width, height), interpolation=cv2.INTER_CUBIC)
    total -= total.mean()
    return np.asarray(total / (total.std() + 1e-6), np.float32)


def log_uniform(rng: np.random.Generator, low: float, high: float) -> float:
    """A number between `low` and `high` whose logarithm is uniform."""
    return float(np.exp(rng.uniform(np.log(low), np.log(high))))


def unit(field: Array) -> Array:
    """Map a field of standard deviation 1 smoothly into [0, 1]."""
    return np.asarray(0.5 + 0.5 * np.tanh(field), np.float32)


def ramp(field: Array, low: float, high: float) -> Array:
    """Smoothstep: 0 up to `low`, 1 from `high` on, a cubic between."""
    t = np.clip((field - low) / (high - low), 0, 1)
    return np.asarray(t * t * (3 - 2 * t), np.float32)


def pixels(height: int, width: int) -> tuple[Array, Array]:
    """x and y of the pixel centres, each H x W."""
    x, y = np.meshgrid(np.arange(width, dtype=np.float32) + 0.5, np.arange(height, dtype=np.float32) + 0.5)
    return x, y


def turned(x: Array, y: Array, angle: float) -> tuple[Array, Array]:
    """Coordinates along and across a direction, `angle` in radians."""
    c, s = math.cos(angle), math.sin(angle)
    return x * c + y * s, -x * s + y * c


def displaced(image: Array, x: Array, y: Array) -> Array:
    """Sample `image` at positions (x, y) in pixels, with reflected borders."""
    return np.asarray(cv2.remap(image, x - 0.5, y - 0.5, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT), np.float32)
