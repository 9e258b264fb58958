"""The stored composites: which layers meet, and how each pair becomes an image, an alpha and a row.

Benchmarks' layers meet by the official lists and rule; all others by chance, from a seed of their own.
"""

import zlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from erkd.composite import camera_effects, composite, composite_official, liken, place_background
from erkd.files import InputError
from erkd.images import Array, load_alpha, load_image, save_image, to_bytes
from erkd.parallel import map_rows
from erkd.params import CompositeParams
from erkd.tables import CompositeRow, LayerRow, read_table, resolve, write_table

LIKENED = 0.25  # of the composites get a background in about the foreground's colours
SPLITS = ("train", "validation", "test")
BENCHMARKS = ("composition1k", "distinctions646")  # sources with official pairs


@dataclass(frozen=True)
class _Plan:
    """One composite before it is made; an official one draws nothing from its seed."""

    sample_id: str
    foreground: LayerRow
    background: LayerRow
    seed: int
    official: bool = False


@dataclass(frozen=True)
class _Make:
    """Makes one composite, writes its image and alpha, and returns its row."""

    table: Path
    out_dir: Path
    effects: float

    def __call__(self, plan: _Plan) -> CompositeRow:
        foreground = load_image(resolve(self.table, plan.foreground.image))
        alpha = load_alpha(resolve(self.table, plan.foreground.alpha))
        if foreground.shape[:2] != alpha.shape:
            raise InputError(
                f"{plan.foreground.alpha}: {alpha.shape} pixels; its image has {foreground.shape[:2]}"
            )
        background = load_image(resolve(self.table, plan.background.image))
        if plan.official:
            layers = (to_bytes(array) for array in (foreground, alpha, background))
            image = composite_official(*layers).astype(np.float32) / np.float32(255)
        else:
            image, alpha = self._by_chance(foreground, alpha, background, np.random.default_rng(plan.seed))
        row = _row(plan, *alpha.shape[:2])
        save_image(image, self.out_dir / row.image)
        save_image(alpha, self.out_dir / row.alpha)
        return row

    def _by_chance(
        self, foreground: Array, alpha: Array, background: Array, rng: np.random.Generator
    ) -> tuple[Array, Array]:
        if rng.random() < 0.5:
            foreground, alpha = foreground[:, ::-1], alpha[:, ::-1]
        height, width = alpha.shape
        background = place_background(background, height, width, rng)
        if rng.random() < LIKENED:
            background = liken(background, foreground, alpha, rng.uniform(0.3, 0.95))
        image = composite(foreground, alpha, background)
        return camera_effects(image, rng) if rng.random() < self.effects else image, alpha


def _row(plan: _Plan, height: int, width: int) -> CompositeRow:
    foreground, background = plan.foreground, plan.background
    return CompositeRow(
        sample_id=plan.sample_id,
        split=foreground.split,
        source=foreground.source,
        licence=" + ".join(dict.fromkeys((foreground.licence, background.licence))),
        foreground_id=foreground.layer_id,
        background_id=background.layer_id,
        material=foreground.material,
        image=f"images/{plan.sample_id}.png",
        alpha=f"alphas/{plan.sample_id}.png",
        height=height,
        width=width,
        seed=plan.seed,
        caption=f"{foreground.caption} in front of {background.caption}",
        foreground_phrase=foreground.caption,
        background_phrase=background.caption,
    )


def _pair_by_chance(
    foregrounds: list[LayerRow], backgrounds: list[LayerRow], copies: int, seed: int, part: int
) -> list[_Plan]:
    """Give every foreground its backgrounds: all of a split's before one comes again."""
    rng = np.random.default_rng([seed, 17, part])
    plans: list[_Plan] = []
    order: list[int] = []
    used: dict[str, set[int]] = {row.layer_id: set() for row in foregrounds}
    for copy in range(copies):
        for foreground in foregrounds:
            order = order or rng.permutation(len(backgrounds)).tolist()
            seen = used[foreground.layer_id]
            chosen = next((index for index in order if index not in seen), order[0])
            order.remove(chosen)
            seen.add(chosen)
            sample_id = f"{foreground.layer_id}-{copy:02d}"
            row_seed = (seed + zlib.crc32(f"composite {sample_id}".encode())) % 2**32
            plans.append(_Plan(sample_id, foreground, backgrounds[chosen], row_seed))
    return plans


def _pair_officially(foregrounds: list[LayerRow], backgrounds: list[LayerRow], copies: int) -> list[_Plan]:
    """The first `copies` pairs of every foreground, in the order and with the names of the official lists.

    As `erkd.sources.official` lists them: a foreground's backgrounds bear its `seed`, and the composite's name
    before `-bg`.
    """
    own: dict[int, list[LayerRow]] = {row.seed: [] for row in foregrounds}
    for background in backgrounds:
        own.setdefault(background.seed, []).append(background)
    plans = []
    for foreground in foregrounds:
        partners = own[foreground.seed][:copies]
        if len(partners) < copies:
            split = foreground.split
            raise InputError(
                f"composite.per_foreground.{split}: {copies} is too many, {foreground.layer_id} has "
                f"{len(partners)} backgrounds; lower it, or raise data.backgrounds.{split}"
            )
        names = [row.layer_id.removesuffix("-bg") for row in partners]
        plans += [
            _Plan(name, foreground, row, row.seed, True) for name, row in zip(names, partners, strict=True)
        ]
    return plans


def _plan(layers: list[LayerRow], params: CompositeParams, seed: int) -> list[_Plan]:
    plans = []
    for part, split in enumerate(SPLITS):
        foregrounds = [row for row in layers if row.kind == "foreground" and row.split == split]
        backgrounds = [row for row in layers if row.kind == "background" and row.split == split]
        if not foregrounds or not backgrounds:
            raise InputError(
                f"library.csv: the split {split} has no {'fore' if not foregrounds else 'back'}grounds"
            )
        copies = getattr(params.per_foreground, split)
        if foregrounds[0].source in BENCHMARKS:
            plans += _pair_officially(foregrounds, backgrounds, copies)
        else:
            plans += _pair_by_chance(foregrounds, backgrounds, copies, seed, part)
    return plans


def write_composites(
    library_dir: Path, out_dir: Path, params: CompositeParams, seed: int, done: Path | None = None
) -> list[CompositeRow]:
    """Make every composite of a library into `out_dir`, in parallel; the table is written last.

    The alpha written is the 8-bit alpha the composite was made with. With the folder `done`, composites that
    it records are not made again. Raises InputError for a split without layers and for an alpha of another
    size than its foreground.
    """
    table = library_dir / "library.csv"
    plans = _plan(read_table(table, LayerRow), params, seed)
    rows = map_rows(_Make(table, out_dir, params.effects), plans, "Compositing", done, CompositeRow)
    write_table(rows, out_dir / "manifest.csv")
    return rows
