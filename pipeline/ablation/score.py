"""Score the students of one arm on every set. Reads students/TRIAL/ and the sets; writes scores/TRIAL/."""

from pathlib import Path

from erkd.experiments.student_scores import score_student
from erkd.experiments.trials import Trial, seeds_of
from erkd.io.tables import write_results
from erkd.params import Params
from pipeline.common.sets import list_set
from pipeline.common.stage import run_stage


def main(root: Path, params: Params, trial: str, seed: str) -> None:
    """Score the published student of a seed, or of each that is registered, as `erkd matte` runs it."""
    sets = {name: list_set(root, params, name) for name in (*params.evaluate.sets, "test")}
    for made in [Trial(root, trial, number) for number in seeds_of(root, trial, seed)]:
        write_results(score_student(made.student, sets, params.device), made.scores)


if __name__ == "__main__":
    run_stage("ablation.score", main, trial="", seed="")
