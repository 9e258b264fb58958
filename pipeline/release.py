"""Train the students that ship, one or all, in pieces if need be; publish each with its card."""

import sys
import time
from pathlib import Path
from shutil import rmtree

from erkd.experiments.release import WEIGHTS, hours_added, is_published, publish
from erkd.experiments.trials import prepare_trial, read_trials
from erkd.io.files import InputError, read_json, sha256
from erkd.params import Params, load_params
from erkd.training.loop import silent
from erkd.training.train import train_student
from pipeline.common.stage import run_stage

ALL = "all"


def main(root: Path, params: Params, trial: str, minutes: str) -> None:
    """Go on with the training; what is unfinished after so many minutes waits for the next call.

    With `--trial all` those that are missing, or were trained otherwise than settings say now, in turn.
    """
    given, begun = _number(minutes) if minutes else None, time.monotonic()
    names = [*read_trials(root)["trials"]] if trial == ALL else [trial]
    for done, name in enumerate(names):
        project = prepare_trial(root, name, params.seed).folder
        own = load_params(project / "params.yaml")
        if trial == ALL and is_published(project, own, WEIGHTS / name):
            continue
        left = None if given is None else given - (time.monotonic() - begun) / 60
        if (left is not None and left <= 0) or not train(project, own, WEIGHTS / name, left):
            print(f"{done} of {len(names)} trials are there; the same command goes on with {name}", file=sys.stderr)
            return


def train(project: Path, params: Params, folder: Path, minutes: float | None) -> bool:
    """Train a trial and publish its student in `folder`; return whether it is finished."""
    # other settings, any of them, are another training
    unfinished = project / f"unfinished-{sha256(project / 'params.yaml')[:16]}"
    hours = unfinished / "hours.json"
    with hours_added(hours):
        finished = train_student(project, params, silent, unfinished, minutes)
    if finished:
        publish(project, params, folder, read_json(hours))
        rmtree(unfinished)
    return finished


def _number(minutes: str) -> float:
    try:
        return float(minutes)
    except ValueError:
        raise InputError(f"--minutes {minutes}: a number is expected, such as 9") from None


if __name__ == "__main__":
    run_stage("release", main, trial="small", minutes="")
