"""Compute dense teacher features. Reads data/composites (train), models/teacher; writes data/features."""

from pathlib import Path

from erkd.features import write_features
from erkd.params import Params
from erkd.predict import choose_device, limit_threads
from erkd.tables import CompositeRow, read_table
from erkd.teachers.teacher import load_teacher
from pipeline.stage import run_stage


def main(root: Path, params: Params) -> None:
    """Run the teacher once over every training composite."""
    limit_threads(params.threads)
    table, device = root / "data/composites/manifest.csv", str(choose_device(params.device))
    rows = read_table(table, CompositeRow, "train")
    teacher = load_teacher(root / "models/teacher", device)
    write_features(root / "data/features", table, rows, teacher, params.features.batch_size, device)


if __name__ == "__main__":
    run_stage("features", main)
