"""Train the trials of one arm. Reads the shared data; writes trials/TRIAL-SEED/, students/TRIAL/ and runs/TRIAL/."""

from dataclasses import asdict
from pathlib import Path
from shutil import copyfile, rmtree

from erkd.experiments.trial_students import hardware, publish_half
from erkd.experiments.trials import Run, Trial, prepare_trial, seeds_of, timed
from erkd.io.files import read_json, sha256, write_json
from erkd.params import Params, load_params
from erkd.tracking.training_run import track_training
from erkd.training.train import train_student
from pipeline.common.stage import run_stage


def main(root: Path, params: Params, trial: str, seed: str) -> None:
    """Train with a seed, or with each that is registered; a killed run goes on where it was, seed and step."""
    made = [prepare_trial(root, trial, number) for number in seeds_of(root, trial, seed)]
    for folder in [train(one) for one in made]:
        rmtree(folder)


def train(trial: Trial) -> Path:
    """Train by the trial's params.yaml, mirrored to MLflow; publish in float16; return its checkpoints' folder."""
    own = load_params(trial.folder / "params.yaml")
    # other settings, any of them, are another training
    unfinished = trial.folder / f"unfinished-{sha256(trial.folder / 'params.yaml')[:16]}"
    record = unfinished / "record.json"
    if not record.is_file():
        with timed(unfinished / "run.json", trial.root), track_training(trial.folder, own) as log:
            train_student(trial.folder, own, log, unfinished)
        parameters = read_json(trial.folder / "models/student/student.json")["parameters"]
        begun, steps = read_json(unfinished / "run.json"), own.distill.steps
        run = Run(**begun, steps=steps, machine=hardware(own), parameters=parameters)
        write_json(asdict(run), record)
    publish_half(trial.folder / "models/student", trial.student)
    trial.record.parent.mkdir(parents=True, exist_ok=True)
    copyfile(record, trial.record)
    return unfinished


if __name__ == "__main__":
    run_stage("ablation.trial", main, trial="", seed="")
