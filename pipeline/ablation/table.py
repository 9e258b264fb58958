"""Compare the ablation's trials. Reads scores/, trials.yaml, data/; writes table.csv, table.md and two figures."""

from pathlib import Path

from erkd.evaluation.bootstrap import mean_scores
from erkd.evaluation.scores import score_samples
from erkd.experiments.ablation_figures import draw_differences, draw_trade_off
from erkd.experiments.ablation_table import report
from erkd.experiments.trials import list_rows, prediction_milliseconds
from erkd.io.files import write_text
from erkd.io.tables import write_results
from erkd.params import Params
from pipeline.common.sets import list_methods, list_set
from pipeline.common.stage import run_stage


def main(root: Path, params: Params) -> None:
    rows, samples = list_rows(root), list_set(root, params, "test")
    baselines = {
        name: mean_scores([row.scores for row in score_samples(samples, name, folder)])["sad"]
        for name, folder in list_methods(root, "test").items()
    }
    write_results(rows, root / "table.csv")
    write_text(report(rows, baselines), root / "table.md")
    draw_differences(rows, root / "differences.png")
    draw_trade_off(rows, prediction_milliseconds(root), baselines, root / "trade_off.png")


if __name__ == "__main__":
    run_stage("table", main)
