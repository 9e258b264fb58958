"""What a matte from a mask is worth: its error over the mask's own, and over closed form's from the same trimap.

`python -m benchmarks.masks --photos DIR --alphas DIR --masks DIR [--model SPEC]` mattes every photograph that has a
mask and a true alpha of its name, and prints SAD over the whole picture, in thousands of pixels. With `--damage` the
masks are true alphas that were spoilt in the ways of `DAMAGES`, and closed form is left out. The last line is a JSON
object: of the ratios, median and largest over the photographs.
"""

import argparse
import json
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from erkd import Matter
from erkd.evaluation.baselines import estimate_alpha
from erkd.inference.masks import trimap_from_mask
from erkd.io.image_files import images_by_name, open_image
from erkd.io.images import Array, load_alpha, load_image, mask_bytes, trimap_unit, unit

Region = NDArray[np.bool_]


def spots(within: Region, thing: Region, shares: tuple[float, ...]) -> Region:
    """Round spots about places drawn in a region, with radii as shares of the square root of the thing's area."""
    rng = np.random.default_rng(int(thing.sum()))
    places = np.argwhere(within)
    drawn = np.zeros(thing.shape, np.uint8)
    for share, (row, column) in zip(shares, places[rng.integers(0, len(places), len(shares))], strict=True):
        cv2.circle(drawn, (int(column), int(row)), round(share * float(np.sqrt(thing.sum()))), 1, -1)
    return drawn.astype(bool)


def grown(thing: Region, radius: int) -> Region:
    """A region grown by so many pixels, or shrunk by as many as `radius` is below zero."""
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * abs(radius) + 1,) * 2)
    return (cv2.dilate if radius > 0 else cv2.erode)(thing.astype(np.uint8), disc).astype(bool)


def jagged(alpha: Array, cell: int = 12) -> Array:
    """A hard mask of square cells."""
    height, width = alpha.shape
    cells = cv2.resize(alpha, (width // cell, height // cell), interpolation=cv2.INTER_AREA).round()
    return np.asarray(cv2.resize(cells, (width, height), interpolation=cv2.INTER_NEAREST))


HOLES, ISLANDS = (0.06, 0.1, 0.15), (0.04, 0.08, 0.12)
DAMAGES: dict[str, Callable[[Array, Region], NDArray[np.generic]]] = {
    "holes": lambda alpha, thing: thing & ~spots(thing, thing, HOLES),
    "soft holes": lambda alpha, thing: np.clip(
        thing - 0.8 * cv2.GaussianBlur(spots(thing, thing, HOLES).astype(np.float32), (0, 0), 10), 0, 1
    ),
    "islands": lambda alpha, thing: thing | spots(~thing, thing, ISLANDS),
    "too tight": lambda alpha, thing: grown(thing, -8),
    "too wide": lambda alpha, thing: grown(thing, 8),
    "smoothed": lambda alpha, thing: grown(grown(thing, -12), 12),
    "closed": lambda alpha, thing: grown(grown(thing, 12), -12),
    "blurred": lambda alpha, thing: cv2.GaussianBlur(thing.astype(np.float32), (0, 0), 8),
    "jagged": lambda alpha, thing: jagged(alpha),
}


def sad(alpha: NDArray[np.generic], true: Array) -> float:
    """The sum of absolute differences over the whole picture, in thousands."""
    values = unit(alpha) if alpha.dtype != bool else alpha.astype(np.float32)
    return float(np.abs(values - true).sum()) / 1000


def measure(matter: Matter, image: Array, true: Array, mask: NDArray[np.generic], closed_form: bool) -> list[float]:
    """SAD of mask, student and, where it is asked for, closed form; then the student's over the mask's, and over
    closed form's."""
    trimap = trimap_from_mask(matter, image, mask)
    errors = [sad(mask, true), sad(matter(image, trimap), true)]
    if not closed_form:
        return [*errors, errors[1] / errors[0]]
    classical = sad(estimate_alpha("closed_form", image, trimap_unit(trimap)), true)
    return [*errors, classical, errors[1] / errors[0], errors[1] / classical]


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ("photos", "alphas", "masks"):
        parser.add_argument(f"--{name}", type=Path, required=True, metavar="DIR")
    parser.add_argument("--model", help="as of `erkd matte`")
    parser.add_argument("--damage", action="store_true", help="spoilt alphas instead of the masks")
    given = parser.parse_args()
    matter = Matter.load(given.model, "cpu")
    photos, alphas, masks = (images_by_name(folder) for folder in (given.photos, given.alphas, given.masks))
    names = sorted(photos.keys() & alphas.keys() & masks.keys())
    columns = ["mask", "student", *([] if given.damage else ["closed form"]), "/ mask"]
    print(" " * 20 + "".join(f"{column:>13}" for column in columns + ([] if given.damage else ["/ closed form"])))
    over: dict[str, list[float]] = {}
    for name in names:
        image, true = load_image(photos[name]), load_alpha(alphas[name], colour=True)
        made: dict[str, NDArray[np.generic]] = {"mask": mask_bytes(open_image(masks[name]), masks[name])}
        if given.damage:
            made = {kind: spoil(true, true > 0.5) for kind, spoil in DAMAGES.items()}
        for kind, mask in made.items():
            figures = measure(matter, image, true, mask, not given.damage)
            print(f"{f'{name} {kind}':20}" + "".join(f"{figure:13.2f}" for figure in figures), flush=True)
            over.setdefault(kind, []).append(figures[2 if given.damage else 3])
            if not given.damage:
                over.setdefault("closed form", []).append(figures[4])
    summary = {
        kind: {"median": round(float(np.median(ratios)), 3), "largest": round(max(ratios), 3)}
        for kind, ratios in over.items()
    }
    print(json.dumps({"photographs": len(names), "over": summary}))


if __name__ == "__main__":
    main()
