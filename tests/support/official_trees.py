"""Tiny trees in the benchmarks' official layouts: true file names and lists, a few pixels each."""

import math
import shutil
from pathlib import Path

import numpy as np
from PIL import Image

ADOBE = "Adobe-licensed images"
COCO, VOC = "COCO_train2014_{:012d}.jpg", "2007_{:06d}.jpg"


def save(array, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(array).save(path)


def names_file(names, path: Path, ending: str = "\n") -> None:
    path.write_bytes("".join(f"{name}{ending}" for name in names).encode())


def composite_by_hand(foreground, alpha, background):
    """The official rule on bytes, as a loop over pixels with Python's own floats and integers."""
    height, width = alpha.shape
    rows, columns = background.shape[:2]
    ratio = max(width / columns, height / rows)
    picture = Image.fromarray(background)
    if ratio > 1:
        enlarged = (math.ceil(columns * ratio), math.ceil(rows * ratio))
        picture = picture.resize(enlarged, Image.Resampling.BICUBIC)
    result = foreground.copy()
    for y, x in np.argwhere(alpha < 255).tolist():
        a, below = int(alpha[y, x]), picture.getpixel((x, y))
        for channel in range(3):
            f = int(foreground[y, x, channel])
            result[y, x, channel] = int(a / 255.0 * f + (1 - a / 255.0) * below[channel])
    return result


def layer(rng, height, width):
    """Pixels of noise, and an 8-bit alpha with a solid core, a soft edge and an empty frame."""
    pixels = rng.integers(0, 256, (height, width, 3)).astype(np.uint8)
    rows, columns = np.mgrid[:height, :width]
    radius = rng.uniform(0.25, 0.35) * min(height, width)
    alpha = (radius - np.hypot(rows - height / 2, columns - width / 2)) / 3 + 0.5
    return pixels, np.rint(np.clip(alpha, 0, 1) * 255).astype(np.uint8)


def backgrounds(root: Path, rng, train: list[int], test: int, size: int) -> None:
    """COCO and VOC photographs of all shapes, and masks that bear a photograph's name as VOC has them."""
    voc_folder = root / "VOCdevkit/VOC2012"
    files = [root / "train2014" / COCO.format(index) for index in train]
    files += [voc_folder / "JPEGImages" / VOC.format(index) for index in range(test)]
    for file in files:
        save(layer(rng, *rng.integers(size // 2, 2 * size, 2))[0], file)
    save(np.zeros((9, 9), np.uint8), voc_folder / "SegmentationClass/2007_000000.png")


def composition1k(root: Path, rng, train: int = 6, test: int = 2, size: int = 24) -> Path:
    """`root`/Combined_Dataset and `root`/backgrounds, of which a foreground's first four to train on are there."""
    more = [f"tier {n} grün_img.jpg" for n in range(train - 2)]
    trained = ["antique lace-1182740_1920.jpg", "GT05.jpg", *more]
    tested = [f"boy-{n}_1920_9_img.png" for n in range(test)]
    for list_name, foregrounds, each, name in (("training", trained, 100, COCO), ("test", tested, 20, VOC)):
        data = root / f"Combined_Dataset/{list_name.capitalize()}_set"
        for place, foreground in enumerate(foregrounds):
            folder = data / (ADOBE if list_name == "test" or place % 2 == 0 else "Other")
            pixels, alpha = layer(rng, size + place, size + 2 * place + 1)
            save(pixels, folder / "fg" / foreground)
            save(alpha, folder / "alpha" / Path(foreground).with_suffix(".png"))
            for copy in range(20 if list_name == "test" else 0):
                supplied = np.select([alpha == 255, alpha == 0], [255, 0], 128).astype(np.uint8)
                save(supplied, folder / "trimaps" / f"{Path(foreground).stem}_{copy}.png")
        names_file(foregrounds, data / f"{list_name}_fg_names.txt")
        listed = [name.format(index) for index in range(each * len(foregrounds))]
        names_file(listed, data / f"{list_name}_bg_names.txt")
    first = [100 * k + copy for k in range(train) for copy in range(4)]
    backgrounds(root / "backgrounds", rng, first, 20 * test, size)
    return root


def distinctions646(root: Path, rng, train: int = 6, test: int = 2, size: int = 24) -> Path:
    """`root`/{Train,Test} with lists as Windows ends lines, and `root`/backgrounds."""
    trained = [*(f"h_{n}.png" for n in range(train - 2)), "test_0.png", "test_1.png"]
    tested = [f"test_{n}.png" for n in range(test)]
    for part, foregrounds, each, name in (("Train", trained, 80, COCO), ("Test", tested, 20, VOC)):
        for place, foreground in enumerate(foregrounds):
            pixels, alpha = layer(rng, size + place, size + 2 * place + 1)
            save(pixels, root / part / "FG" / foreground)
            save(alpha, root / part / "GT" / foreground)
        listed = [name.format(index) for index in range(each * len(foregrounds))]
        names_file(foregrounds, root / part / f"fg_{part.lower()}.txt", "\r\n")
        names_file(listed, root / part / f"bg_{part.lower()}.txt", "\r\n")
    for kind in ("FG", "GT"):  # one of both lists' namesakes is the very picture
        shutil.copy(root / f"Test/{kind}/test_1.png", root / f"Train/{kind}/test_1.png")
    first = [80 * k + copy for k in range(train) for copy in range(4)]
    backgrounds(root / "backgrounds", rng, first, 20 * test, size)
    return root
