"""What training on drawn layers alone is worth on photographs: one training, scored on both trimaps.

`python -m benchmarks.transfer --photographs DIR --root DIR [--seed 0] [--steps 1000] [--without hair fur]
[--set trimap.whole_object=0 ...]` draws a library once per root, trains the student of `params.yaml` without
distillation on one core, live, and scores the photographs (layout of alphamatting.com) and the classical
methods, the latter once per root. The last line is a JSON object; `ratio` is the student's mean SAD over the
best classical method's, per trimap.
"""

import argparse
import json
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from ruamel.yaml import YAML
from torch import nn
from torch.nn.functional import normalize

from erkd.batches.live import LiveBatches
from erkd.data.library import write_library
from erkd.data.sources.alphamatting import GROUPS, list_samples
from erkd.evaluation.baselines import prediction_path, run_baselines
from erkd.evaluation.scores import predict_samples, score_file, score_samples
from erkd.inference.predict import predict_alpha
from erkd.io.tables import LayerRow, Sample, read_table, write_table
from erkd.params import Params
from erkd.students.sizes import student_config
from erkd.students.student import build_student, save_student
from erkd.training.loop import fit

LIBRARY = {
    "size": 640,
    "foregrounds": {"train": 400, "validation": 1, "test": 1},
    "backgrounds": {"train": 300, "validation": 1, "test": 1},
}
CLASSICAL = ("closed_form", "knn", "shared_sampling")


def changed_params(changes: list[str]) -> Params:
    """`params.yaml` with the larger library and `section.key=value` changes."""
    content: Any = YAML(typ="safe", pure=True).load(Path("params.yaml"))
    content["data"] |= LIBRARY
    for change in changes:
        key, value = change.split("=", 1)
        *sections, name = key.split(".")
        part = content
        for section in sections:
            part = part[section]
        part[name] = YAML(typ="safe", pure=True).load(value)
    return Params.model_validate(content)


def library_table(root: Path, params: Params, without: list[str]) -> Path:
    """The library's table, drawn once, without the foregrounds of some materials."""
    table = root / "library/library.csv"
    if not table.exists():
        write_library(params.data, params.seed, table.parent)
    if not without:
        return table
    rows = [row for row in read_table(table, LayerRow) if row.material not in without]
    filtered = table.with_name(f"library-without-{'-'.join(without)}.csv".replace(" ", "_"))
    write_table(rows, filtered)
    return filtered


def classical_sad(root: Path, samples: list[Sample]) -> dict[str, dict[str, float]]:
    """Mean SAD per trimap and classical method; the predictions are kept under `root`."""
    folder = root / "classical"
    if not (folder / "done").exists():
        run_baselines(samples, CLASSICAL, folder)
        (folder / "done").touch()
    return {
        group: {
            method: float(
                np.mean(
                    [
                        score_file(prediction_path(folder, method, s), s.alpha, s.trimap).sad
                        for s in samples
                        if s.group == group
                    ]
                )
            )
            for method in CLASSICAL
        }
        for group in GROUPS
    }


def main() -> None:
    """Train once and print what it gives."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--root", type=Path, required=True)
    parser.add_argument("--photographs", type=Path, required=True)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--steps", type=int, default=1000)
    parser.add_argument("--without", nargs="*", default=[])
    parser.add_argument("--set", nargs="*", default=[])
    args = parser.parse_args()

    params = changed_params(args.set)
    table = library_table(args.root, params, args.without)
    distill = params.distill.model_copy(update={"steps": args.steps, "validate_every": args.steps})
    torch.set_num_threads(1)
    torch.manual_seed(args.seed)
    text = normalize(torch.randn(20, 128), dim=1)
    config = replace(student_config(params.student, text.shape), dictionary="learned")
    student = build_student(config, text, params.student.pretrained)
    device = torch.device("cpu")
    batches = LiveBatches(table, params.trimap, distill, args.seed, device)
    start = time.process_time()
    fitted = fit(
        student, nn.ModuleDict(), batches, distill, lambda _: 0.0, lambda _: {"sad": 0.0}, device, workers=0
    )
    minutes = (time.process_time() - start) / 60

    name = "-".join([f"seed{args.seed}-{args.steps}", *args.without, *args.set]).replace(" ", "_")
    save_student(fitted.student, args.root / "students" / name, {"steps": args.steps})
    samples = list_samples(args.photographs)
    folder = args.root / "predictions" / name
    predict_samples(lambda image, trimap: predict_alpha(fitted.student, image, trimap), samples, folder)
    rows = score_samples(samples, "student", folder)
    sad = {g: float(np.mean([row.scores.sad for row in rows if row.group == g])) for g in GROUPS}
    classical = classical_sad(args.root, samples)
    result = {
        "seed": args.seed,
        "steps": args.steps,
        "without": args.without,
        "set": args.set,
        "cpu_minutes": round(minutes, 1),
        "loss_end": round(float(np.mean([r["loss"] for r in fitted.history[-100:]])), 4),
        "sad": {group: round(value, 3) for group, value in sad.items()},
        "classical": {g: {m: round(v, 3) for m, v in of.items()} for g, of in classical.items()},
        "ratio": {g: round(sad[g] / min(classical[g].values()), 3) for g in GROUPS},
    }
    print(json.dumps(result))


if __name__ == "__main__":
    main()
