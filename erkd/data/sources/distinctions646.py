"""Distinctions-646 (Qiao et al., CVPR 2020): 596 x 80 training and 50 x 20 test composites by the same rule.

ROOT/Train/fg_train.txt, bg_train.txt, FG/, GT/
ROOT/Test/fg_test.txt, bg_test.txt, FG/, GT/
BACKGROUNDS/**/COCO_train2014_*.jpg and PASCAL VOC's BACKGROUNDS/**/2007_*.jpg, 2008_*.jpg

The lists are in the authors' repository (HAttMatting, utils/Distinctions-646). No trimaps are supplied, so results of
different papers are not comparable. Here erosion radii of 1 to 30 pixels are derived from each test composite's name;
`radii_hash` identifies them, and `erkd.data.trimaps.set_hash` the trimaps.
"""

import hashlib
from pathlib import Path

from erkd.data.sources.layers import Layer, folder_of
from erkd.data.sources.lists import check_counts, find_files, read_lines, stem
from erkd.data.sources.official import Official, list_pairs, list_partners, render
from erkd.params import DataParams

SOURCE = "distinctions646"
WHERE = "the data set can be asked for at github.com/wukaoliu/CVPR2020-HAttMatting, where its lists lie"
LICENCE = "Distinctions-646: research use, by request from its authors"
TEST_EACH = 20
COMPOSITES = 1000  # of the test set
MOST_RADIUS = 30
# `radii_hash()` of the trimaps behind this project's results
RADII = "cb4dcf5a8fdde4e6104f6fe23befd330698f29e034e006b7a0fcc336a0b6ea30"

__all__ = ["given_trimaps", "list_backgrounds", "list_foregrounds", "render"]


def _child(folder: Path, name: str) -> Path:
    """The entry of this name, case-insensitively, as archives differ."""
    entries = sorted(folder.iterdir()) if folder.is_dir() else []
    return next((entry for entry in entries if entry.name.lower() == name.lower()), folder / name)


def _read(data: DataParams, part: str) -> Official:
    folder = _child(folder_of(data, "root", f"the folder of its data; {WHERE}"), part)
    lists = [_child(folder, f"{kind}_{part.lower()}.txt") for kind in ("fg", "bg")]
    names, backgrounds = (read_lines(path, WHERE) for path in lists)
    # 80 backgrounds per foreground in the authors' training lists, 100 in some archives
    each = TEST_EACH if part == "Test" else max(1, len(backgrounds) // len(names))
    check_counts(len(names), len(backgrounds), each, f"{lists[0]} and {lists[1].name}")
    files, alphas = (find_files(names, [_child(folder, kind)], WHERE, stem) for kind in ("FG", "GT"))
    return Official(list(zip(files, alphas, strict=True)), backgrounds, LICENCE)


def list_foregrounds(data: DataParams, seed: int) -> list[Layer]:
    """List the official foregrounds; validation is drawn from the training list by `seed`.

    Raises InputError that says what is missing in `data.root` and what was found.
    """
    return list_pairs(SOURCE, _read(data, "Train"), _read(data, "Test"), data, seed)


def list_backgrounds(data: DataParams, seed: int) -> list[Layer]:
    """List the backgrounds of these foregrounds by the official lists; test composites are test_0 to test_999."""
    train, test = _read(data, "Train"), _read(data, "Test")
    return list_partners(SOURCE, train, test, data, seed, lambda _, k, copy: f"test_{k * TEST_EACH + copy}")


def given_trimaps(data: DataParams | None = None) -> dict[str, tuple[int, int]]:
    """Erosion radii (foreground, background) of each test composite, pixels; from hashes, so they never change."""
    names = [f"test_{index}" for index in range(COMPOSITES)]
    return {name: (_radius(f"foreground {name}"), _radius(f"background {name}")) for name in names}


def _radius(text: str) -> int:
    return 1 + int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") % MOST_RADIUS


def radii_hash() -> str:
    """SHA-256 over all names and radii, published as `RADII`."""
    lines = [f"{name} {radii[0]} {radii[1]}\n" for name, radii in given_trimaps().items()]
    return hashlib.sha256("".join(lines).encode()).hexdigest()
