"""Composition-1k (Xu et al., "Deep image matting", CVPR 2017): 431 x 100 training and 50 x 20 test composites.

ROOT/Training_set/training_{fg,bg}_names.txt, "Adobe-licensed images"/{fg,alpha}/, Other/{fg,alpha}/
ROOT/Test_set/test_{fg,bg}_names.txt, "Adobe-licensed images"/{fg,alpha,trimaps}/
BACKGROUNDS/**/COCO_train2014_*.jpg and PASCAL VOC's BACKGROUNDS/**/2007_*.jpg, 2008_*.jpg

ROOT may also be the folder that holds Combined_Dataset/. The supplied test trimaps are used as they are.
"""

from pathlib import Path

from erkd.data.sources.layers import Layer, folder_of
from erkd.data.sources.lists import check_counts, find_files, read_lines, stem
from erkd.data.sources.official import Official, list_pairs, list_partners, render
from erkd.params import DataParams

SOURCE = "composition1k"
WHERE = "the data set can be asked for at sites.google.com/view/deepimagematting"
LICENCE = "Deep Image Matting data set: research use by agreement with Adobe"
TRAIN_EACH, TEST_EACH = 100, 20
ADOBE = "Adobe-licensed images"

__all__ = ["given_trimaps", "list_backgrounds", "list_foregrounds", "render"]


def _root(data: DataParams) -> Path:
    root = folder_of(data, "root", f"the folder of its data; {WHERE}")
    return root / "Combined_Dataset" if (root / "Combined_Dataset").is_dir() else root


def _read(root: Path, part: str, name: str, folders: list[str], each: int) -> Official:
    lists = root / part / f"{name}_fg_names.txt", root / part / f"{name}_bg_names.txt"
    names, backgrounds = (read_lines(path, WHERE) for path in lists)
    check_counts(len(names), len(backgrounds), each, f"{lists[0]} and {lists[1].name}")
    files, alphas = (
        find_files(names, [root / part / folder / kind for folder in folders], WHERE, stem)
        for kind in ("fg", "alpha")
    )
    return Official(list(zip(files, alphas, strict=True)), backgrounds, LICENCE)


def _both(data: DataParams) -> tuple[Official, Official]:
    root = _root(data)
    train = _read(root, "Training_set", "training", [ADOBE, "Other"], TRAIN_EACH)
    return train, _read(root, "Test_set", "test", [ADOBE], TEST_EACH)


def list_foregrounds(data: DataParams, seed: int) -> list[Layer]:
    """List the official foregrounds; validation is drawn from the training list by `seed`.

    Raises InputError that says what is missing in `data.root` and what was found.
    """
    layers = list_pairs(SOURCE, *_both(data), data, seed)
    given_trimaps(data, layers)  # reports missing trimaps before anything is rendered
    return layers


def list_backgrounds(data: DataParams, seed: int) -> list[Layer]:
    """List the backgrounds of these foregrounds by the official lists; test composites have official names."""
    return list_partners(SOURCE, *_both(data), data, seed, lambda name, _, copy: f"{name}_{copy}")


def given_trimaps(data: DataParams, layers: list[Layer] | None = None) -> dict[str, Path]:
    """The supplied trimaps by test composite. Raises InputError for missing ones."""
    if layers is None:
        official = _both(data)[1]
        names = [file.stem for file, _ in official.pairs]
    else:
        names = [layer.image.stem for layer in layers if layer.split == "test" and layer.image]
    composites = [f"{name}_{copy}" for name in names for copy in range(TEST_EACH)]
    folder = _root(data) / "Test_set" / ADOBE / "trimaps"
    files = find_files((f"{name}.png" for name in composites), [folder], WHERE)
    return dict(zip(composites, files, strict=True))
