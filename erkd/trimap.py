"""Trimaps: drawn from alpha as people draw them, and taken apart again."""

import math
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import numpy as np
from numpy.typing import NDArray

from erkd.files import InputError
from erkd.images import Array, load_alpha, save_trimap
from erkd.parallel import map_rows
from erkd.tables import CompositeRow, TrimapRow, read_table, resolve, write_table

if TYPE_CHECKING:  # the web page draws its samples where the pipeline's packages are missing
    from erkd.params import TrimapParams

REFERENCE_SIDE = 800  # radii are given in pixels of an image whose longer side is this
MOST_UNKNOWN = 0.9  # a drawn trimap is narrowed until less than this is unknown
Region = NDArray[np.bool_]


def split_trimap(trimap: Array) -> tuple[Region, Region, Region]:
    """Foreground, background and unknown (booleans, H x W) of a trimap of 0, 0.5 and 1."""
    return trimap == 1, trimap == 0, trimap == 0.5


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


def draw_trimap(alpha: Array, params: "TrimapParams", rng: np.random.Generator) -> tuple[Array, int, int]:
    """A trimap with radii drawn log-uniformly, scaled to the image; returns it with both radii in pixels.

    With probability `params.whole_object` the porous parts are unknown as a whole. Radii are halved until
    less than MOST_UNKNOWN is unknown.
    """
    scale = max(alpha.shape) / REFERENCE_SIDE
    low, high = math.log(params.min_radius), math.log(params.max_radius)
    foreground, background = (max(1, round(math.exp(rng.uniform(low, high)) * scale)) for _ in range(2))
    whole = rng.random() < params.whole_object
    closing = max(2, round(rng.uniform(0.2, 0.8) * params.max_radius * scale))
    while True:
        if whole:
            foreground = closing
            trimap = whole_object_trimap(alpha, closing, background)
        else:
            trimap = trimap_from_alpha(alpha, foreground, background)
        narrowest = foreground <= 1 and background <= 1
        if narrowest or float((trimap == 0.5).mean()) < MOST_UNKNOWN:
            return trimap, foreground, background
        foreground, background, closing = (
            max(1, radius // 2) for radius in (foreground, background, closing)
        )


@dataclass(frozen=True)
class _Draw:
    """Writes the trimap of one composite and returns its row."""

    table: Path
    out_dir: Path
    params: "TrimapParams"
    seed: int

    def __call__(self, composite: CompositeRow) -> TrimapRow:
        seed = (self.seed + zlib.crc32(f"trimap {composite.sample_id}".encode())) % 2**32
        path = resolve(self.table, composite.alpha)
        trimap, foreground, background = draw_trimap(
            load_alpha(path), self.params, np.random.default_rng(seed)
        )
        unknown = float((trimap == 0.5).mean())
        if unknown == 0:
            raise InputError(f"{path}: no edge in this alpha, so its trimap would have no unknown region")
        name = f"trimaps/{composite.sample_id}.png"
        save_trimap(trimap, self.out_dir / name)
        return TrimapRow(
            composite.sample_id, composite.split, name, foreground, background, round(unknown, 6), seed
        )


def write_trimaps(composites_dir: Path, out_dir: Path, params: "TrimapParams", seed: int) -> list[TrimapRow]:
    """Draw a trimap for every composite into `out_dir`, in parallel; the table is written last.

    Raises InputError that names an alpha without any edge.
    """
    table = composites_dir / "manifest.csv"
    rows = map_rows(_Draw(table, out_dir, params, seed), read_table(table, CompositeRow), "Drawing trimaps")
    write_table(rows, out_dir / "trimaps.csv")
    return rows
