"""Make the teacher that `params.teacher` asks for, and the report on it."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from erkd.io.tables import CompositeRow, TrimapRow, read_table, resolve
from erkd.params import TeacherParams
from erkd.teachers.assess import assess, rounded
from erkd.teachers.assess_words import word_agreement
from erkd.teachers.bootstrap import tune as bootstrap
from erkd.teachers.open_clip_models import open_model
from erkd.teachers.probe import probe_gap
from erkd.teachers.prompts import prompts_of
from erkd.teachers.teacher import load_teacher, save_teacher
from erkd.teachers.words import vocabulary_of


def make_teacher(
    params: TeacherParams, composites: Path, train: Sequence[CompositeRow], folder: Path, seed: int, device: str
) -> list[dict[str, float]]:
    """Write the teacher to `folder` and return its loss curve: empty where it was loaded and not tuned.

    `composites` is the table that `train` was read from.
    """
    if params.source == "bootstrap":
        model, config = bootstrap.build(params, seed), bootstrap.model_config(params)
        history = bootstrap.tune(model, composites, train, params, seed, device)
    else:
        (model, config), history = open_model(params), []
    prompts = prompts_of(train)
    knows_words = params.source == "open_clip" or params.word_weight > 0
    phrases = {"prompts": prompts, "vocabulary": vocabulary_of(prompts) if knows_words else prompts}
    save_teacher(folder, model, config, {"source": params.source, "output_stride": params.output_stride, **phrases})
    return history


def report_teacher(
    folder: Path,
    params: TeacherParams,
    history: Sequence[dict[str, float]],
    composites: Path,
    rows: Sequence[CompositeRow],
    trimaps: Path,
    photographs: Sequence[Path],
    device: str,
) -> dict[str, Any]:
    """What `reports/teacher.json` holds: scores on composites of other splits than `train`, prompts, losses.

    `composites` and `trimaps` are tables, `rows` all rows of the first; `photographs` are images that composites
    of `train` hold nothing of. The probe is fitted on one composite of each training foreground.
    """
    teacher = load_teacher(folder, device)
    files = {row.sample_id: resolve(trimaps, row.trimap) for row in read_table(trimaps, TrimapRow)}
    unseen = [row for row in rows if row.split != "train"]
    first = {row.foreground_id: row for row in reversed(rows) if row.split == "train"}
    scores = assess(teacher, composites, unseen, files)
    gaps = probe_gap(teacher, composites, list(first.values()), unseen, files)
    scores["probe"] = {f"stride_{stride}": found for stride, found in sorted(gaps.items())}
    pictures = {"photographs": photographs, "composites": [resolve(composites, row.image) for row in unseen]}
    scores["words"] = {kind: word_agreement(teacher, params.backbone, images) for kind, images in pictures.items()}
    curve = [
        {"step": step, **{name: rounded(loss) for name, loss in losses.items()}}
        for step, losses in enumerate(history)
    ]
    return {
        "source": params.source,
        "model": teacher.identity["config"]["model_cfg"]["vision_cfg"].get("timm_model_name", params.model),
        "patches": teacher.exactness,
        **scores,
        "prompts": teacher.prompts,
        "steps": len(history),
        "loss": curve,
    }
