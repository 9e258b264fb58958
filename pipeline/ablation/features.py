"""Make a trial its own teacher and features. Reads the shared data; writes trials/<trial>-<seed>/models and data."""

from pathlib import Path

from erkd.experiments.trials import own_features, prepare_trial
from erkd.params import Params, load_params
from pipeline import features, teacher
from pipeline.common.stage import run_stage


def main(root: Path, params: Params, trial: str) -> None:
    """Run the stages teacher and features by the trial's settings."""
    made = prepare_trial(root, trial, params.seed)
    own_features(made)
    own = load_params(made.folder / "params.yaml")
    teacher.main(made.folder, own)
    features.main(made.folder, own)


if __name__ == "__main__":
    run_stage("ablation.features", main, trial="words")
