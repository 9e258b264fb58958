"""Show where the teacher sees what is said. Reads models/teacher and images of a set; writes reports/similarity/."""

from pathlib import Path

from erkd.params import Params
from erkd.report.similarity import write_index
from erkd.report.teacher_maps import show_composites, show_photographs
from erkd.runtime.device import choose_device, prepare_torch
from erkd.teachers.teacher import load_teacher
from pipeline.common.sets import list_set
from pipeline.common.stage import run_stage


def main(root: Path, params: Params, set: str) -> None:
    """Test composites against their own two phrases, photographs against the prompts nearest to them."""
    prepare_torch(params.threads, params.deterministic)
    teacher = load_teacher(root / "models/teacher", str(choose_device(params.device)))
    folder = root / "reports/similarity" / set
    if set == "test":
        shown = show_composites(teacher, root / "data/composites/manifest.csv", folder)
    else:
        shown = show_photographs(teacher, list_set(root, params, set), folder)
    write_index(shown, folder)


if __name__ == "__main__":
    run_stage("similarity", main, set="test")
