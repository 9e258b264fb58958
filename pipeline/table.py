"""Compare the cells of the ablation. Reads scores/, cells.yaml, data/; writes table.csv, table.md and two figures."""

from pathlib import Path

from erkd.ablation_figures import draw_differences, draw_trade_off
from erkd.ablation_table import report
from erkd.cells import list_rows, prediction_milliseconds
from erkd.files import write_text
from erkd.intervals import mean_scores
from erkd.params import Params
from erkd.scores import score_samples
from erkd.tables import write_results
from pipeline.sets import list_methods, list_set
from pipeline.stage import run_stage


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
