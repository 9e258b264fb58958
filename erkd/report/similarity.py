"""Pictures of patch-text similarity: which cells of an image a teacher finds like a phrase."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import cv2
import numpy as np

from erkd.io.files import read_json, write_json
from erkd.io.images import Array, load_image, resize_area, save_image
from erkd.report.contact_sheets import THUMBNAIL, Tile
from erkd.report.pictures import TOO_CLEAR, TOO_OPAQUE, picture

INDEX = "similarity.json"
SIDE = 320  # longer side of a stored picture


@dataclass(frozen=True)
class Shown:
    """One image and what it was compared with; `pictures` are file names, the image's own first."""

    sample_id: str
    phrases: list[str]
    pictures: list[str]


def draw_similarity(image: Array, similarity: Array) -> Array:
    """The image (H x W x 3 in [0, 1]), greyed, under its cells' similarity (Gh x Gw): H x W x 3.

    Orange: more alike than the image's mean cell; blue: less. The largest difference has full colour.
    """
    height, width = image.shape[:2]
    relative = similarity - similarity.mean()
    relative = relative / max(float(np.abs(relative).max()), 1e-6)
    fine = cv2.resize(relative.astype(np.float32), (width, height), interpolation=cv2.INTER_CUBIC)
    strength = np.clip(np.abs(fine), 0, 1)[:, :, None] * 0.75
    grey = np.repeat(image.mean(axis=2, keepdims=True), 3, axis=2) * 0.8
    colour = np.where(fine[:, :, None] > 0, TOO_OPAQUE, TOO_CLEAR)
    return np.asarray(grey * (1 - strength) + colour * strength, np.float32)


def save_similarity(folder: Path, sample_id: str, image: Array, phrases: Sequence[str], maps: Array) -> Shown:
    """Write the image and its K maps (K x Gh x Gw) as small JPEG files into `folder`."""
    scale = min(1.0, SIDE / max(image.shape[:2]))
    small = resize_area(image, round(image.shape[0] * scale), round(image.shape[1] * scale))
    drawn = [small, *(draw_similarity(small, similarity) for similarity in maps)]
    names = [f"{sample_id}-{number}.jpg" for number in range(len(drawn))]
    for name, panel in zip(names, drawn, strict=True):
        save_image(panel, folder / name)
    return Shown(sample_id, list(phrases), names)


def write_index(shown: Sequence[Shown], folder: Path) -> None:
    """Say in `similarity.json` what the folder's pictures are."""
    write_json([asdict(one) for one in shown], folder / INDEX)


def similarity_tiles(folder: Path) -> list[Tile]:
    """What `write_index` told of, as the report's tiles; empty where there is no such folder."""
    if not (folder / INDEX).is_file():
        return []
    tiles = []
    for one in read_json(folder / INDEX):
        alts = [f"Image {one['sample_id']}", *(f"Similarity to: {phrase}" for phrase in one["phrases"])]
        views = tuple(
            picture(load_image(folder / name), alt, longest=THUMBNAIL)
            for name, alt in zip(one["pictures"], alts, strict=True)
        )
        tiles.append(Tile(views, one["sample_id"], " · ".join(one["phrases"])))
    return tiles
