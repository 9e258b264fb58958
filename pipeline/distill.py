"""Train the student. Reads data/composites, data/trimaps and data/features; writes models/student and history.csv."""

from pathlib import Path

import torch

from erkd.params import Params
from erkd.predict import choose_device, prepare_torch
from erkd.scratch import scratch, stage_key
from erkd.tracking import track_training
from erkd.training import train_student
from pipeline.stage import run_stage


def main(root: Path, params: Params) -> None:
    """Train, from where a killed run was; mirrored to MLflow where it can be reached."""
    prepare_torch(params.threads, params.deterministic)
    key = stage_key(root, "distill", str(choose_device(params.device)), str(torch.get_num_threads()))
    with scratch(root, "distill", key) as unfinished, track_training(root, params) as log:
        train_student(root, params, log, unfinished)


if __name__ == "__main__":
    run_stage("distill", main)
