"""From files to tables of scores: one row per prediction, means, bootstrap intervals, paired differences."""

import csv
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, fields
from functools import partial
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from erkd.files import InputError, atomic
from erkd.images import Array, load_alpha, load_image, load_trimap, save_image
from erkd.metrics import Scores, score
from erkd.parallel import map_rows, progress
from erkd.tables import Sample

STUDENT = "student"
NAMES = tuple(field.name for field in fields(Scores))
WITH_INTERVALS = ("sad", "mse", "grad", "conn")
PERCENTILES = (2.5, 97.5)


@dataclass(frozen=True)
class ScoreRow:
    """The scores of one method on one sample; samples of a `group` are averaged together."""

    group: str
    sample_id: str
    method: str
    material: str
    scores: Scores


def predict_samples(
    predictor: Callable[[Array, Array], Array], samples: Sequence[Sample], folder: Path
) -> None:
    """Write `predictor`(image, trimap) of every sample as `folder`/<sample_id>.png."""
    for sample in progress(samples, f"predict {folder.name}", total=len(samples)):
        alpha_pred = predictor(load_image(sample.image), load_trimap(sample.trimap))
        save_image(alpha_pred, folder / f"{sample.sample_id}.png")


def score_file(prediction: Path, alpha: Path, trimap: Path) -> Scores:
    """Score one prediction file against an alpha file and a trimap file. Raises InputError that names it."""
    cv2.setNumThreads(1)  # files are scored in parallel, one core each
    arrays = load_alpha(prediction), load_alpha(alpha), load_trimap(trimap)
    try:
        return score(*arrays)
    except InputError as error:
        raise InputError(f"{trimap if str(error).startswith('trimap') else prediction}: {error}") from None


def score_samples(samples: Sequence[Sample], method: str, folder: Path) -> list[ScoreRow]:
    """Score the files `folder`/<sample_id>.png of one method, in the order of `samples`, on all cores."""
    return map_rows(partial(_score_sample, method, folder), samples, f"score {method}")


def _score_sample(method: str, folder: Path, sample: Sample) -> ScoreRow:
    scores = score_file(folder / f"{sample.sample_id}.png", sample.alpha, sample.trimap)
    return ScoreRow(sample.group, sample.sample_id, method, sample.material, scores)


def score_set(samples: Sequence[Sample], predictions: Path, baselines: Path) -> list[ScoreRow]:
    """Score the student's predictions and those of every method that has a folder in `baselines`.

    Methods come in alphabetical order after the student. Raises InputError that names a missing prediction.
    """
    methods = (
        sorted(entry.name for entry in baselines.iterdir() if entry.is_dir()) if baselines.is_dir() else []
    )
    rows = score_samples(samples, STUDENT, predictions)
    return rows + [row for method in methods for row in score_samples(samples, method, baselines / method)]


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
    means: dict[str, float],
    scores: Sequence[Scores],
    minus: Sequence[Scores] | None,
    positions: NDArray[np.int64],
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


def significant(value: float) -> float:
    """A number rounded to 6 significant digits, as files keep it."""
    return float(f"{value:.6g}")


def write_rows(rows: Sequence[ScoreRow], path: Path) -> None:
    """Write one line per row: group, sample_id, method, material and every score, to 6 significant digits."""
    with atomic(path) as temporary, temporary.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(["group", "sample_id", "method", "material", *NAMES])
        for row in rows:
            values = [significant(value) for value in asdict(row.scores).values()]
            writer.writerow([row.group, row.sample_id, row.method, row.material, *values])
