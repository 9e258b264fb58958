"""Train one of the students that ship, or a control of one, in pieces if need be, and publish it with its card."""

from pathlib import Path
from shutil import rmtree

from erkd.experiments.release import hours_added, publish, publish_folder
from erkd.experiments.trials import prepare_trial
from erkd.io.files import InputError, read_json, sha256
from erkd.params import Params, load_params
from erkd.training.loop import silent
from erkd.training.train import train_student
from pipeline.common.stage import run_stage


def main(root: Path, params: Params, trial: str, minutes: str) -> None:
    """Go on with the training; what is unfinished after so many minutes waits for the next call."""
    project = prepare_trial(root, trial, params.seed).folder
    own = load_params(project / "params.yaml")
    # other settings, any of them, are another training
    unfinished = project / f"unfinished-{sha256(project / 'params.yaml')[:16]}"
    hours, given = unfinished / "hours.json", _number(minutes) if minutes else None
    with hours_added(hours):
        finished = train_student(project, own, silent, unfinished, given)
    if finished:
        publish(project, own, publish_folder(root, trial), read_json(hours))
        rmtree(unfinished)


def _number(minutes: str) -> float:
    try:
        return float(minutes)
    except ValueError:
        raise InputError(f"--minutes {minutes}: a number is expected, such as 9") from None


if __name__ == "__main__":
    run_stage("release", main, trial="small", minutes="")
