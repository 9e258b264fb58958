"""Shared by the composited benchmarks: official lists of foregrounds and of the backgrounds that each is paired with.

Line k of the list of foregrounds takes the k-th run of n lines of the list of backgrounds. Layers have k as their
`seed`, and a background's id is `<composite>-bg`, so that `erkd.data.pairing` can pair them from `library.csv` alone.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from erkd.data.sources.layers import Layer, Rendered, check_size, folder_of
from erkd.data.sources.lists import find_files, number
from erkd.io.files import InputError, sha256
from erkd.io.images import load_alpha, load_image
from erkd.io.tables import PHOTOGRAPH, SPLITS
from erkd.params import DataParams

DEVELOPMENT = re.compile(r"GT\d\d")  # alphamatting.com's photographs, the development set: never trained on
WHERE_BACKGROUNDS = "COCO train2014 can be had at cocodataset.org, PASCAL VOC 2012 at host.robots.ox.ac.uk/pascal/VOC"
COCO = "COCO train2014: each photograph under its own Flickr licence"
VOC = "PASCAL VOC 2012: photographs under Flickr's terms of use"


@dataclass(frozen=True)
class Official:
    """A benchmark's training or test list: `pairs` of foreground and alpha files, and names of `backgrounds`.

    Every pair has the same number of backgrounds, in order; `licence` is the foregrounds'.
    """

    pairs: Sequence[tuple[Path, Path]]
    backgrounds: Sequence[str]
    licence: str

    def names_of(self, line: int) -> Sequence[str]:
        """Names of the backgrounds of foreground `line`."""
        count = len(self.backgrounds) // len(self.pairs)
        return self.backgrounds[line * count : (line + 1) * count]


def choose_splits(train: Official, test: Official, data: DataParams, seed: int) -> dict[str, list[int]]:
    """Lines of each split; validation is drawn from the training list by `seed`.

    Training excludes alphamatting.com's photographs and foregrounds that are also in the test list.
    """
    tested = {file.stem: file for file, _ in test.pairs}
    usable = []
    for line, (file, _) in enumerate(train.pairs):
        twin = tested.get(file.stem)
        if not DEVELOPMENT.fullmatch(file.stem) and (twin is None or sha256(twin) != sha256(file)):
            usable.append(line)
    counts = data.foregrounds
    if len(usable) <= counts.validation:
        raise InputError(
            f"data.foregrounds.validation: {counts.validation} of {len(usable)} training foregrounds leave none"
        )
    order = np.random.default_rng([seed, 29]).permutation(usable).tolist()
    held = sorted(order[: counts.validation])
    kept = sorted(order[counts.validation : counts.validation + counts.train])
    return {"train": kept, "validation": held, "test": list(range(len(test.pairs)))[: counts.test]}


def list_pairs(source: str, train: Official, test: Official, data: DataParams, seed: int) -> list[Layer]:
    """List the foregrounds of every split, with ids of split and file name."""
    layers = []
    for split, lines in choose_splits(train, test, data, seed).items():
        official = test if split == "test" else train
        for line in lines:
            file, alpha = official.pairs[line]
            layers.append(
                Layer(
                    layer_id=f"{split}-{file.stem}",
                    kind="foreground",
                    split=split,
                    source=source,
                    licence=official.licence,
                    material="photograph",
                    seed=line,
                    caption=phrase(file.stem),
                    image=file,
                    alpha=alpha,
                )
            )
    return layers


def list_partners(
    source: str,
    train: Official,
    test: Official,
    data: DataParams,
    seed: int,
    test_name: Callable[[str, int, int], str],
) -> list[Layer]:
    """List the backgrounds of every foreground: the first ones of its official lines, equally many for each.

    Args:
        source: Name of the benchmark.
        train: Its training list.
        test: Its test list.
        data: `backgrounds` are the totals per split.
        seed: Seed of the splits.
        test_name: (stem, line, copy) -> official name of a test composite; others are named by split and foreground.

    Names that an earlier split (test, validation) uses are skipped.
    """
    root = folder_of(data, "backgrounds_root", f"the folder of the backgrounds; {WHERE_BACKGROUNDS}")
    lines_of = choose_splits(train, test, data, seed)
    chosen: list[tuple[str, int, str, str]] = []  # split, line, composite, file name
    for split in ("test", "validation", "train"):
        official, lines = (test if split == "test" else train), lines_of[split]
        share = max(1, getattr(data.backgrounds, split) // len(lines))
        taken = {name for *_, name in chosen}
        for line in lines:
            foreground = official.pairs[line][0].stem
            own = [(copy, name) for copy, name in enumerate(official.names_of(line)) if name not in taken]
            for copy, name in own[:share]:
                own_name = f"{split}-{foreground}_{copy}"
                title = test_name(foreground, line, copy) if split == "test" else own_name
                chosen.append((split, line, title, name))
    files = find_files((name for *_, name in chosen), [root], WHERE_BACKGROUNDS, number)
    layers = [
        Layer(
            layer_id=f"{title}-bg",
            kind="background",
            split=split,
            source=source,
            licence=VOC if split == "test" else COCO,
            material=PHOTOGRAPH,
            seed=line,
            caption="a photograph",
            image=file,
        )
        for (split, line, title, _), file in zip(chosen, files, strict=True)
    ]
    return sorted(layers, key=lambda layer: SPLITS.index(layer.split))


def phrase(name: str) -> str:
    """A caption from the words in a file name: "antique-lace-1182740_1920" gives "antique lace"."""
    words = [word.lower() for word in re.findall(r"[A-Za-z]{3,}", name)]
    known = [word for word in words if word not in ("img", "test", "train", "unsplash", "pexels")]
    is_a_number = re.search(r"\d[a-fA-F]{1,3}\d", name)  # a hexadecimal hash
    return " ".join(known[:4]) if known and not is_a_number else "a photographed object"


def render(layer: Layer) -> Rendered:
    """Read a layer as the official scripts do, without EXIF rotation. Raises InputError that names the file."""
    assert layer.image is not None
    image = load_image(layer.image, upright=False)
    if layer.alpha is None:
        return Rendered(image, None, layer.caption)
    alpha = load_alpha(layer.alpha, colour=True, upright=False)
    check_size(layer.alpha, alpha.shape, "foreground", image.shape)
    return Rendered(image, alpha, layer.caption)
