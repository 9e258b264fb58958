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
from erkd.io.images import load_image, load_trimap, to_bytes
from erkd.report.galleries import GAP, panels
from erkd.report.matte_images import Window

ROOT = Path(__file__).resolve().parents[1]
PHOTOGRAPHS, TRIMAPS, PICTURE = ROOT / "data/photographs", ROOT / "docs/result", ROOT / "docs/result.jpg"
HEIGHT = 320  # of a row, pixels


@dataclass(frozen=True)
class Case:
    """Two photographs by name: one is cut out and placed before the other. `shown` is of 3 : 2."""

    name: str
    ground: str
    shown: Window


CASES = (
    Case("macaque", "mountain-lake", np.s_[0:446, 354:1023]),
    Case("dandelion-seeds", "lake-at-night", np.s_[140:620, 300:1020]),
    Case("red-panda", "sea-at-sunset", np.s_[12:392, 150:720]),
    Case("alpaca", "red-dune", np.s_[20:380, 30:570]),
)


def draw() -> Image.Image:
    """The rows of all cases, one above the other."""
    matter = Matter.load(ROOT / "erkd/weights/small", "cpu")
    rows = []
    for case in CASES:
        image, background = (load_image(PHOTOGRAPHS / f"{name}.jpg") for name in (case.name, case.ground))
        trimap = load_trimap(TRIMAPS / f"{case.name}.png")
        image, trimap, alpha = (array[case.shown] for array in (image, trimap, matter(image, trimap)))
        rows.append(panels(image, trimap, alpha, background, HEIGHT))
    return Image.fromarray(to_bytes(np.concatenate(rows)[:-GAP]))


if __name__ == "__main__":
    draw().save(PICTURE, quality=86, optimize=True, progressive=True)
