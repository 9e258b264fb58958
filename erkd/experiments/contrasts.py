"""Contrasts between arms of an experiment: paired log ratios of errors, with intervals over seeds and photographs."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from pandas import DataFrame

CONFIDENCE = 0.95
RESAMPLES, SEED = 10_000, 0  # of the bootstrap


@dataclass(frozen=True)
class Contrast:
    """How an error of the arm `first` compares to that of `second`: a mean of natural log ratios, negative if less.

    `low` and `high` bound it by Student's t over the `seeds` that both arms have, `crossed_low` and `crossed_high` by
    a percentile bootstrap that draws seeds and images anew, each apart; `p` is that of the t-test. Of one seed these
    are NaN, and of none `mean` too.
    """

    first: str
    second: str
    seeds: tuple[int, ...]
    images: int
    mean: float
    low: float = math.nan
    high: float = math.nan
    crossed_low: float = math.nan
    crossed_high: float = math.nan
    p: float = math.nan
    by_seed: tuple[float, ...] = ()


def log_ratios(scores: "DataFrame", first: str, second: str, set: str, metric: str) -> "DataFrame":
    """Mean over trimaps of log(`first` / `second`), common seeds x images."""
    chosen = scores[(scores["set"] == set) & scores["arm"].isin([first, second])]
    table: Any = chosen.pivot(index=["arm", "seed"], columns=["image", "trimap"], values=metric)
    logs = np.log(table.astype(float))
    seeds = [seed for seed in logs.index.unique("seed") if {(first, seed), (second, seed)} <= {*logs.index}]
    ratios = logs.reindex([(first, seed) for seed in seeds]).to_numpy() - logs.reindex(
        [(second, seed) for seed in seeds]
    )
    ratios.index = seeds
    found: DataFrame = ratios.T.groupby(level="image").mean().T
    return found


def contrast(scores: "DataFrame", first: str, second: str, set: str, metric: str = "sad") -> Contrast:
    """Compare two arms on a set's images, each weighing the same whatever the number of its trimaps."""
    from scipy.stats import ttest_1samp

    ratios = log_ratios(scores, first, second, set, metric)
    values, seeds = ratios.to_numpy(), tuple(int(seed) for seed in ratios.index)
    if not seeds:
        return Contrast(first, second, (), 0, math.nan)
    by_seed = values.mean(axis=1)
    found = first, second, seeds, values.shape[1], float(by_seed.mean())
    if len(seeds) == 1:
        return Contrast(*found, by_seed=tuple(by_seed.tolist()))
    test = ttest_1samp(by_seed, 0)
    low, high = map(float, test.confidence_interval(CONFIDENCE))
    return Contrast(*found, low, high, *crossed_interval(values), float(test.pvalue), tuple(by_seed.tolist()))


def crossed_interval(values: NDArray[np.float64]) -> tuple[float, float]:
    """The percentile interval of the mean of seeds x images, when seeds and images are drawn with replacement."""
    generator, weights = np.random.default_rng(SEED), []
    for count in values.shape:
        weights.append(generator.multinomial(count, np.full(count, 1 / count), RESAMPLES) / count)
    means = np.einsum("rs,si,ri->r", weights[0], values, weights[1], optimize=True)
    low, high = np.percentile(means, [50 * (1 - CONFIDENCE), 50 * (1 + CONFIDENCE)])
    return float(low), float(high)


def holm(p: Sequence[float]) -> list[float]:
    """P-values adjusted for their number (Holm 1979); NaN, of a contrast that cannot be tested yet, counts as 1."""
    filled = np.nan_to_num(np.array(p), nan=1.0)
    order, largest = np.argsort(filled, kind="stable"), 0.0
    adjusted = np.ones(len(filled))
    for place, index in enumerate(order):
        largest = max(largest, min(1.0, (len(filled) - place) * filled[index]))
        adjusted[index] = largest
    return adjusted.tolist()


def percent(log_ratio: float) -> float:
    """A log ratio as a change in percent."""
    return 100 * math.expm1(log_ratio)
