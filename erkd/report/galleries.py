"""Galleries of the report: foregrounds by material, composites with trimaps, what the teacher sees, results."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from erkd.inference.cutouts import place
from erkd.io.files import read_json
from erkd.io.images import Array, load_alpha, load_image, load_trimap, resize_area
from erkd.io.tables import CompositeRow, LayerRow, Sample, TrimapRow, read_table, resolve, take_turns
from erkd.report.matte_images import InlineImage, inline, tint_trimap

THUMBNAIL = 220
STRIP_ROWS, PANEL_HEIGHT, GAP = 3, 240, 8
SHOWN_FIRST = ("fur", "veil", "net", "hair", "smoke")


@dataclass(frozen=True)
class Tile:
    """One thumbnail or several, with words below."""

    images: tuple[InlineImage, ...]
    title: str
    caption: str


def material_tiles(library: Path, count: int) -> list[Tile]:
    """Foregrounds of the library's table, transparent where they are; every material at least once."""
    rows = [row for row in read_table(library, LayerRow) if row.kind == "foreground"]
    materials = len({row.material for row in rows})
    tiles = []
    for row in take_turns(rows, lambda row: row.material, max(count, materials)):
        colours, alpha = load_image(resolve(library, row.image)), load_alpha(resolve(library, row.alpha))
        image = inline(np.dstack([colours, alpha]), f"Foreground: {row.caption}", longest=THUMBNAIL)
        tiles.append(Tile((image,), row.material, row.caption))
    return tiles


def composite_tiles(manifest: Path, trimaps: Path, count: int) -> list[Tile]:
    """`count` composites at most, each with itself under its trimap; materials take turns."""
    trimap_of = {row.sample_id: resolve(trimaps, row.trimap) for row in read_table(trimaps, TrimapRow)}
    rows = [row for row in read_table(manifest, CompositeRow) if row.sample_id in trimap_of]
    tiles = []
    for row in take_turns(rows, lambda row: row.material, count):
        image, trimap = load_image(resolve(manifest, row.image)), load_trimap(trimap_of[row.sample_id])
        shown = (
            inline(image, f"Composite {row.sample_id}: {row.caption}", longest=THUMBNAIL),
            inline(tint_trimap(image, trimap), f"Trimap of {row.sample_id}", longest=THUMBNAIL),
        )
        tiles.append(Tile(shown, row.sample_id, f"{row.split}: {row.caption}"))
    return tiles


def similarity_tiles(folder: Path) -> list[Tile]:
    """What `teacher_maps.save_maps` wrote into a folder; empty where there is none."""
    tiles = []
    index = folder / "similarity.json"
    for entry in read_json(index) if index.is_file() else []:
        alts = [f"Image {entry['sample_id']}", *(f"Similarity to: {phrase}" for phrase in entry["phrases"])]
        shown = [
            inline(load_image(folder / name), alt, longest=THUMBNAIL)
            for name, alt in zip(entry["pictures"], alts, strict=True)
        ]
        tiles.append(Tile(tuple(shown), entry["sample_id"], " · ".join(entry["phrases"])))
    return tiles


def result_strip(samples: Sequence[Sample], predictions: Path, library: Path) -> InlineImage | None:
    """A few results of a set: image, trimap, alpha and cut-out on a test background of the library.

    A row each, of the first sample of every material; None where any of this is absent.
    """
    chosen = pick_materials(
        [sample for sample in samples if (predictions / f"{sample.sample_id}.png").is_file()], STRIP_ROWS
    )
    layers = read_table(library, LayerRow, "test") if library.is_file() else []
    backgrounds = [resolve(library, row.image) for row in layers if row.kind == "background"]
    if not chosen or not backgrounds:
        return None
    rows = []
    for number, sample in enumerate(chosen, start=1):
        alpha = load_alpha(predictions / f"{sample.sample_id}.png")
        background = load_image(backgrounds[number % len(backgrounds)])
        rows.append(panels(load_image(sample.image), load_trimap(sample.trimap), alpha, background))
    alt = "Results: image, trimap, alpha and cut-out on a new background of " + ", ".join(
        sample.sample_id for sample in chosen
    )
    return inline(np.concatenate(rows)[:-GAP], alt, longest=1200)


def pick_materials(samples: Sequence[Sample], count: int) -> list[Sample]:
    """The first sample of each of `count` materials, fine structures first, then in alphabetical order."""
    first = {sample.material: sample for sample in reversed(samples)}
    names = [*(name for name in SHOWN_FIRST if name in first), *sorted(set(first) - set(SHOWN_FIRST))]
    return [first[name] for name in names[:count]]


def panels(image: Array, trimap: Array, alpha: Array, background: Array, panel_height: int = PANEL_HEIGHT) -> Array:
    """Image, trimap, alpha and cut-out on `background` side by side, white between and below: R x W x 3.

    Each is `panel_height` pixels high and half as wide again: the largest such part around the middle of what the
    trimap does not call background.
    """
    rows, columns = trimap.shape
    height, width = min(rows, columns * 2 // 3), min(columns, rows * 3 // 2)
    inside = np.argwhere(trimap > 0)
    middle = inside.mean(axis=0) if len(inside) else np.array([rows / 2, columns / 2])
    top, left = np.clip(np.rint(middle - (height / 2, width / 2)), 0, (rows - height, columns - width)).astype(int)
    shown = []
    for panel in (image, trimap, alpha, place(image, alpha, background)):
        part = np.atleast_3d(panel)[top : top + height, left : left + width]
        part = resize_area(np.broadcast_to(part, (height, width, 3)).copy(), panel_height, panel_height * 3 // 2)
        shown.append(np.pad(part, ((0, GAP), (0, GAP), (0, 0)), constant_values=1))
    return np.concatenate(shown, axis=1)[:, :-GAP]
