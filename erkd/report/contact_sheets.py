"""Contact sheets of the data: cut-out foregrounds of every material, and composites with their trimaps."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import numpy as np

from erkd.io.images import Array, load_alpha, load_image, load_trimap
from erkd.io.tables import CompositeRow, LayerRow, TrimapRow, read_table, resolve
from erkd.report.pictures import Picture, checkerboard, picture, tint_trimap

Row = TypeVar("Row")
THUMBNAIL = 220


@dataclass(frozen=True)
class Tile:
    """One thumbnail or two, with words below."""

    pictures: tuple[Picture, ...]
    title: str
    caption: str


def take_turns(rows: Sequence[Row], kind: Callable[[Row], str], count: int) -> list[Row]:
    """`count` rows at most, one of each kind in turn (kinds by name, rows as they come), sorted by kind."""
    queues: dict[str, list[Row]] = {}
    for row in rows:
        queues.setdefault(kind(row), []).append(row)
    taken: dict[str, list[Row]] = {name: [] for name in sorted(queues)}
    for turn in range(max(map(len, queues.values()), default=0)):
        for name in taken:
            if turn < len(queues[name]) and sum(map(len, taken.values())) < count:
                taken[name].append(queues[name][turn])
    return [row for name in taken for row in taken[name]]


def material_tiles(library: Path, count: int) -> list[Tile]:
    """Foregrounds of the library's table on a checkerboard; every material at least once."""
    rows = [row for row in read_table(library, LayerRow) if row.kind == "foreground"]
    materials = len({row.material for row in rows})
    tiles = []
    for row in take_turns(rows, lambda row: row.material, max(count, materials)):
        colours, alpha = load_image(resolve(library, row.image)), load_alpha(resolve(library, row.alpha))
        shown = _over_checkerboard(colours, alpha)
        tiles.append(
            Tile(
                (picture(shown, f"Foreground: {row.caption}", longest=THUMBNAIL),), row.material, row.caption
            )
        )
    return tiles


def _over_checkerboard(colours: Array, alpha: Array) -> Array:
    opacity = alpha[:, :, None]
    squares = checkerboard(alpha.shape[0], alpha.shape[1], max(4, max(alpha.shape) // 24))
    return np.asarray(opacity * colours + (1 - opacity) * squares, np.float32)


def composite_tiles(manifest: Path, trimaps: Path, count: int) -> list[Tile]:
    """`count` composites at most, each beside itself under its trimap; materials take turns."""
    trimap_of = {row.sample_id: resolve(trimaps, row.trimap) for row in read_table(trimaps, TrimapRow)}
    rows = [row for row in read_table(manifest, CompositeRow) if row.sample_id in trimap_of]
    tiles = []
    for row in take_turns(rows, lambda row: row.material, count):
        image, trimap = load_image(resolve(manifest, row.image)), load_trimap(trimap_of[row.sample_id])
        pictures = (
            picture(image, f"Composite {row.sample_id}: {row.caption}", longest=THUMBNAIL),
            picture(tint_trimap(image, trimap), f"Trimap of {row.sample_id}", longest=THUMBNAIL),
        )
        tiles.append(Tile(pictures, row.sample_id, f"{row.split}: {row.caption}"))
    return tiles
