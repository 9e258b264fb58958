"""Defocus as a lens makes it: every point of light becomes a picture of the aperture.

Light is taken for the square of the stored values. Where those are clipped, light was brighter than white, so that
small highlights become discs.
"""

import math
from dataclasses import dataclass

import cv2
import numpy as np

from erkd.io.images import Array

SMALLEST = 1.5  # radius of a circle of confusion that is seen as blur, pixels
FINEST = 4  # larger radii are convolved on images reduced to about this radius, pixels
CLIPPED = 0.8  # stored value from which light may have been brighter
GLARE = (0.5, 40)  # how much brighter than white the light behind 1.0 is
SPILL = 0.1  # most light that clipped areas gain, as a mean over the image


@dataclass(frozen=True)
class Lens:
    """An aperture: the radius of its image in pixels, its blades (0: round) and their turn; and the `glare`."""

    radius: float
    blades: int
    turn: float
    glare: float

    @property
    def reduction(self) -> int:
        """How many times an image may be reduced before it is convolved."""
        return max(1, int(self.radius / FINEST))

    def kernel(self) -> Array:
        """The aperture on the reduced image, K x K with K odd, of sum 1; edges are antialiased."""
        radius = self.radius / self.reduction
        reach = math.ceil(radius)
        y, x = np.mgrid[-reach : reach + 1, -reach : reach + 1].astype(np.float32)
        if self.blades:
            angles = self.turn + 2 * np.pi * np.arange(self.blades) / self.blades
            apothem = radius * math.cos(math.pi / self.blades)
            out = np.max([x * math.cos(angle) + y * math.sin(angle) for angle in angles], axis=0) - apothem
        else:
            out = np.hypot(x, y) - radius
        covered = np.clip(0.5 - out, 0, 1)
        return np.asarray(covered / covered.sum(), np.float32)


def draw_lens(rng: np.random.Generator, widest: float) -> Lens:
    """Draw a lens of a log-uniform radius up to `widest` pixels, a third of them round."""
    radius = _log_uniform(rng, SMALLEST, max(widest, SMALLEST))
    blades = int(rng.choice([0, 5, 6, 7, 8, 9], p=[0.35, 0.13, 0.13, 0.13, 0.13, 0.13]))
    return Lens(radius, blades, rng.uniform(0, np.pi), _log_uniform(rng, *GLARE))


def defocus(image: Array, lens: Lens) -> Array:
    """Put H x W x 3 in [0, 1] out of focus; borders are mirrored."""
    height, width = image.shape[:2]
    clipped = np.clip((image.max(axis=2, keepdims=True) - CLIPPED) / (1 - CLIPPED), 0, 1) ** 2
    light = image**2 * (1 + min(lens.glare, SPILL / (float(clipped.mean()) + 1e-6)) * clipped)
    if lens.reduction > 1:
        size = (math.ceil(width / lens.reduction), math.ceil(height / lens.reduction))
        light = cv2.resize(light, size, interpolation=cv2.INTER_AREA)
    light = cv2.filter2D(light, -1, lens.kernel(), borderType=cv2.BORDER_REFLECT_101)
    if lens.reduction > 1:
        light = cv2.resize(light, (width, height), interpolation=cv2.INTER_LINEAR)
    return np.asarray(np.sqrt(np.clip(light, 0, 1)), np.float32)


def _log_uniform(rng: np.random.Generator, low: float, high: float) -> float:
    return float(np.exp(rng.uniform(np.log(low), np.log(high))))
