"""The students that ship: from a finished training to a folder of weights with its card, and back to its losses."""

import csv
import platform
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

import torch

from erkd.export.onnx import export_student
from erkd.io.files import InputError, read_json, sha256, write_json
from erkd.io.tables import LayerRow, read_table
from erkd.params import Params
from erkd.runtime.device import choose_device
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
CONTROL = "-plain"  # ends the names of trials that are trained without distillation; they do not ship
START = "-start"  # and of those that the training of one that ships goes on from
LOGGED = ("step", "loss", "validation_sad", "validation_mse")
REPLAYED = 50  # steps whose losses are compared


def publish_folder(root: Path, name: str) -> Path:
    """Where a trial's student is published: in the package, or below `root` if it does not ship."""
    if name.endswith(CONTROL):
        return root / "controls" / name
    return root / "starts" / name if name.endswith(START) else WEIGHTS / name


@contextmanager
def hours_added(path: Path) -> Iterator[None]:
    """Add the hours that the block takes to those in `path`, however it ends short of a kill."""
    before, start = read_json(path) if path.is_file() else 0.0, time.monotonic()
    try:
        yield
    finally:
        write_json(before + (time.monotonic() - start) / 3600, path)


def publish(project: Path, params: Params, folder: Path, hours: float) -> None:
    """Copy a student, trained in so many `hours`, into `folder`: student.safetensors, student.json, student.onnx
    (weights stored as float16), onnx.json, history.csv and card.json. Needs what `train_student` left under
    `project`, its library, and to run on the machine that trained."""
    source, library = project / "models/student", project / "data/library/library.csv"
    folder.mkdir(parents=True, exist_ok=True)
    for path in (source / "student.safetensors", source / "student.json"):
        shutil.copyfile(path, folder / path.name)
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
        "hardware": torch.cuda.get_device_name()
        if choose_device(params.device).type == "cuda"
        else f"{platform.machine()} CPU, {params.threads} thread(s)",
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
    """Write the history's columns of `LOGGED`; all of them would be several times the bytes."""
    with history.open(encoding="utf-8", newline="") as stream:
        lines = [*csv.DictReader(stream)]
    write_history([{name: float(line[name]) for name in LOGGED if line.get(name)} for line in lines], log)


class _Replayed(Exception):
    """Enough steps were compared."""


def replay(project: Path, params: Params, history: Path) -> float:
    """Train the first steps anew and return the largest relative difference of their losses from `history`.

    Zero on the same kind of machine with as many threads; the history keeps six digits.
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
    """What a method scores on a set: means over the unknown region; SAD, Grad, Conn in thousands.

    `ratio` is the geometric mean over images of its SAD over the best classical method's on the image, `worst` the
    largest; `seconds` the median per image, processor time; `parameters` 0 for classical methods.
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
