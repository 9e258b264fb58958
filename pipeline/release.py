"""Train one of the students that ship, in pieces if need be, and put it into erkd/weights with its card."""

from pathlib import Path

from erkd.cells import prepare_cell
from erkd.params import Params, load_params
from erkd.release import WEIGHTS, publish
from erkd.training import train_student
from pipeline.stage import run_stage


def main(root: Path, params: Params, size: str, minutes: str) -> None:
    """Go on with the training; what is unfinished after so many minutes waits for the next call."""
    project = prepare_cell(root, size, params.seed).folder
    own = load_params(project / "params.yaml")
    given = float(minutes) if minutes else None
    if train_student(project, own, lambda step, record: None, project / "unfinished", given):
        publish(project, own, WEIGHTS / size)


if __name__ == "__main__":
    run_stage("release", main, size="small", minutes="")
