"""Write the stored trimaps: generated for every composite, or as a benchmark supplies them."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from erkd.data.sources.layers import check_size
from erkd.data.trimap_generation import draw_trimap, trimap_from_alpha
from erkd.io.files import InputError
from erkd.io.images import load_alpha, load_trimap, save_trimap
from erkd.io.tables import CompositeRow, TrimapRow, read_table, resolve, row_seed, write_table
from erkd.params import TrimapParams
from erkd.runtime.parallel import iterate_rows

Given = Path | tuple[int, int]  # a trimap file, or radii of foreground and background, pixels


@dataclass(frozen=True)
class _Draw:
    """Write the trimap of one composite and return its row (picklable for workers)."""

    table: Path
    out_dir: Path
    params: TrimapParams
    seed: int

    def __call__(self, task: tuple[CompositeRow, Given | None]) -> TrimapRow:
        composite, given = task
        seed = row_seed(self.seed, f"trimap {composite.sample_id}")
        path = resolve(self.table, composite.alpha)
        alpha, radii = load_alpha(path), (0, 0)
        if isinstance(given, Path):
            path, trimap = given, load_trimap(given)
            check_size(path, trimap.shape, "alpha", alpha.shape)
        elif given is not None:
            radii, trimap = given, trimap_from_alpha(alpha, *given)
        else:
            trimap, drawn = draw_trimap(alpha, self.params, np.random.default_rng(seed))
            radii = (drawn.foreground, drawn.background)
        unknown = float((trimap == 0.5).mean())
        if unknown == 0:
            raise InputError(f"{path}: no edge in it, so its trimap would have no unknown region")
        name = f"trimaps/{composite.sample_id}.png"
        save_trimap(trimap, self.out_dir / name)
        return TrimapRow(composite.sample_id, composite.split, name, *radii, round(unknown, 6), seed)


def write_trimaps(
    composites_dir: Path,
    out_dir: Path,
    params: TrimapParams,
    seed: int,
    given: Mapping[str, Given] | None = None,
    done: Path | None = None,
) -> None:
    """Write a trimap for every composite, in parallel; `trimaps.csv` is written last.

    Args:
        composites_dir: Folder of `manifest.csv`.
        out_dir: Where trimaps and table go.
        params: The section `trimap`.
        seed: Seed of the radii.
        given: Supplied files (radii 0 in the table) or radii, by sample.
        done: Folder that records finished rows, for resuming.

    Raises:
        InputError: Names an alpha without an edge, or a supplied trimap without unknown pixels or of another size.
    """
    table = composites_dir / "manifest.csv"
    tasks = [(row, (given or {}).get(row.sample_id)) for row in read_table(table, CompositeRow)]
    rows = iterate_rows(_Draw(table, out_dir, params, seed), tasks, "Drawing trimaps", done, TrimapRow)
    write_table(rows, out_dir / "trimaps.csv")


def set_hash(trimaps_dir: Path, split: str) -> str:
    """SHA-256 over names, sizes and pixel values of a split's trimaps, whatever the PNGs' compression."""
    table, digest = trimaps_dir / "trimaps.csv", hashlib.sha256()
    for row in sorted(read_table(table, TrimapRow, split), key=lambda row: row.sample_id):
        levels = np.rint(load_trimap(resolve(table, row.trimap)) * 2).astype(np.uint8)
        digest.update(f"{row.sample_id} {levels.shape[0]} {levels.shape[1]}\n".encode())
        digest.update(levels.tobytes())
    return digest.hexdigest()
