"""Show where the teacher sees what is said. Reads models/teacher and images of a set; writes reports/similarity/."""

from pathlib import Path

from erkd.params import Params
from erkd.report.teacher_maps import composite_maps, photograph_maps, save_maps
from erkd.runtime.device import choose_device, prepare_torch
from erkd.teachers.teacher import load_teacher
from pipeline.common.sets import list_set
from pipeline.common.stage import run_stage


def main(root: Path, params: Params, set: str) -> None:
    """Test composites against their own two phrases, photographs against the prompts nearest to them."""
    prepare_torch(params.threads, params.deterministic)
    teacher = load_teacher(root / "models/teacher", str(choose_device(params.device)))
    if set == "test":
        maps = composite_maps(teacher, root / "data/composites/manifest.csv")
    else:
        maps = photograph_maps(teacher, list_set(root, params, set))
    save_maps(maps, root / "reports/similarity" / set)


if __name__ == "__main__":
    run_stage("teacher_similarity", main, set="test")
