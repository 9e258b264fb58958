"""Train a student from the project's data and features, and save it with its history."""

import csv
import io
import sys
from collections.abc import Callable
from pathlib import Path

import torch

from erkd.batches.live import LiveBatches
from erkd.batches.stored import StoredBatches
from erkd.distill.exchanged_codes import other_rows
from erkd.distill.methods import build_methods
from erkd.evaluation.metrics.official import mse, pair, sad
from erkd.features.cache import Kind, images_digest, open_features
from erkd.features.images import TeacherImages
from erkd.inference.predict import predict_alpha
from erkd.io.files import InputError, sha256, write_text
from erkd.io.images import load_alpha, load_image, load_trimap
from erkd.io.tables import Sample, list_composites
from erkd.params import KdParams, Params
from erkd.runtime.device import choose_device, prepare_torch
from erkd.runtime.distributed import is_main_process
from erkd.runtime.schedule import envelope
from erkd.runtime.signals import OutOfTime
from erkd.students.fine_tuning import given_student, student_maker
from erkd.students.sizes import student_config
from erkd.students.student import Student, save_student
from erkd.training.loop import Record, fit

WORKERS = 2  # processes that make batches, or draw those that a GPU renders


def validation(samples: list[Sample]) -> Callable[[Student], Record]:
    """Return a function from a student to its mean `sad` (thousands of pixels) and `mse` over unknown regions."""
    loaded = [(load_image(s.image), load_trimap(s.trimap), load_alpha(s.alpha)) for s in samples]

    def measure(student: Student) -> Record:
        pairs = [pair(predict_alpha(student, image, trimap), alpha, trimap) for image, trimap, alpha in loaded]
        return {
            name: sum(metric(both).unknown for both in pairs) / len(pairs)
            for name, metric in (("sad", sad), ("mse", mse))
        }

    return measure


def write_history(history: list[Record], path: Path) -> None:
    """Write CSV with one row per step, to six significant digits; missing values are empty."""
    names = list(dict.fromkeys(name for record in history for name in record))
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(names)
    writer.writerows([f"{record[name]:.6g}" if name in record else "" for name in names] for record in history)
    write_text(text.getvalue(), path)


def build_batches(root: Path, params: Params, device: torch.device) -> StoredBatches | LiveBatches:
    """The training batches of the data under `root`, as `distill.compositing` chooses.

    Raises InputError for `distill.photographs` beside stored composites, or beside layered targets.
    """
    photographs = f"distill.photographs {params.distill.photographs}: photographs"
    if params.distill.compositing == "live":
        table = root / "data/library/library.csv"
        if params.distill.photographs and params.kd.erkd.target == "layered":
            raise InputError(f"{photographs} have no foreground for kd.erkd.target layered; set it to mixed")
        return LiveBatches(table, params.trimap, params.distill, params.seed, device)
    if params.distill.photographs:
        raise InputError(f"{photographs} come from the library's layers; set distill.compositing to live")
    manifest = root / "data/composites/manifest.csv"
    return StoredBatches(manifest, params.trimap, params.distill, params.seed)


def matting_teacher_hash(root: Path, params: KdParams) -> str | None:
    """SHA-256 of the matting teacher's weights; None without one."""
    if "matting" not in params.methods or params.matting.teacher is None:
        return None
    return sha256(root / params.matting.teacher / "student.safetensors")


def train_student(
    root: Path,
    params: Params,
    log: Callable[[int, Record], None],
    unfinished: Path | None = None,
    minutes: float | None = None,
) -> bool:
    """Train a student and write `models/student/` and `reports/history.csv` under `root`, from the main process.

    Args:
        root: The project's folder, with data and features.
        params: All parameters.
        log: Called with each step and its record.
        unfinished: Folder of checkpoints to resume from (see `fit`).
        minutes: Time limit.

    Returns:
        Whether training is finished; if not, only a checkpoint was written.
    """
    prepare_torch(params.threads, params.deterministic)
    torch.manual_seed(params.seed)
    device = choose_device(params.device)
    batches = build_batches(root, params, device)
    kind: Kind = "layers" if params.distill.compositing == "live" else "composites"
    digest = images_digest(batches.table, batches.rows)
    cache = open_features(root / "data/features", kind, images=digest, params=params.features)
    if params.features.online:
        from erkd.features.online import online_features  # open_clip, which training needs for this alone

        pictures = TeacherImages(batches.table, batches.rows)
        resolution = params.features.resolution
        cache = online_features(cache, root / "models/teacher", pictures, str(device), resolution)
    elif device.type == "cuda":
        cache = cache.on(device)
    config, text = student_config(params.student, cache.text.shape), torch.from_numpy(cache.text)
    given = given_student(root, params.distill.init_from)
    new_student = student_maker(given, config, text, params.student.pretrained)
    student = new_student()
    methods = build_methods(
        student,
        cache,
        params.kd,
        laplacian=params.distill.laplacian,
        new_student=new_student,
        root=root,
        others=other_rows(batches.rows, params.seed) if params.kd.erkd.codes == "exchanged" else None,
    )
    try:
        fitted = fit(
            student,
            methods,
            batches,
            params.distill,
            lambda progress: params.kd.weight * envelope(progress, params.kd.warmup, params.kd.ramp_down),
            validation(list_composites(root / "data/composites", root / "data/trimaps", "validation")),
            device,
            WORKERS,
            log,
            unfinished,
            minutes,
        )
    except OutOfTime as stopped:
        print(stopped, file=sys.stderr)
        return False
    if not is_main_process():
        return True
    write_history(fitted.history, root / "reports/history.csv")
    training = {
        "best": fitted.best,
        "seed": params.seed,
        "data": params.data.model_dump(),
        "student": params.student.model_dump(),
        "kd": params.kd.model_dump(),
        "distill": params.distill.model_dump(),
        "init_from_sha256": None if given is None else sha256(given / "student.safetensors"),
        "matting_teacher_sha256": matting_teacher_hash(root, params.kd),
    }
    save_student(fitted.student, root / "models/student", training)
    return True
