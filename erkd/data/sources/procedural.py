"""The built-in source: procedural foregrounds and backgrounds, with colours from pictures in Python packages.

Nothing is downloaded. Each picture belongs to one split and has a free licence, stated by its package.
`data.photographs` adds a folder of photographs.
"""

from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files
from pathlib import Path

import numpy as np

from erkd.data.sources.layers import Layer, Rendered
from erkd.data.sources.photographs import read_photographs
from erkd.data.synth.backgrounds import BACKDROPS, draw_background
from erkd.data.synth.materials import MATERIALS, draw_foreground
from erkd.io.images import Array, load_image
from erkd.io.tables import PHOTOGRAPH, SPLITS
from erkd.params import DataParams

# Materials are dealt from shuffled copies of a deck with one card of each, and more of those frequent in
# photographs, or hard.
CARDS = {"fur": 3, "hair": 3, "leaves": 2, "foliage": 2, "flag": 2}
DECK = tuple(name for name in MATERIALS for _ in range(CARDS.get(name, 1)))
GENERATED = "CC0-1.0"  # licence of drawings that use no picture
PICTURE_SHARE = 0.6  # share of backgrounds that are crops of pictures
TEXTURE_SHARE = 0.7  # share of foregrounds that may take textures from a picture


@dataclass(frozen=True)
class Picture:
    """A picture in a Python package, with its split, licence (and author) and caption."""

    package: str
    path: str
    split: str
    licence: str
    phrase: str


# Licences as stated by scikit-image's docstrings (skimage/data/_fetchers.py) and scikit-learn's
# datasets/images/README.txt. Left out, as no licence is stated: moon, page, color, cell, motorcycle.
PICTURES = {
    "astronaut": Picture("skimage.data", "astronaut.png", "train", "public domain (NASA)", "an astronaut"),
    "coffee": Picture("skimage.data", "coffee.png", "train", "CC0-1.0 (Rachel Michetti)", "a cup of coffee"),
    "rocket": Picture("skimage.data", "rocket.jpg", "train", "public domain (SpaceX)", "a rocket at night"),
    "hubble": Picture("skimage.data", "hubble_deep_field.jpg", "train", "public domain (NASA)", "a sky of galaxies"),
    "brick": Picture("skimage.data", "brick.png", "train", "CC0-1.0 (CC0Textures)", "a brick wall"),
    "grass": Picture("skimage.data", "grass.png", "train", "CC0-1.0 (linolafett)", "a lawn"),
    "china": Picture(
        "sklearn.datasets.images", "china.jpg", "train", "CC-BY-2.0 (danielbuechele)", "a Chinese temple"
    ),
    "coins": Picture(
        "skimage.data", "coins.png", "train", "no known restrictions (Brooklyn Museum)", "a tray of old coins"
    ),
    "flower": Picture("sklearn.datasets.images", "flower.jpg", "validation", "CC-BY-2.0 (vultilion)", "a dahlia"),
    "gravel": Picture("skimage.data", "gravel.png", "validation", "CC0-1.0 (CC0Textures)", "gravel"),
    "tissue": Picture("skimage.data", "ihc.png", "validation", "no known restrictions", "a stained tissue"),
    "cat": Picture("skimage.data", "chelsea.png", "test", "CC0-1.0 (Stefan van der Walt)", "a cat"),
    "camera": Picture("skimage.data", "camera.png", "test", "CC0-1.0 (Lav Varshney)", "a man with a camera"),
    "retina": Picture("skimage.data", "retina.jpg", "test", "CC0-1.0 (Häggström)", "the back of an eye"),
}


@lru_cache(maxsize=len(PICTURES))
def load_picture(name: str) -> Array:
    """Load a bundled picture, H x W x 3 in [0, 1]; it is cached, so callers must not write to it."""
    picture = PICTURES[name]
    return load_image(Path(str(files(picture.package) / picture.path)))


@dataclass(frozen=True)
class _ColourSource:
    """A source of a layer's colours: the name of a bundled picture, or a photograph, with licence and caption."""

    licence: str
    phrase: str = ""
    picture: str = ""
    photograph: Path | None = None


NO_PICTURE = _ColourSource(GENERATED)


def _colour_sources(data: DataParams, use: str) -> dict[str, list[_ColourSource]]:
    """Colour sources by split for `use`, "background" or "texture"; bundled pictures serve as both."""
    candidates: dict[str, list[_ColourSource]] = {split: [] for split in SPLITS}
    for name, picture in PICTURES.items():
        candidates[picture.split].append(_ColourSource(picture.licence, picture.phrase, name))
    if data.photographs is not None:
        folder = Path(data.photographs)
        for row in read_photographs(folder):
            if use in row.use.split():
                licence = f"{row.licence} ({row.author}, {row.file})"
                candidates[row.split].append(_ColourSource(licence, row.shows, photograph=folder / row.file))
    return candidates


def _choose(rng: np.random.Generator, candidates: list[_ColourSource], share: float) -> _ColourSource:
    """Choose a source with probability `share`, else none."""
    return candidates[int(rng.integers(len(candidates)))] if rng.random() < share else NO_PICTURE


def _row_seed(seed: int, *key: int) -> int:
    return int(np.random.default_rng([seed, *key]).integers(2**31))


def list_foregrounds(data: DataParams, seed: int) -> list[Layer]:
    """List the procedural foregrounds of every split."""
    layers = []
    candidates = _colour_sources(data, "texture")
    for part, split in enumerate(SPLITS):
        materials: list[str] = []
        for index in range(getattr(data.foregrounds, split)):
            rng = np.random.default_rng([seed, 1, part, index])
            if not materials:
                materials = [str(name) for name in np.random.default_rng([seed, 2, part, index]).permutation(DECK)]
            chosen = _choose(rng, candidates[split], TEXTURE_SHARE)
            layers.append(
                Layer(
                    layer_id=f"{split}-fg-{index:05d}",
                    kind="foreground",
                    split=split,
                    source="procedural",
                    licence=chosen.licence,
                    material=materials.pop(),
                    seed=_row_seed(seed, 3, part, index),
                    size=data.size,
                    picture=chosen.picture,
                    photograph=chosen.photograph,
                )
            )
    return layers


def list_backgrounds(data: DataParams, seed: int) -> list[Layer]:
    """List the backgrounds of every split: crops of the split's own pictures, and drawn ones."""
    layers = []
    candidates = _colour_sources(data, "background")
    for part, split in enumerate(SPLITS):
        for index in range(getattr(data.backgrounds, split)):
            rng = np.random.default_rng([seed, 4, part, index])
            chosen = _choose(rng, candidates[split], PICTURE_SHARE)
            layers.append(
                Layer(
                    layer_id=f"{split}-bg-{index:05d}",
                    kind="background",
                    split=split,
                    source="procedural",
                    licence=chosen.licence,
                    material=PHOTOGRAPH if chosen is not NO_PICTURE else str(rng.choice(BACKDROPS)),
                    seed=_row_seed(seed, 5, part, index),
                    caption=chosen.phrase,
                    size=data.size,
                    picture=chosen.picture,
                    photograph=chosen.photograph,
                )
            )
    return layers


def render(layer: Layer) -> Rendered:
    """Draw a layer; equal layers give equal pixels."""
    picture = load_picture(layer.picture) if layer.picture else None
    if layer.photograph is not None:
        picture = load_image(layer.photograph)
    if layer.kind == "foreground":
        drawing = draw_foreground(layer.material, layer.seed, layer.size, picture)
        return Rendered(drawing.foreground, drawing.alpha, drawing.phrase)
    image, phrase = draw_background(layer.material, layer.seed, layer.size, picture, layer.caption)
    return Rendered(image, None, phrase)
