"""Train the student. Reads data/composites, data/trimaps and data/features; writes models/student and history.csv."""

from pathlib import Path

from erkd.params import Params
from erkd.tracking import track_training
from erkd.training import train_student
from pipeline.stage import run_stage


def main(root: Path, params: Params) -> None:
    """Train, mirrored to MLflow where it can be reached."""
    with track_training(root, params) as log:
        train_student(root, params, log)


if __name__ == "__main__":
    run_stage("distill", main)
