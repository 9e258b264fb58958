"""Layers as sources list and render them, and what sources share: listing files, assigning splits."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np

from erkd.io.files import InputError
from erkd.io.image_files import SUFFIXES, list_images
from erkd.io.images import Array
from erkd.io.tables import PHOTOGRAPH, SPLITS
from erkd.params import DataParams


@dataclass(frozen=True, slots=True)
class Layer:
    """A foreground or background that a source can render on its own.

    `image`, `alpha` and `trimap` are its files. Procedural layers have none but `size`, their longer side in pixels,
    and a source of colours: `picture`, the name of a bundled one, or `photograph`, a file.
    """

    layer_id: str
    kind: Literal["foreground", "background"]
    split: str
    source: str
    licence: str
    material: str
    seed: int
    caption: str = ""
    size: int = 0
    picture: str = ""
    photograph: Path | None = None
    image: Path | None = None
    alpha: Path | None = None
    trimap: Path | None = None


@dataclass(frozen=True)
class Rendered:
    """A layer's colours H x W x 3 and alpha H x W (None for a background) in [0, 1], and its caption."""

    image: Array
    alpha: Array | None
    caption: str


def folder_of(data: DataParams, key: Literal["root", "backgrounds_root"], what: str) -> Path:
    """The folder that `data.root` or `data.backgrounds_root` names; InputError says `what` is needed."""
    value = getattr(data, key)
    if value is None:
        raise InputError(f"data.{key}: the source {data.source} needs {what}")
    return Path(value)


def check_size(alpha: Path | str, found: tuple[int, ...], image: str, expected: tuple[int, ...]) -> None:
    """Raise InputError unless an alpha or trimap has the height and width of its `image`."""
    if found != expected[:2]:
        raise InputError(f"{alpha}: {found} pixels; its {image} has {expected[:2]}")


def list_pictures(root: Path) -> list[Path]:
    """List the image files below a folder, sorted by name; others are warned of. Raises InputError without any."""
    if not root.is_dir():
        raise InputError(f"{root}: no such folder; a folder of photographs is needed")
    files = sorted(list_images(root))
    if not files:
        raise InputError(f"{root}: no pictures ({', '.join(SUFFIXES)}) in it")
    return files


def split_layers(layers: Sequence[Layer], counts: dict[str, int], seed: int, where: Path) -> list[Layer]:
    """Assign shuffled layers to splits in proportion to `counts`, at least one and at most the count each.

    `where` is the layers' folder, for messages. Raises InputError for fewer layers than splits.
    """
    if len(layers) < len(SPLITS):
        raise InputError(f"{where}: found {len(layers)} usable pictures; the three splits need at least 3")
    order = np.random.default_rng([seed, 29]).permutation(len(layers))
    total = sum(counts.values())
    shares = {split: max(1, round(len(layers) * counts[split] / total)) for split in ("validation", "test")}
    while sum(shares.values()) >= len(layers):
        shares[max(shares, key=lambda split: shares[split])] -= 1
    cut = [len(layers) - sum(shares.values()), len(layers) - shares["test"]]
    chosen: list[Layer] = []
    for split, part in zip(SPLITS, np.split(order, cut), strict=True):
        kept = sorted(int(index) for index in part[: counts[split]])
        parted = (layers[index] for index in kept)
        chosen += [replace(layer, split=split, layer_id=f"{split}-{layer.layer_id}") for layer in parted]
    return chosen


def list_photographs(data: DataParams, seed: int) -> list[Layer]:
    """List the photographs below `root` as backgrounds of `source`, `counts` of each split drawn by `seed`."""
    root = folder_of(data, "backgrounds_root", "a folder of background photographs")
    layers = [
        Layer(
            layer_id=f"bg-{index:05d}",
            kind="background",
            split="",
            source=data.source,
            licence="unknown",
            material=PHOTOGRAPH,
            seed=index,
            caption="a photograph",
            image=file,
        )
        for index, file in enumerate(list_pictures(root))
    ]
    return split_layers(layers, data.backgrounds.model_dump(), seed, root)
