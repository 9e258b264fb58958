"""Variants of a set with wrong trimaps (too narrow, too wide, wrong in places), to measure robustness."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from erkd.data.trimap_generation import MOST_UNKNOWN, REFERENCE_SIDE, trimap_from_alpha
from erkd.io.images import Array, load_alpha, load_trimap, save_trimap
from erkd.io.tables import Sample, row_seed
from erkd.runtime.parallel import map_rows

TRIMAPS = "trimaps"
VARIANTS = ("narrow", "wide", "wrong")
FAINT = 0.1  # alpha that a narrow trimap takes for background
WIDE_RADIUS = 40  # of a wide trimap's erosion, pixels at reference size
WRONG_SHARE = 0.01  # share of known pixels that a wrong trimap flips


def vary_trimap(variant: str, alpha: Array, trimap: Array, rng: np.random.Generator) -> Array:
    """Generate a wrong trimap H x W; `trimap` itself where nothing would be unknown.

    Args:
        variant: "narrow" (unknown only where alpha is between 0.1 and 0.9), "wide" (erosion by 40 pixels at a longer
            side of 800, less where almost nothing would stay known) or "wrong" (1 % of known pixels flipped at
            random).
        alpha: True alpha, H x W.
        trimap: The right trimap, H x W.
        rng: Source of randomness.
    """
    if variant == "narrow":
        varied = np.select([alpha <= FAINT, alpha >= 1 - FAINT], [np.float32(0), np.float32(1)], np.float32(0.5))
    elif variant == "wide":
        radius = max(1.0, WIDE_RADIUS * max(alpha.shape) / REFERENCE_SIDE)
        varied = trimap_from_alpha(alpha, radius, radius)
        while (varied == 0.5).mean() >= MOST_UNKNOWN and radius > 1:
            radius /= 2
            varied = trimap_from_alpha(alpha, radius, radius)
    else:
        known = np.flatnonzero(trimap != 0.5)
        flipped = rng.choice(known, round(WRONG_SHARE * known.size), replace=False)
        varied = trimap.copy()
        varied.flat[flipped] = 1 - varied.flat[flipped]
    return varied if (varied == 0.5).any() else trimap


@dataclass(frozen=True)
class _Vary:
    """Write one sample's trimap of a variant (picklable for workers)."""

    variant: str
    folder: Path
    seed: int

    def __call__(self, sample: Sample) -> None:
        alpha, trimap = load_alpha(sample.alpha), load_trimap(sample.trimap)
        rng = np.random.default_rng(row_seed(self.seed, f"{self.variant} {sample.sample_id}"))
        varied = vary_trimap(self.variant, alpha, trimap, rng)
        save_trimap(varied, self.folder / TRIMAPS / f"{sample.sample_id}.png")


def spread(samples: Sequence[Sample], count: int) -> list[Sample]:
    """Pick at most `count` evenly spaced samples."""
    positions = np.linspace(0, len(samples) - 1, min(count, len(samples))).round().astype(int)
    return [samples[position] for position in positions]


def write_variant(samples: Sequence[Sample], variant: str, folder: Path, seed: int) -> list[Sample]:
    """Write the trimaps of a variant under `folder` and return its samples, with the variant as their group."""
    map_rows(_Vary(variant, folder, seed), samples, f"{variant} trimaps")
    return list_variant(samples, variant, folder)


def list_variant(samples: Sequence[Sample], variant: str, folder: Path) -> list[Sample]:
    """The samples that have a trimap in a variant's folder, with that trimap."""
    trimaps = {path.stem: path for path in (folder / TRIMAPS).glob("*.png")}
    return [
        replace(sample, trimap=trimaps[sample.sample_id], group=variant)
        for sample in samples
        if sample.sample_id in trimaps
    ]
