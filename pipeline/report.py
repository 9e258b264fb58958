"""Show everything on one page. Reads params, data/, models/ and reports/; writes reports/index.html."""

from pathlib import Path

from erkd.costs import read_costs
from erkd.params import Params
from erkd.report import ReportFiles, ScoredSet, write_report
from pipeline.sets import list_methods, list_set
from pipeline.stage import run_stage


def scored_set(root: Path, params: Params, name: str) -> ScoredSet:
    """Where the set's results lie; it has samples only where it was evaluated."""
    title = "Test composites" if name == "test" else name.capitalize()
    images = "test composites" if name == "test" else f"images of {name}"
    folder = root / "reports" if name == "test" else root / "reports/sets" / name
    metrics, per_image = folder / "metrics.json", folder / "per_image.csv"
    samples = tuple(list_set(root, params, name)) if metrics.is_file() else ()
    methods, costs = list_methods(root, name), read_costs(root / "reports", name)
    source = params.data.source if name == "test" else params.evaluate.sets[name].layout
    predictions = root / "data/predictions" / name
    return ScoredSet(title, images, samples, metrics, per_image, predictions, methods, costs, source)


def main(root: Path, params: Params) -> None:
    """The test composites first, then every set of `evaluate.sets`."""
    sets = tuple(scored_set(root, params, name) for name in ("test", *params.evaluate.sets))
    write_report(ReportFiles.under(root, sets), params, root / "reports/index.html")


if __name__ == "__main__":
    run_stage("report", main)
