"""Score one trial's student on every set. Reads students/<trial>-<seed>/ and the sets; writes scores/."""

from pathlib import Path

from erkd.experiments.student_scores import score_student
from erkd.experiments.trials import Trial
from erkd.io.tables import write_results
from erkd.params import Params
from pipeline.common.sets import list_set
from pipeline.common.stage import run_stage


def main(root: Path, params: Params, trial: str, seed: str) -> None:
    """Score the published student, as `erkd matte` runs it."""
    made = Trial(root, trial, int(seed))
    sets = {name: list_set(root, params, name) for name in (*params.evaluate.sets, "test")}
    write_results(score_student(made.student, sets, params.device), made.scores)


if __name__ == "__main__":
    run_stage("score", main, trial="", seed="")
