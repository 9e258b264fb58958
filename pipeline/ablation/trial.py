"""Train one trial. Reads the shared data; writes trials/<trial>-<seed>/, students/<trial>-<seed>/ and runs/."""

from dataclasses import asdict
from pathlib import Path
from shutil import rmtree

from erkd.experiments.trial_students import hardware, publish_half
from erkd.experiments.trials import Run, prepare_trial, timed
from erkd.io.files import read_json, sha256, write_json
from erkd.params import Params, load_params
from erkd.tracking.training_run import track_training
from erkd.training.train import train_student
from pipeline.common.stage import run_stage


def main(root: Path, params: Params, trial: str, seed: str) -> None:
    """Train as params.yaml and the trial say, from where a killed run was, mirrored to MLflow; publish in float16."""
    made = prepare_trial(root, trial, int(seed))
    own = load_params(made.folder / "params.yaml")
    # other settings, any of them, are another training
    unfinished = made.folder / f"unfinished-{sha256(made.folder / 'params.yaml')[:16]}"
    with timed(unfinished / "run.json", root), track_training(made.folder, own) as log:
        train_student(made.folder, own, log, unfinished)
    publish_half(made.folder / "models/student", made.student)
    parameters = read_json(made.student / "student.json")["parameters"]
    begun, steps = read_json(unfinished / "run.json"), own.distill.steps
    run = Run(**begun, steps=steps, machine=hardware(own), parameters=parameters)
    write_json(asdict(run), made.record)
    rmtree(unfinished)


if __name__ == "__main__":
    run_stage("trial", main, trial="", seed="")
