"""Trimaps generated from alpha by erosion with random radii."""

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import cv2
import numpy as np
from numpy.typing import NDArray

from erkd.io.images import Array

if TYPE_CHECKING:  # the web page generates samples without pydantic
    from erkd.params import TrimapParams

REFERENCE_SIDE = 800  # longer side of an image that radii refer to, pixels
MOST_UNKNOWN = 0.9  # upper bound on the unknown share of a generated trimap
HALF = 0.5  # between whole numbers, as squared distances are: how a distance is rounded decides no pixel
Region = NDArray[np.bool_]


def _erode(region: Region, radius: float) -> Region:
    """Keep the pixels of `region` farther than `radius` from any pixel outside it; image borders do not count."""
    if radius <= 0 or region.all():
        return region
    distance = cv2.distanceTransform(region.astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
    return np.asarray(distance > math.sqrt(radius**2 + HALF))


def _dilate(region: Region, radius: float) -> Region:
    return ~_erode(~region, radius)


def trimap_from_alpha(alpha: Array, foreground_radius: float, background_radius: float) -> Array:
    """Erode definite foreground (alpha >= 254/255) and background (alpha <= 1/255); the rest is unknown.

    `alpha` is H x W in [0, 1]; radii are Euclidean, in pixels. Returns H x W of 0, 0.5, 1.
    """
    levels = np.rint(alpha * 255)
    foreground = _erode(levels >= 254, foreground_radius)
    background = _erode(levels <= 1, background_radius)
    return np.where(foreground, np.float32(1), np.where(background, np.float32(0), np.float32(0.5)))


def whole_object_trimap(alpha: Array, radius: float, background_radius: float) -> Array:
    """A trimap whose porous parts are unknown as a whole, by a morphological closing with `radius` before erosion.

    Foreground deeper than `radius` stays known: a net becomes unknown altogether, a solid body keeps its core.
    """
    levels = np.rint(alpha * 255)
    closed = _erode(_dilate(levels > 1, radius), radius) | (levels > 1)
    background = _erode(~closed, background_radius)
    foreground = _erode(levels >= 254, radius)
    return np.where(foreground, np.float32(1), np.where(background, np.float32(0), np.float32(0.5)))


@dataclass(frozen=True)
class Radii:
    """Erosion radii of a trimap, pixels; with `whole` it is a `whole_object_trimap`."""

    foreground: int
    background: int
    whole: bool

    @property
    def narrowest(self) -> bool:
        """Whether neither radius can be halved."""
        return self.foreground <= 1 and self.background <= 1


def draw_radii(params: "TrimapParams", rng: np.random.Generator, scale: float) -> Radii:
    """Draw log-uniform radii for an image `scale` times the reference size.

    With probability `params.whole_object` they are those of a `whole_object_trimap`.
    """
    low, high = math.log(params.min_radius), math.log(params.max_radius)
    foreground, background = (max(1, round(math.exp(rng.uniform(low, high)) * scale)) for _ in range(2))
    whole = rng.random() < params.whole_object
    closing = max(2, round(rng.uniform(0.2, 0.8) * params.max_radius * scale))
    return Radii(closing if whole else foreground, background, whole)


def narrow(radii: Radii) -> Radii:
    """Halve the radii, to at least 1."""
    return Radii(max(1, radii.foreground // 2), max(1, radii.background // 2), radii.whole)


def trimap_from_radii(alpha: Array, radii: Radii) -> tuple[Array, Radii]:
    """The trimap of these radii, halved until its unknown share is below `MOST_UNKNOWN`, and the radii used."""
    draw = whole_object_trimap if radii.whole else trimap_from_alpha
    while True:
        trimap = draw(alpha, radii.foreground, radii.background)
        if radii.narrowest or float((trimap == 0.5).mean()) < MOST_UNKNOWN:
            return trimap, radii
        radii = narrow(radii)


def draw_trimap(alpha: Array, params: "TrimapParams", rng: np.random.Generator) -> tuple[Array, Radii]:
    """Generate a trimap of a whole image with random radii: H x W of 0, 0.5, 1, and the radii used."""
    return trimap_from_radii(alpha, draw_radii(params, rng, max(alpha.shape) / REFERENCE_SIDE))
