"""From files to tables of scores: predictions are written and scored, one row for each."""

import csv
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from functools import partial
from pathlib import Path
from typing import Any

import cv2
from numpy.typing import NDArray

from erkd.evaluation.costs import Clock, Cost, measured
from erkd.evaluation.metrics.official import Scores, score
from erkd.io.files import ESCAPED, InputError, atomic
from erkd.io.images import Bytes, load_alpha, load_pair, load_trimap, save_image
from erkd.io.tables import Sample, shorten
from erkd.runtime.parallel import Once, map_rows, on_cluster, progress

Predictor = Callable[[Bytes, Bytes], NDArray[Any]]  # an image and a trimap to an alpha; `Matter` is one
Loader = Callable[[], tuple[Predictor, Clock]]  # makes it where it is needed, with the clock for its device
STUDENT = "student"
NAMES = tuple(field.name for field in fields(Scores))


@dataclass(frozen=True)
class ScoreRow:
    """The scores of one method on one sample; samples of a `group` are averaged together."""

    group: str
    sample_id: str
    method: str
    material: str
    scores: Scores


def predict_samples(
    predictor: Predictor,
    samples: Sequence[Sample],
    folder: Path,
    clock: Clock = time.process_time,
    done: Path | None = None,
    load: Loader | None = None,
) -> list[Cost]:
    """Write `predictor`(image, trimap) of every sample as `folder`/<sample_id>.png; what each cost.

    It is called as for a user's photo: `image` H x W x 3 and `trimap` H x W, uint8.
    With the folder `done`, samples that it records are not predicted again. With `load`, each worker of a cluster
    (`rows_on`) loads the predictor for itself.
    """
    record = None if done is None else done / "predict"
    if load and on_cluster():
        return map_rows(partial(_predict_loaded, load, folder), samples, "predict", record, Cost)
    one: Callable[[Sample], Cost] = partial(_predict, predictor, clock, folder)
    one = one if record is None else Once(one, record, Cost)
    return [one(sample) for sample in progress(samples, "predict", total=len(samples))]


def _predict(predictor: Predictor, clock: Clock, folder: Path, sample: Sample) -> Cost:
    alpha_pred, cost = measured(predictor, *load_pair(sample.image, sample.trimap), clock=clock)
    save_image(alpha_pred, folder / f"{sample.sample_id}.png")
    return cost


def _predict_loaded(load: Loader, folder: Path, sample: Sample) -> Cost:
    return _predict(*load(), folder, sample)


def score_file(prediction: Path, alpha: Path, trimap: Path) -> Scores:
    """Score one prediction file against an alpha file and a trimap file. Raises InputError that names it."""
    cv2.setNumThreads(1)  # files are scored in parallel, one core each
    arrays = load_alpha(prediction), load_alpha(alpha), load_trimap(trimap)
    try:
        return score(*arrays)
    except InputError as error:
        raise InputError(f"{trimap if str(error).startswith('trimap') else prediction}: {error}") from None


def score_samples(samples: Sequence[Sample], method: str, folder: Path, done: Path | None = None) -> list[ScoreRow]:
    """Score the files `folder`/<sample_id>.png of one method, in the order of `samples`, on all cores.

    With the folder `done`, files that it records are not scored again.
    """
    record = None if done is None else done / f"score-{method}"
    return map_rows(partial(_score_sample, method, folder), samples, f"score {method}", record, _score_row)


def _score_row(scores: Mapping[str, float], **fields: str) -> ScoreRow:
    """A row from its JSON."""
    return ScoreRow(scores=Scores(**scores), **fields)


def _score_sample(method: str, folder: Path, sample: Sample) -> ScoreRow:
    scores = score_file(folder / f"{sample.sample_id}.png", sample.alpha, sample.trimap)
    return ScoreRow(sample.group, sample.sample_id, method, sample.material, scores)


def score_set(
    samples: Sequence[Sample], predictions: Path, methods: Mapping[str, Path], done: Path | None = None
) -> list[ScoreRow]:
    """Score the student's predictions, then those of every other method by its folder; `done` as above.

    Raises InputError that lists the files that a folder lacks, or that belong to no sample.
    """
    for folder in methods.values():
        check_complete(samples, folder)
    folders = {STUDENT: predictions, **methods}
    return [row for method, folder in folders.items() for row in score_samples(samples, method, folder, done)]


def check_complete(samples: Sequence[Sample], folder: Path) -> None:
    """Raise InputError unless `folder` holds exactly one <sample_id>.png per sample."""
    needed = {f"{sample.sample_id}.png" for sample in samples}
    found = {path.name for path in folder.glob("*.png")}
    odd = [
        f"{title}: {shorten(sorted(names))}"
        for title, names in (("missing", needed - found), ("extra", found - needed))
        if names
    ]
    if odd:
        raise InputError(f"{folder}: {'; '.join(odd)}; a prediction per sample is needed, no more, no less")


def significant(value: float) -> float:
    """A number rounded to 6 significant digits, as files keep it."""
    return float(f"{value:.6g}")


def write_rows(rows: Sequence[ScoreRow], path: Path) -> None:
    """Write one line per row: group, sample_id, method, material and every score, to 6 significant digits."""
    with atomic(path) as temporary, temporary.open("w", encoding="utf-8", errors=ESCAPED, newline="") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(["group", "sample_id", "method", "material", *NAMES])
        for row in rows:
            values = [significant(value) for value in asdict(row.scores).values()]
            writer.writerow([row.group, row.sample_id, row.method, row.material, *values])
