"""Make and score the teacher. Reads data/composites, data/trimaps; writes models/teacher, reports/teacher.json."""

from pathlib import Path

from erkd.data.sources.photographs import read_photographs
from erkd.io.files import write_json
from erkd.io.tables import CompositeRow, read_table
from erkd.params import Params
from erkd.runtime.device import choose_device, prepare_torch
from erkd.teachers.make import make_teacher, report_teacher
from pipeline.common.stage import run_stage


def main(root: Path, params: Params) -> None:
    """Tune (or load) on the training composites, then score on the unseen ones of the other splits."""
    prepare_torch(params.threads, params.deterministic)
    table, trimaps = root / "data/composites/manifest.csv", root / "data/trimaps/trimaps.csv"
    rows, device = read_table(table, CompositeRow), str(choose_device(params.device))
    train = [row for row in rows if row.split == "train"]
    folder = root / "models/teacher"
    history = make_teacher(params.teacher, table, train, folder, params.seed, device)
    report = report_teacher(folder, params.teacher, history, table, rows, trimaps, _held_out(params), device)
    write_json(report, root / "reports/teacher.json")


def _held_out(params: Params) -> list[Path]:
    """Photographs of other splits than `train`."""
    if params.data.photographs is None:
        return []
    folder = Path(params.data.photographs)
    return [folder / row.file for row in read_photographs(folder) if row.split != "train"]


if __name__ == "__main__":
    run_stage("teacher", main)
