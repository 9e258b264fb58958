"""What becomes of a matte when the trimap is wrong: the variants of `erkd.data.wrong_trimaps`, scored."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from erkd.data.wrong_trimaps import TRIMAPS, VARIANTS, list_variant
from erkd.evaluation.bootstrap import summarise
from erkd.evaluation.scores import STUDENT, Loader, Predictor, ScoreRow, predict_samples, score_samples, score_set
from erkd.io.tables import Sample

GIVEN = "given"
KEPT = ("sad", "sad_whole", "sad_whole_low", "sad_whole_high")


def score_variants(
    predictor: Predictor,
    samples: Sequence[Sample],
    folder: Path,
    predictions: Path,
    done: Path | None = None,
    load: Loader | None = None,
) -> list[ScoreRow]:
    """The rows of every variant under `folder`: the student, predicting here, then the methods found there.

    `done` and `load` are as in `predict_samples`.
    """
    rows: list[ScoreRow] = []
    for variant in VARIANTS:
        varied = list_variant(samples, variant, folder / variant)
        methods = {path.name: path for path in sorted((folder / variant).glob("*/")) if path.name != TRIMAPS}
        if varied:
            record = done and done / variant
            predict_samples(predictor, varied, predictions / variant, done=record, load=load)
            rows += score_set(varied, predictions / variant, methods, record)
    return rows


def score_given(
    samples: Sequence[Sample], varied: Sequence[ScoreRow], predictions: Path, methods: Mapping[str, Path]
) -> list[ScoreRow]:
    """Rows with the trimaps as drawn, of the samples and methods that occur in `varied`, as group `given`."""
    tried = {row.sample_id for row in varied}
    names = {row.method for row in varied}
    given = [replace(sample, group=GIVEN) for sample in samples if sample.sample_id in tried]
    folders = {STUDENT: predictions, **methods}
    return [row for name, path in folders.items() if name in names for row in score_samples(given, name, path)]


def summarise_variants(rows: Sequence[ScoreRow], resamples: int, seed: int) -> dict[str, dict[str, Any]]:
    """Per variant `n` and each method's SAD: in the unknown region, and with its interval over the whole image.

    The whole image counts what a wrong trimap forces on every method; the part in its unknown region does not.
    """
    summary = summarise(rows, resamples, seed)
    return {
        variant: {name: values if name == "n" else _sad_alone(values) for name, values in group.items()}
        for variant, group in summary.items()
    }


def _sad_alone(values: Mapping[str, Any]) -> dict[str, Any]:
    kept = {name: values[name] for name in KEPT if name in values}
    return kept | ({"difference": _sad_alone(values["difference"])} if "difference" in values else {})
