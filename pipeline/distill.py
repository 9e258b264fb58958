"""Train the student. Reads all of data/ and its features; writes models/student and history.csv."""

from contextlib import nullcontext
from pathlib import Path

import torch

from erkd.params import Params
from erkd.runtime.device import choose_device, prepare_torch
from erkd.runtime.distributed import is_main_process, process_count, process_group, wait_for_all
from erkd.tracking.training_run import track_training
from erkd.training.loop import silent
from erkd.training.train import train_student
from pipeline.common.resume import scratch, scratch_folder, stage_key
from pipeline.common.stage import run_stage


def main(root: Path, params: Params) -> None:
    """Train, from where a killed run was; mirrored to MLflow where it can be reached. One process alone writes."""
    prepare_torch(params.threads, params.deterministic)
    with process_group(device := choose_device(params.device)):
        key = stage_key(root, "distill", str(device), str(torch.get_num_threads()), str(process_count()))
        writes = is_main_process()
        kept = scratch(root, "distill", key) if writes else nullcontext(scratch_folder(root, "distill", key))
        tracked = track_training(root, params) if writes else nullcontext(silent)
        with kept as unfinished, tracked as log:
            wait_for_all()  # every one reads the checkpoint that the first one has tidied
            train_student(root, params, log, unfinished)


if __name__ == "__main__":
    run_stage("distill", main)
