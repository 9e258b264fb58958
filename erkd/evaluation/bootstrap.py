"""Means over images with bootstrap intervals, and paired differences between methods."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from erkd.evaluation.metrics.official import Scores
from erkd.evaluation.scores import NAMES, STUDENT, ScoreRow, significant, write_rows
from erkd.io.files import write_json

WITH_INTERVALS = ("sad", "mse", "grad", "conn", "sad_whole", "mse_whole")
PERCENTILES = (2.5, 97.5)


def mean_scores(scores: Sequence[Scores]) -> dict[str, float]:
    """The mean of every score over images, each image counting the same."""
    return {name: float(np.mean([getattr(row, name) for row in scores])) for name in NAMES}


def resample(count: int, resamples: int, seed: int) -> NDArray[np.int64]:
    """`resamples` x `count` positions drawn with replacement, the same for all methods: pairs stay pairs."""
    return np.random.default_rng([seed, count]).integers(0, count, (resamples, count))


def interval(values: NDArray[np.float64], positions: NDArray[np.int64]) -> tuple[float, float]:
    """The 95 % percentile bootstrap interval of a mean over images (Efron and Tibshirani 1993)."""
    low, high = np.percentile(values[positions].mean(axis=1), PERCENTILES)
    return float(low), float(high)


def summarise(rows: Sequence[ScoreRow], resamples: int, seed: int) -> dict[str, dict[str, Any]]:
    """Per group: `n`, and per method its means with intervals; groups and methods in the order of `rows`.

    Every other method also gets `difference`: student - method on the same images, with intervals. Each
    method must have scored the same samples of its group; numbers are rounded to 6 significant digits.
    """
    summary: dict[str, dict[str, Any]] = {}
    for group in dict.fromkeys(row.group for row in rows):
        of_group = [row for row in rows if row.group == group]
        methods = {
            name: [row.scores for row in of_group if row.method == name]
            for name in dict.fromkeys(row.method for row in of_group)
        }
        positions = resample(len(next(iter(methods.values()))), resamples, seed)
        summary[group] = {"n": positions.shape[1]}
        for name, scores in methods.items():
            summary[group][name] = _with_intervals(mean_scores(scores), scores, None, positions)
            if name != STUDENT and STUDENT in methods:
                student = methods[STUDENT]
                means = {key: mean_scores(student)[key] - mean_scores(scores)[key] for key in WITH_INTERVALS}
                summary[group][name]["difference"] = _with_intervals(means, student, scores, positions)
    return summary


def _with_intervals(
    means: dict[str, float], scores: Sequence[Scores], minus: Sequence[Scores] | None, positions: NDArray[np.int64]
) -> dict[str, float]:
    """`means` with `_low` and `_high` after each score that has an interval, rounded."""
    result = {}
    for name, mean in means.items():
        result[name] = significant(mean)
        if name in WITH_INTERVALS:
            values = np.array([getattr(row, name) for row in scores])
            if minus is not None:
                values = values - np.array([getattr(row, name) for row in minus])
            low, high = interval(values, positions)
            result |= {f"{name}_low": significant(low), f"{name}_high": significant(high)}
    return result


def write_scores(rows: Sequence[ScoreRow], reports: Path, resamples: int, seed: int) -> None:
    """Write `summarise` as `reports`/metrics.json and the rows as `reports`/per_image.csv."""
    write_json(summarise(rows, resamples, seed), reports / "metrics.json")
    write_rows(rows, reports / "per_image.csv")
