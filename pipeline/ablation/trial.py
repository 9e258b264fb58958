"""Train and score one trial of the ablation. Reads the shared data; writes trials/<trial>-<seed>/ and scores/."""

from pathlib import Path

from erkd.experiments.trials import prepare_trial, processor_seconds, score_trial
from erkd.io.tables import write_results
from erkd.params import Params, load_params
from erkd.tracking.training_run import track_training
from erkd.training.train import train_student
from pipeline.common.sets import list_set
from pipeline.common.stage import run_stage


def main(root: Path, params: Params, trial: str, seed: str) -> None:
    """Train as params.yaml and the trial say, mirrored to MLflow, and score every set."""
    made = prepare_trial(root, trial, int(seed))
    own = load_params(made.folder / "params.yaml")
    with track_training(made.folder, own) as log:
        start = processor_seconds()
        train_student(made.folder, own, log)
        seconds = processor_seconds() - start
    rows = []
    for set in ("test", *own.evaluate.sets):
        samples = list_set(made.folder, own, set)
        rows.append(score_trial(made, set, samples, own, seconds))
    write_results(rows, made.scores)


if __name__ == "__main__":
    run_stage("trial", main, trial="", seed="")
