"""The picture at the top of the README: what the shipped `small` makes of photographs that no student was trained on.

`python -m benchmarks.result_picture` writes docs/result.jpg: a row each of photograph, trimap, alpha and cut-out
before another photograph, cropped to the part that is hard. The photographs lie in data/photographs; the trimaps,
drawn by hand, in docs/result.
"""

from dataclasses import dataclass
from pathlib import Path

from erkd.report.pictures import Window, result_strip
from PIL import Image

from erkd import Matter
from erkd.io.images import load_image, load_trimap, to_bytes

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
    Case("macaque", "mountain-lake", Window(0, 354, 446, 669)),
    Case("dandelion-seeds", "lake-at-night", Window(140, 300, 480, 720)),
    Case("red-panda", "sea-at-sunset", Window(12, 150, 380, 570)),
    Case("alpaca", "red-dune", Window(20, 30, 360, 540)),
)


def draw() -> Image.Image:
    """The rows of all cases, one above the other."""
    matter = Matter.load(ROOT / "erkd/weights/small", "cpu")
    rows = []
    for case in CASES:
        image, background = (load_image(PHOTOGRAPHS / f"{name}.jpg") for name in (case.name, case.ground))
        trimap = load_trimap(TRIMAPS / f"{case.name}.png")
        image, trimap, alpha = (case.shown.cut(array) for array in (image, trimap, matter(image, trimap)))
        rows.append((image, trimap, alpha, background))
    return Image.fromarray(to_bytes(result_strip(rows, HEIGHT)))


if __name__ == "__main__":
    draw().save(PICTURE, quality=86, optimize=True, progressive=True)
