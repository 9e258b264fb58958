"""Score the student with wrong trimaps beside the baselines. Reads models/, data/wrong_trimaps and what
evaluate read and wrote of the test set; writes reports/robustness.json and data/predictions/wrong_trimaps."""

from pathlib import Path

from erkd.evaluation.robustness import score_given, score_variants, summarise_variants
from erkd.evaluation.student import open_student, student_loader
from erkd.io.files import write_json
from erkd.params import Params
from pipeline.common.resume import resumable
from pipeline.common.sets import list_methods, list_set
from pipeline.common.stage import run_stage


def main(root: Path, params: Params) -> None:
    """The trimaps as drawn, on the same images, come first."""
    matter, load = open_student(root, params), student_loader(root, params)
    samples, data = list_set(root, params, "test"), root / "data"
    wrong = data / "wrong_trimaps"
    out_dir, device = data / "predictions/wrong_trimaps", matter.engine.device
    with resumable(root, "robustness", out_dir, device) as (made, done):
        varied = score_variants(matter, samples, wrong, made, done, load)
    rows = score_given(samples, varied, data / "predictions/test", list_methods(root, "test")) + varied
    write_json(summarise_variants(rows, params.evaluate.bootstrap, params.seed), root / "reports/robustness.json")


if __name__ == "__main__":
    run_stage("robustness", main)
