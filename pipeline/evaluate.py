"""Score the student beside the baselines: data/predictions/<set>, and metrics.json and per_image.csv in reports/."""

from pathlib import Path

from erkd.costs import clock_of, costs_file, typical
from erkd.files import write_json
from erkd.intervals import summarise
from erkd.params import Params
from erkd.predict import choose_device, limit_threads, load_predictor
from erkd.scores import STUDENT, predict_samples, score_set, write_rows
from pipeline.sets import list_methods, list_set
from pipeline.stage import run_stage


def main(root: Path, params: Params, set: str) -> None:
    """Predict and score the test and validation splits, or one further set."""
    limit_threads(params.threads)
    predictor, rows = load_predictor(root / "models/student", params.device), []
    for name in ("test", "validation") if set == "test" else (set,):
        samples, predictions = list_set(root, params, name), root / "data/predictions" / name
        costs = predict_samples(predictor, samples, predictions, clock_of(choose_device(params.device).type))
        rows += score_set(samples, predictions, list_methods(root, name))
        write_json({STUDENT: typical(costs)}, costs_file(root / "reports", "evaluate", name))
    reports = root / "reports" if set == "test" else root / "reports/sets" / set
    write_json(summarise(rows, params.evaluate.bootstrap, params.seed), reports / "metrics.json")
    write_rows(rows, reports / "per_image.csv")


if __name__ == "__main__":
    run_stage("evaluate", main, set="test")
