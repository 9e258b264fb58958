"""Trials of the registered experiment and the release: trainings that differ in a few settings, on shared data.

A trial's folder `trials/NAME-SEED` is a project of its own (params.yaml, a link to the shared data, outputs), so that
every stage runs on it by `--root`. The experiment's trials are named after arms, the release's after sizes.
"""

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML, YAMLError

from erkd.experiments.presets import change_settings
from erkd.io.files import InputError, atomic, read_json, write_json
from erkd.tracking.runs import git

SHARED = "data"
VOUCHED = (":/erkd", ":/pipeline", "params.yaml", "trials.yaml")  # what a trial's commit has to say, for git


def read_trials(root: Path) -> Any:
    """Read `trials.yaml` in `root`: `trials` by name and, in the experiment, seeds of arms, contrasts, titles."""
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
    """A trial, by name and seed, below the folder `root` of the experiment or the release."""

    root: Path
    name: str
    seed: int

    @property
    def folder(self) -> Path:
        """Its project folder."""
        return self.root / "trials" / f"{self.name}-{self.seed}"

    @property
    def student(self) -> Path:
        """The folder of its published student."""
        return self.root / "students" / self.name / str(self.seed)

    @property
    def record(self) -> Path:
        """Its record of when and how it was trained."""
        return self.root / "runs" / self.name / f"{self.seed}.json"

    @property
    def scores(self) -> Path:
        """Its table of scores, one row per image and trimap."""
        return self.root / "scores" / self.name / f"{self.seed}.csv"


def registered_trials(root: Path) -> list[Trial]:
    """All trials of the experiment, by arm in the order of trials.yaml, then by seed."""
    return [Trial(root, arm, seed) for arm, seeds in read_trials(root)["seeds"].items() for seed in seeds]


def seeds_of(root: Path, arm: str, seed: str = "") -> list[int]:
    """The seed that is asked for, or all that are registered for an arm. Raises InputError for one without seeds."""
    if seed:
        if not seed.isdecimal():
            raise InputError(f"--seed {seed}: a whole number is expected, such as 11")
        return [int(seed)]
    registered = read_trials(root)["seeds"]
    if arm not in registered:
        raise InputError(
            f"{root / 'trials.yaml'}: no seeds of {arm!r}; there are {', '.join(registered)}; or give --seed"
        )
    return [*registered[arm]]


def prepare_trial(root: Path, name: str, seed: int) -> Trial:
    """Write a trial's params.yaml and link its data: shared, or of the trial that trials.yaml names in `features`.

    Raises InputError for an unknown trial or setting.
    """
    listed, trial = read_trials(root), Trial(root, name, seed)
    changes = listed["trials"]
    if name not in changes:
        raise InputError(f"{root / 'trials.yaml'}: no trial {name!r}; there are {', '.join(changes)}")
    yaml = YAML()
    yaml.width = 200
    settings = yaml.load(root / "params.yaml")
    settings["seed"] = seed
    change_settings(settings, changes[name], f"{root / 'trials.yaml'}: {name}")
    with atomic(trial.folder / "params.yaml") as temporary:
        yaml.dump(settings, temporary)
    link, source = trial.folder / SHARED, listed.get("features", {}).get(name)
    if link.is_symlink():
        link.unlink()
    if not link.is_dir():
        link.symlink_to(Path("..", source, SHARED) if source else Path("..", "..", SHARED), target_is_directory=True)
    return trial


def own_features(trial: Trial) -> None:
    """Give a trial a data folder whose features are its own; everything else in it is shared, by links."""
    folder = trial.folder / SHARED
    if folder.is_symlink():
        folder.unlink()
    folder.mkdir(exist_ok=True)
    for entry in sorted((trial.root / SHARED).iterdir()):
        link = folder / entry.name
        if entry.name != "features" and not link.is_symlink():
            link.symlink_to(Path("../../..", SHARED, entry.name), target_is_directory=True)


@dataclass(frozen=True)
class Run:
    """When and how a trial was trained.

    `started` is UTC; `commit` is that of the start, with `+changes` where code or settings differed from it;
    `seconds` are the processor time of all processes and pieces (on a GPU, of the CPU alone).
    """

    started: str
    commit: str
    steps: int
    seconds: float
    machine: str
    parameters: int


def read_runs(trials: Iterable[Trial]) -> dict[Trial, Run]:
    """The records of all trials that have run. Raises InputError for a file that is no record."""
    runs = {}
    for trial in trials:
        if trial.record.is_file():
            try:
                runs[trial] = Run(**read_json(trial.record))
            except TypeError as error:
                raise InputError(f"{trial.record}: not a trial's record ({error}); run the trial again") from None
    return runs


def processor_seconds() -> float:
    """Processor time of this process and its finished children."""
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system


@contextmanager
def timed(path: Path, root: Path) -> Iterator[None]:
    """Keep start, commit and processor seconds of a training in the JSON file `path`, over all its pieces."""
    if not path.is_file():
        changed = git(root, "status", "--porcelain", "--", *VOUCHED)
        commit = (git(root, "rev-parse", "HEAD") or "unknown") + ("+changes" if changed else "")
        write_json({"started": f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}", "commit": commit, "seconds": 0.0}, path)
    before, start = read_json(path), processor_seconds()
    try:
        yield
    finally:
        write_json(before | {"seconds": round(before["seconds"] + processor_seconds() - start, 1)}, path)
