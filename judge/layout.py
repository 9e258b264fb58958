"""Trimaps and files of the judge, in the layout of alphamatting.com, which `evaluate.sets` takes."""

from pathlib import Path

import cv2
import numpy as np

from erkd.data.sources.alphamatting import ALPHAS, GROUPS, IMAGES, TRIMAPS
from erkd.data.trimap_generation import Radii, trimap_from_alpha, trimap_from_radii
from erkd.io.images import Array, save_image, save_trimap

RADII = (0.01, 0.035)  # of the narrow (Trimap1) and of the wide trimap (Trimap2), over the longer side
OPAQUE = 254 / 255
CUTOUTS = "cutouts"


def draw_trimaps(alpha: Array, uncertain: Array | None, porous: bool) -> list[Array]:
    """A narrow and a wide trimap, H x W of 0, 0.5, 1.

    `alpha` is H x W in [0, 1]; where `uncertain` covers, and around it, both are unknown. `porous` subjects have
    their holes closed, as a person who draws a trimap would.
    """
    trimaps, certain = [], alpha
    if uncertain is not None and (np.where(uncertain > 0, 0, alpha) >= OPAQUE).any():
        certain = np.where(uncertain > 0, np.float32(0), alpha)
    for share in RADII:
        radius = max(1, round(share * max(alpha.shape)))
        trimap, used = trimap_from_radii(alpha, Radii(radius, radius, porous))
        if uncertain is not None:
            away = trimap_from_alpha((uncertain > 0).astype(np.float32), 0, used.background) == 0
            trimap = np.where(away, trimap, np.float32(0.5))
        trimaps.append(trimap if (trimap == 1).any() else mark_thickest(certain, trimap))
    return trimaps


def mark_thickest(alpha: Array, trimap: Array) -> Array:
    """A trimap without foreground, with the middle of the thickest opaque parts as foreground.

    Who draws a trimap of a net marks at least the bar it hangs on; matting from colours needs some of both.
    """
    opaque = (alpha >= OPAQUE).astype(np.uint8)
    depth = cv2.distanceTransform(opaque, cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
    return np.where((opaque > 0) & (depth >= 0.6 * depth.max()), np.float32(1), trimap)


def paths(root: Path, name: str) -> dict[str, Path]:
    """Where the files of a scene lie; the alpha is written last, so that it stands for all of them."""
    file = f"{name}.png"
    found = {"image": root / IMAGES / file, "cutout": root / CUTOUTS / file}
    found |= {group: root / TRIMAPS / group / file for group in GROUPS}
    return found | {"alpha": root / ALPHAS / file}


def write_scene(root: Path, name: str, image: Array, cutout: Array, alpha: Array, trimaps: list[Array]) -> None:
    """Write a scene's image, cut-out (RGBA), trimaps and alpha, whole or not at all."""
    files = paths(root, name)
    for path in files.values():
        path.parent.mkdir(parents=True, exist_ok=True)
    save_image(image, files["image"])
    save_image(cutout, files["cutout"])
    for group, trimap in zip(GROUPS, trimaps, strict=True):
        save_trimap(trimap, files[group])
    save_image(alpha, files["alpha"])
