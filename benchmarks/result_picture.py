"""The picture at the top of the README: what the shipped `small` makes of photographs that no student was trained on.

`python -m benchmarks.result_picture` writes docs/result.jpg: a row each of photograph, trimap, alpha and cut-out
before another photograph, cropped to the part that is hard. The photographs lie in data/photographs; the trimaps,
drawn by hand, in docs/result.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from erkd import Matter
from erkd.inference.cutouts import place
from erkd.io.images import Array, load_image, load_trimap, resize_area, to_bytes

ROOT = Path(__file__).resolve().parents[1]
PHOTOGRAPHS, TRIMAPS, PICTURE = ROOT / "data/photographs", ROOT / "docs/result", ROOT / "docs/result.jpg"
HEIGHT, WIDTH, GAP = 320, 480, 8  # of a panel, and between two, pixels


@dataclass(frozen=True)
class Case:
    """Two photographs by name: one is cut out and placed before the other.

    Of the first a part of 3 : 2 is shown, `height` pixels high, from row `top` and column `left` on.
    """

    name: str
    ground: str
    top: int
    left: int
    height: int


CASES = (
    Case("macaque", "mountain-lake", 0, 354, 446),
    Case("dandelion-seeds", "lake-at-night", 140, 300, 480),
    Case("red-panda", "sea-at-sunset", 12, 150, 380),
    Case("alpaca", "red-dune", 20, 30, 360),
)


def draw() -> Image.Image:
    """The rows of all cases, one above the other."""
    matter = Matter.load(ROOT / "erkd/weights/small", "cpu")
    picture = np.concatenate([row(case, matter) for case in CASES])
    return Image.fromarray(to_bytes(picture[:-GAP, :-GAP]))


def row(case: Case, matter: Matter) -> Array:
    """Photograph, trimap, alpha and cut-out side by side, white to the right of each and below."""
    image, background = (load_image(PHOTOGRAPHS / f"{name}.jpg") for name in (case.name, case.ground))
    trimap = load_trimap(TRIMAPS / f"{case.name}.png")
    alpha = matter(image, trimap)
    shown = np.s_[case.top : case.top + case.height, case.left : case.left + case.height * WIDTH // HEIGHT]
    image, trimap, alpha = image[shown], trimap[shown], alpha[shown]
    greys = (np.dstack([grey] * 3) for grey in (trimap, alpha))
    panels = (image, *greys, place(image, alpha, background))
    resized = (resize_area(np.ascontiguousarray(panel), HEIGHT, WIDTH) for panel in panels)
    return np.concatenate(
        [np.pad(panel, ((0, GAP), (0, GAP), (0, 0)), constant_values=1) for panel in resized], axis=1
    )


if __name__ == "__main__":
    draw().save(PICTURE, quality=86, optimize=True, progressive=True)
