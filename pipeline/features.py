"""Compute dense teacher features. Reads data/composites, data/library, models/teacher; writes data/features."""

from pathlib import Path

import torch

from erkd.features.images import read_teacher_images
from erkd.features.precompute import StoredTeacher, write_features
from erkd.params import Params
from erkd.runtime.device import choose_device, prepare_torch
from erkd.teachers.teacher import load_teacher
from pipeline.common.resume import scratch, stage_key
from pipeline.common.stage import run_stage


def main(root: Path, params: Params) -> None:
    """Run the teacher once over every training image of each kind."""
    prepare_torch(params.threads, params.deterministic)
    device = str(choose_device(params.device))
    images = read_teacher_images(root / "data", params.features.kinds)
    teacher = load_teacher(root / "models/teacher", device)
    folder, threads = root / "models/teacher", torch.get_num_threads()
    stored = StoredTeacher(folder, teacher.identity["weights"], params.device, threads, params.deterministic)
    key = stage_key(root, "features", device, str(threads))
    with scratch(root, "features", key) as unfinished:
        cache = unfinished / "cache"
        write_features(root / "data/features", images, teacher, params.features, device, cache, stored)


if __name__ == "__main__":
    run_stage("features", main)
