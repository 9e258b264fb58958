"""Pair foregrounds with backgrounds: randomly from the seed, or by a benchmark's official lists."""

from collections import deque
from dataclasses import dataclass

import numpy as np

from erkd.io.files import InputError
from erkd.io.tables import SPLITS, LayerRow, row_seed
from erkd.params import CompositeParams

BENCHMARKS = ("composition1k", "distinctions646")  # sources with official pairs


@dataclass(frozen=True, slots=True)
class Plan:
    """One planned composite; an official one uses no randomness."""

    sample_id: str
    foreground: LayerRow
    background: LayerRow
    seed: int
    official: bool = False


def _pair_randomly(
    foregrounds: list[LayerRow], backgrounds: list[LayerRow], copies: int, seed: int, part: int
) -> list[Plan]:
    """Pair each foreground with `copies` backgrounds, using each of them once before any a second time."""
    rng = np.random.default_rng([seed, 17, part])
    plans: list[Plan] = []
    order: deque[int] = deque()  # its first goes in no time, however many there are
    used: dict[str, set[int]] = {row.layer_id: set() for row in foregrounds}
    for copy in range(copies):
        for foreground in foregrounds:
            order = order or deque(rng.permutation(len(backgrounds)).tolist())
            seen = used[foreground.layer_id]
            chosen = next((index for index in order if index not in seen), order[0])
            order.remove(chosen)
            seen.add(chosen)
            sample_id = f"{foreground.layer_id}-{copy:02d}"
            own_seed = row_seed(seed, f"composite {sample_id}")
            plans.append(Plan(sample_id, foreground, backgrounds[chosen], own_seed))
    return plans


def _pair_officially(foregrounds: list[LayerRow], backgrounds: list[LayerRow], copies: int) -> list[Plan]:
    """Take the first `copies` official pairs of each foreground (`erkd.data.sources.official` explains the ids)."""
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
        plans += [Plan(name, foreground, row, row.seed, True) for name, row in zip(names, partners, strict=True)]
    return plans


def make_plans(layers: list[LayerRow], params: CompositeParams, seed: int) -> list[Plan]:
    """Plan all composites of a library. Raises InputError for a split without layers, or with too few of them."""
    plans = []
    for part, split in enumerate(SPLITS):
        foregrounds = [row for row in layers if row.kind == "foreground" and row.split == split]
        backgrounds = [row for row in layers if row.kind == "background" and row.split == split]
        if not foregrounds or not backgrounds:
            raise InputError(f"library.csv: the split {split} has no {'fore' if not foregrounds else 'back'}grounds")
        copies = getattr(params.per_foreground, split)
        if foregrounds[0].source in BENCHMARKS:
            plans += _pair_officially(foregrounds, backgrounds, copies)
        else:
            plans += _pair_randomly(foregrounds, backgrounds, copies, seed, part)
    return plans
