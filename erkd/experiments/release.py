"""The release: publish a trained student with its card, and check it by replaying the start of its training."""

import csv
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

from erkd.experiments.trial_students import hardware, publish_half
from erkd.export.onnx import export_student
from erkd.io.files import InputError, read_json, sha256, write_json
from erkd.io.tables import LayerRow, read_table
from erkd.params import Params
from erkd.students.student import load_student
from erkd.tracking.candidate import group_licences
from erkd.tracking.runs import git
from erkd.training.train import Record, train_student, write_history

WEIGHTS = Path(str(files("erkd"))) / "weights"
LICENCE = (
    "Apache-2.0, as the project; the backbone starts from tf_efficientnet_lite0 of TensorFlow's model garden "
    "(Apache-2.0), trained on ImageNet; the training data is drawn by the project, in part from freely licensed "
    "pictures, which data_licences names"
)
FAILURES = (
    "Fine hair and fur before a background of their own colour or texture.",
    "Glass, smoke and motion blur across a busy background.",
    "Objects that a trimap leaves unknown as a whole: without known foreground near by, alpha is a guess.",
    "Photographs far larger than 1 megapixel with unknown bands of hundreds of pixels: reduce them first.",
)
LOGGED = ("step", "loss", "validation_sad", "validation_mse")  # published columns of the history
REPLAYED = 50  # steps whose losses are compared


def is_published(project: Path, params: Params, folder: Path) -> bool:
    """Whether a student is published in `folder` that was trained as these settings say, from the start of now."""
    if not ((folder / "card.json").is_file() and (folder / "student.safetensors").is_file()):
        return False
    card, student = read_json(folder / "card.json"), read_json(folder / "student.json")
    start = params.distill.init_from
    given = sha256(project / start / "student.safetensors") if start else None
    as_told = card["settings"] == params.model_dump(mode="json")
    return as_told and student["training"].get("init_from_sha256") == given


@contextmanager
def hours_added(path: Path) -> Iterator[None]:
    """Add the hours that the block takes to those in the JSON file `path`, also when it raises."""
    before, start = read_json(path) if path.is_file() else 0.0, time.monotonic()
    try:
        yield
    finally:
        write_json(before + (time.monotonic() - start) / 3600, path)


def publish(project: Path, params: Params, folder: Path, hours: float) -> None:
    """Publish a trained student in float16: its weights, ONNX file, their records, history.csv and card.json.

    Args:
        project: Folder that `train_student` wrote to, with its library.
        folder: Where to publish.
        hours: Duration of the training; the card also names the present machine as its hardware.
    """
    source, library = project / "models/student", project / "data/library/library.csv"
    folder.mkdir(parents=True, exist_ok=True)
    publish_half(source, folder)
    log_training(project / "reports/history.csv", folder / "history.csv")
    weights = sha256(folder / "student.safetensors")
    with tempfile.TemporaryDirectory() as name:
        made = Path(name)
        export_student(load_student(folder), made, params.export, weights)
        record = read_json(made / "onnx.json")
        shutil.copyfile(made / "student.fp16.onnx", folder / "student.onnx")
    write_json(record | record["fp16"], folder / "onnx.json")
    student = read_json(folder / "student.json")
    card = {
        "commit": git(WEIGHTS.parent, "rev-parse", "HEAD") or "unknown",
        "data_seed": params.seed,
        "steps": params.distill.steps,
        "hours": round(hours, 2),
        "hardware": hardware(params),
        "parameters": student["parameters"],
        "sha256": weights,
        "best_validation": student["training"]["best"],
        "licence": LICENCE,
        "data_licences": group_licences(row.licence for row in read_table(library, LayerRow)),
        "known_failures": FAILURES,
        "settings": params.model_dump(mode="json"),
    }
    write_json(card, folder / "card.json")


def log_training(history: Path, log: Path) -> None:
    """Copy the columns `LOGGED` of a history."""
    with history.open(encoding="utf-8", newline="") as stream:
        lines = [*csv.DictReader(stream)]
    write_history([{name: float(line[name]) for name in LOGGED if line.get(name)} for line in lines], log)


class _Replayed(Exception):
    """Ends a replay after `REPLAYED` steps."""


def replay(project: Path, params: Params, history: Path) -> float:
    """Repeat the first `REPLAYED` training steps and return the largest relative difference of losses from `history`.

    It is zero by the code of the card, on its kind of machine with as many threads, at the history's six digits.
    """
    with history.open(encoding="utf-8", newline="") as stream:
        expected = [float(line["loss"]) for line in csv.DictReader(stream)]
    differences: list[float] = []

    def compare(step: int, record: Record) -> None:
        loss = float(f"{record['loss']:.6g}")
        differences.append(abs(loss - expected[step - 1]) / expected[step - 1])
        if step == REPLAYED:
            raise _Replayed

    try:
        train_student(project, params, compare)
    except _Replayed:
        return max(differences)
    raise InputError(f"{history}: the training ended before step {REPLAYED}")


@dataclass(frozen=True)
class ReleaseRow:
    """Scores of a method on a set, over unknown regions; SAD, Grad and Conn in thousands.

    `ratio` is the geometric mean over images of its SAD divided by the best classical method's, `worst` the largest;
    `seconds` is the median processor time per image; `parameters` is 0 for classical methods.
    """

    set: str
    method: str
    sad: float
    mse: float
    grad: float
    conn: float
    ratio: float
    worst: float
    seconds: float
    parameters: int
