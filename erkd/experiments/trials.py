"""Trials of the ablation and the release: trainings that differ in a few settings, on shared data.

A trial's folder `trials/NAME-SEED` is a project of its own (params.yaml, a link to the shared data, outputs), so that
every stage runs on it by `--root`. The ablation's trials are named METHOD-VARIANT, the release's after their sizes.
"""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

from ruamel.yaml import YAML, YAMLError

from erkd.evaluation.bootstrap import mean_scores
from erkd.evaluation.costs import read_costs, typical, write_costs
from erkd.evaluation.scores import STUDENT, predict_samples, score_samples, significant
from erkd.experiments.presets import change_settings
from erkd.inference.matter import Matter
from erkd.io.files import InputError, atomic, read_json
from erkd.io.tables import Sample, read_results
from erkd.params import Params

SHARED = "data"


@dataclass(frozen=True)
class TrialRow:
    """Scores of a trial's student on one set, over unknown regions; SAD in thousands of pixels.

    `params` is the student's number of parameters; `seconds` the training's processor time over all processes (on a
    GPU, wall-clock time).
    """

    method: str
    variant: str
    seed: int
    set: str
    sad: float
    mse: float
    grad: float
    conn: float
    params: int
    steps: int
    seconds: float


def read_trials(root: Path) -> Any:
    """Read `trials.yaml` in `root`: `trials` by name and, in the ablation, `seeds` and `names` to compare."""
    path = root / "trials.yaml"
    try:
        return YAML(typ="safe", pure=True).load(path)
    except FileNotFoundError:
        raise InputError(
            f"{path}: no such file; a folder with trials is needed, --root ablation or release"
        ) from None
    except (YAMLError, OSError, ValueError) as error:
        raise InputError(f"{path}: not valid YAML: {error}") from None


@dataclass(frozen=True)
class Trial:
    """A trial, by name and seed, below the folder `root` of the ablation or the release."""

    root: Path
    name: str
    seed: int

    @property
    def folder(self) -> Path:
        """Its project folder."""
        return self.root / "trials" / f"{self.name}-{self.seed}"

    @property
    def student(self) -> Path:
        """The folder of its trained student."""
        return self.folder / "models/student"

    @property
    def scores(self) -> Path:
        """Its table of scores, one row per set."""
        return self.root / "scores" / f"{self.name}-{self.seed}.csv"


def prepare_trial(root: Path, name: str, seed: int) -> Trial:
    """Write a trial's params.yaml and link the shared data. Raises InputError for an unknown trial or setting."""
    changes, trial = read_trials(root)["trials"], Trial(root, name, seed)
    if name not in changes:
        raise InputError(f"{root / 'trials.yaml'}: no trial {name!r}; there are {', '.join(changes)}")
    yaml = YAML()
    yaml.width = 200
    settings = yaml.load(root / "params.yaml")
    settings["seed"] = seed
    change_settings(settings, changes[name], f"{root / 'trials.yaml'}: {name}")
    with atomic(trial.folder / "params.yaml") as temporary:
        yaml.dump(settings, temporary)
    link = trial.folder / SHARED
    if not link.is_symlink():
        link.symlink_to(Path("..", "..", SHARED), target_is_directory=True)
    return trial


def score_trial(trial: Trial, set: str, samples: Sequence[Sample], params: Params, seconds: float) -> TrialRow:
    """Predict and score a set, and write the predictions' costs as the stage evaluate does.

    `seconds` is the duration of the training.
    """
    predictions = trial.folder / "predictions" / set
    costs = predict_samples(Matter.load(trial.student, params.device), samples, predictions)
    write_costs({STUDENT: typical(costs)}, trial.folder / "reports", "evaluate", set)
    mean = mean_scores([row.scores for row in score_samples(samples, STUDENT, predictions)])
    sad, mse, grad, conn = (significant(mean[metric]) for metric in ("sad", "mse", "grad", "conn"))
    parameters, steps = read_json(trial.student / "student.json")["parameters"], params.distill.steps
    method, variant = trial.name.split("-")
    return TrialRow(method, variant, trial.seed, set, sad, mse, grad, conn, parameters, steps, round(seconds, 1))


def processor_seconds() -> float:
    """Processor time of this process and its finished children."""
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system


def list_rows(root: Path) -> list[TrialRow]:
    """The rows of all finished trials that trials.yaml names, in its order, then by seed.

    Raises InputError when plain training or ERKD is missing.
    """
    listed = read_trials(root)
    trials = [Trial(root, name, seed) for name in listed["names"] for seed in listed["seeds"]]
    made = [trial.scores for trial in trials if trial.scores.is_file()]
    rows = [row for path in made for row in read_results(path, TrialRow, "trials")]
    if not {"none", "erkd"} <= {row.method for row in rows if row.variant == "full"}:
        raise InputError(f"{root / 'scores'}: no trial of none-full or erkd-full; `dvc repro ablation/dvc.yaml`")
    return rows


def prediction_milliseconds(root: Path) -> dict[str, float]:
    """Median over seeds of a prediction's milliseconds on the test set, by METHOD-VARIANT.

    Trials restored from a cache have no measured costs and are left out.
    """
    listed, found = read_trials(root), {}
    for name in listed["names"]:
        costs = [read_costs(Trial(root, name, seed).folder / "reports", "test") for seed in listed["seeds"]]
        seconds = [cost[STUDENT]["seconds"] for cost in costs if cost]
        if seconds:
            found[name] = 1000 * median(seconds)
    return found
