"""Wrong trimaps of a set: too narrow, too wide, and wrong in places.

A variant of a set has the same images and alphas, trimaps of its own, and predictions made with these.
"""

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
FAINT = 0.1
WIDE_RADIUS = 40
WRONG_SHARE = 0.01


def vary_trimap(variant: str, alpha: Array, trimap: Array, rng: np.random.Generator) -> Array:
    """A trimap H x W that is wrong in the way of one of `VARIANTS`; `alpha` is the truth.

    narrow: unknown is only where alpha lies between 0.1 and 0.9, so that faint parts are cut off.
    wide: both known regions are eroded by 40 pixels of an image whose longer side is 800; by less where
    hardly anything would stay known. wrong: as given, but a hundredth of the known pixels, drawn at random,
    say foreground for background or the reverse. Where this leaves nothing unknown, `trimap` is returned.
    """
    if variant == "narrow":
        varied = np.select(
            [alpha <= FAINT, alpha >= 1 - FAINT], [np.float32(0), np.float32(1)], np.float32(0.5)
        )
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
    """Writes one sample's trimap of a variant."""

    variant: str
    folder: Path
    seed: int

    def __call__(self, sample: Sample) -> None:
        alpha, trimap = load_alpha(sample.alpha), load_trimap(sample.trimap)
        rng = np.random.default_rng(row_seed(self.seed, f"{self.variant} {sample.sample_id}"))
        varied = vary_trimap(self.variant, alpha, trimap, rng)
        save_trimap(varied, self.folder / TRIMAPS / f"{sample.sample_id}.png")


def spread(samples: Sequence[Sample], count: int) -> list[Sample]:
    """At most `count` samples, evenly spread over all."""
    positions = np.linspace(0, len(samples) - 1, min(count, len(samples))).round().astype(int)
    return [samples[position] for position in positions]


def write_variant(samples: Sequence[Sample], variant: str, folder: Path, seed: int) -> list[Sample]:
    """Write a variant's trimaps under `folder` and return its samples; their group is the variant."""
    map_rows(_Vary(variant, folder, seed), samples, f"{variant} trimaps")
    return list_variant(samples, variant, folder)


def list_variant(samples: Sequence[Sample], variant: str, folder: Path) -> list[Sample]:
    """Those of `samples` that have a trimap in the folder of a variant, with that trimap."""
    trimaps = {path.stem: path for path in (folder / TRIMAPS).glob("*.png")}
    return [
        replace(sample, trimap=trimaps[sample.sample_id], group=variant)
        for sample in samples
        if sample.sample_id in trimaps
    ]
