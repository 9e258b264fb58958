"""Trimaps: drawn from alpha as people draw them."""

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import cv2
import numpy as np
from numpy.typing import NDArray

from erkd.io.images import Array

if TYPE_CHECKING:  # the web page draws its samples where the pipeline's packages are missing
    from erkd.params import TrimapParams

REFERENCE_SIDE = 800  # radii are given in pixels of an image whose longer side is this
MOST_UNKNOWN = 0.9  # a drawn trimap is narrowed until less than this is unknown
Region = NDArray[np.bool_]


def _erode(region: Region, radius: float) -> Region:
    """The pixels of `region` farther than `radius` from any pixel outside it; the frame is no outside."""
    if radius <= 0 or region.all():
        return region
    distance = cv2.distanceTransform(region.astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
    return np.asarray(distance > radius + 0.01)  # the precise transform is off by some 1e-5


def _dilate(region: Region, radius: float) -> Region:
    return ~_erode(~region, radius)


def trimap_from_alpha(alpha: Array, foreground_radius: float, background_radius: float) -> Array:
    """Erode definite foreground (alpha >= 254/255) and background (alpha <= 1/255), each by its own radius.

    `alpha` is H x W in [0, 1], radii are in pixels (Euclidean; 0 erodes nothing); gives 0, 0.5, 1, H x W.
    """
    levels = np.rint(alpha * 255)
    foreground = _erode(levels >= 254, foreground_radius)
    background = _erode(levels <= 1, background_radius)
    return np.where(foreground, np.float32(1), np.where(background, np.float32(0), np.float32(0.5)))


def whole_object_trimap(alpha: Array, radius: float, background_radius: float) -> Array:
    """A trimap whose porous parts are unknown as a whole: holes and gaps up to 2 `radius` wide are closed.

    Only foreground deeper than `radius` inside the closed shape stays known, so a net is unknown altogether
    and a solid body keeps its core.
    """
    levels = np.rint(alpha * 255)
    closed = _erode(_dilate(levels > 1, radius), radius) | (levels > 1)
    background = _erode(~closed, background_radius)
    foreground = _erode(levels >= 254, radius)
    return np.where(foreground, np.float32(1), np.where(background, np.float32(0), np.float32(0.5)))


@dataclass(frozen=True)
class Radii:
    """How a trimap is drawn, in pixels; with `whole`, porous parts are unknown altogether."""

    foreground: int
    background: int
    whole: bool

    @property
    def narrowest(self) -> bool:
        """Whether there is nothing left to halve."""
        return self.foreground <= 1 and self.background <= 1


def draw_radii(params: "TrimapParams", rng: np.random.Generator, scale: float) -> Radii:
    """Radii drawn log-uniformly, in pixels of a picture `scale` times the reference of 800 pixels.

    With probability `params.whole_object` the porous parts will be unknown as a whole.
    """
    low, high = math.log(params.min_radius), math.log(params.max_radius)
    foreground, background = (max(1, round(math.exp(rng.uniform(low, high)) * scale)) for _ in range(2))
    whole = rng.random() < params.whole_object
    closing = max(2, round(rng.uniform(0.2, 0.8) * params.max_radius * scale))
    return Radii(closing if whole else foreground, background, whole)


def narrow(radii: Radii) -> Radii:
    """Half the radii, at least 1."""
    return Radii(max(1, radii.foreground // 2), max(1, radii.background // 2), radii.whole)


def trimap_from_radii(alpha: Array, radii: Radii) -> tuple[Array, Radii]:
    """The trimap of these radii, which are halved until less than MOST_UNKNOWN of it is unknown."""
    draw = whole_object_trimap if radii.whole else trimap_from_alpha
    while True:
        trimap = draw(alpha, radii.foreground, radii.background)
        if radii.narrowest or float((trimap == 0.5).mean()) < MOST_UNKNOWN:
            return trimap, radii
        radii = narrow(radii)


def draw_trimap(alpha: Array, params: "TrimapParams", rng: np.random.Generator) -> tuple[Array, Radii]:
    """A trimap of a whole image as people draw them, H x W of 0, 0.5 and 1, and the radii used."""
    return trimap_from_radii(alpha, draw_radii(params, rng, max(alpha.shape) / REFERENCE_SIDE))
