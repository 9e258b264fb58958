"""Compare the finished trials. Reads scores/, runs/, trials.yaml; writes table.csv, table.md and contrasts.png."""

from pathlib import Path

from erkd.experiments.ablation_figures import draw_contrasts
from erkd.experiments.ablation_table import report, trial_table
from erkd.experiments.image_scores import read_scores
from erkd.experiments.trials import read_runs, read_trials, registered_trials
from erkd.io.files import InputError, write_text
from erkd.params import Params
from pipeline.common.stage import run_stage


def main(root: Path, params: Params) -> None:
    runs = read_runs(registered_trials(root))
    scores = read_scores(runs)
    if scores.empty:
        raise InputError(f"{root / 'scores'}: no scores of a trial that has run; docs/experiments/erkd.md says how")
    trials, listed = trial_table(scores, runs), read_trials(root)
    write_text(trials.to_csv(index=False, float_format="%.6g", lineterminator="\n"), root / "table.csv")
    write_text(report(scores, trials, listed), root / "table.md")
    draw_contrasts(scores, listed, root / "contrasts.png")


if __name__ == "__main__":
    run_stage("ablation.table", main)
