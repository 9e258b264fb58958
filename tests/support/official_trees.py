"""Tiny trees in the benchmarks' official layouts: true file names and lists, a few pixels each."""

from pathlib import Path

import numpy as np
from PIL import Image

ADOBE = "Adobe-licensed images"


def save(array, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(array).save(path)


def names_file(names, path: Path, ending: str = "\n") -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes("".join(f"{name}{ending}" for name in names).encode())


def soft_disc(rng, size):
    """An 8-bit alpha with a solid core, a soft edge and an empty frame."""
    rows, columns = np.mgrid[: size[0], : size[1]]
    distance = np.hypot(rows - size[0] / 2, columns - size[1] / 2)
    radius = rng.uniform(0.25, 0.35) * min(size)
    return np.rint(np.clip((radius - distance) / 3 + 0.5, 0, 1) * 255).astype(np.uint8)


def supplied_trimap(alpha):
    return np.where(alpha == 255, 255, np.where(alpha == 0, 0, 128)).astype(np.uint8)


def noise(rng, height, width):
    return rng.integers(0, 256, (height, width, 3)).astype(np.uint8)


def coco(index):
    return f"COCO_train2014_{index:012d}.jpg"


def voc(index):
    return f"2007_{index:06d}.jpg"


def backgrounds(root: Path, rng, train: list[int], test: int, size: int) -> Path:
    """COCO and VOC photographs of all shapes, and masks that bear a photograph's name as VOC has them."""
    voc_folder = root / "VOCdevkit/VOC2012"
    files = [root / "train2014" / coco(index) for index in train]
    files += [voc_folder / "JPEGImages" / voc(index) for index in range(test)]
    for file in files:
        save(noise(rng, *rng.integers(size // 2, 2 * size, 2)), file)
    save(np.zeros((9, 9), np.uint8), voc_folder / "SegmentationClass/2007_000000.png")
    return root


def first_of_each(foregrounds: int, each: int, most: int = 4) -> list[int]:
    """The lists are whole; of each foreground's training backgrounds the first few are there."""
    return [each * k + copy for k in range(foregrounds) for copy in range(most)]


def composition1k(root: Path, rng, train: int = 6, test: int = 2, size: int = 24) -> Path:
    """`root`/Combined_Dataset and `root`/backgrounds."""
    data = root / "Combined_Dataset"
    fixed = ["antique lace-1182740_1920.jpg", "GT05.jpg"]
    parts = {
        "Training_set": ("training", [*fixed, *(f"tier {n} grün_img.jpg" for n in range(train - 2))], 100, coco),
        "Test_set": ("test", [f"boy-{n}_1920_9_img.png" for n in range(test)], 20, voc),
    }
    for part, (list_name, foregrounds, each, name) in parts.items():
        names_file(foregrounds, data / part / f"{list_name}_fg_names.txt")
        listed = [name(index) for index in range(each * len(foregrounds))]
        names_file(listed, data / part / f"{list_name}_bg_names.txt")
        for place, foreground in enumerate(foregrounds):
            folder = data / part / (ADOBE if part == "Test_set" or place % 2 == 0 else "Other")
            shape = (size + place, size + 2 * place + 1)
            alpha = soft_disc(rng, shape)
            save(noise(rng, *shape), folder / "fg" / foreground)
            save(alpha, folder / "alpha" / Path(foreground).with_suffix(".png"))
            if part == "Test_set":
                for copy in range(20):
                    name_of = f"{Path(foreground).stem}_{copy}.png"
                    save(supplied_trimap(alpha), folder / "trimaps" / name_of)
    backgrounds(root / "backgrounds", rng, first_of_each(train, 100), 20 * test, size)
    return root


def distinctions646(root: Path, rng, train: int = 6, test: int = 2, size: int = 24) -> Path:
    """`root`/{Train,Test} with lists as Windows ends lines, and `root`/backgrounds."""
    parts = {"Train": [f"h_{n}.png" for n in range(train - 2)] + ["test_0.png", "test_1.png"],
             "Test": [f"test_{n}.png" for n in range(test)]}  # fmt: skip
    for part, foregrounds in parts.items():
        for place, name in enumerate(foregrounds):
            shape = (size + place, size + 2 * place + 1)
            save(noise(rng, *shape), root / part / "FG" / name)
            save(soft_disc(rng, shape), root / part / "GT" / name)
        each, name = (80, coco) if part == "Train" else (20, voc)
        listed = [name(index) for index in range(each * len(foregrounds))]
        names_file(foregrounds, root / part / f"fg_{part.lower()}.txt", "\r\n")
        names_file(listed, root / part / f"bg_{part.lower()}.txt", "\r\n")
    twin = (root / "Test/FG/test_1.png").read_bytes()  # one of both lists' namesakes is the very picture
    (root / "Train/FG/test_1.png").write_bytes(twin)
    (root / "Train/GT/test_1.png").write_bytes((root / "Test/GT/test_1.png").read_bytes())
    backgrounds(root / "backgrounds", rng, first_of_each(train, 80), 20 * test, size)
    return root
