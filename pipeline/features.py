"""Compute dense teacher features. Reads data/composites, data/library, models/teacher; writes data/features."""

from pathlib import Path
from shutil import rmtree

from erkd.features import Kind
from erkd.params import Params
from erkd.precompute import Pictures, write_features
from erkd.predict import choose_device, limit_threads
from erkd.tables import CompositeRow, LayerRow, read_table
from erkd.teachers.teacher import load_teacher
from pipeline.stage import run_stage


def main(root: Path, params: Params) -> None:
    """Run the teacher once over every training image of each kind."""
    limit_threads(params.threads)
    composites, layers = root / "data/composites/manifest.csv", root / "data/library/library.csv"
    device = str(choose_device(params.device))
    teacher = load_teacher(root / "models/teacher", device)
    pictures: dict[Kind, Pictures] = {
        "composites": Pictures(composites, read_table(composites, CompositeRow, "train")),
        "layers": Pictures(layers, read_table(layers, LayerRow, "train")),
    }
    kinds = {kind: pictures[kind] for kind in params.features.kinds}
    folder, scratch = root / "data/features", root / ".erkd/features"
    write_features(folder, kinds, teacher, params.features.batch_size, device, scratch)
    rmtree(scratch)


if __name__ == "__main__":
    run_stage("features", main)
