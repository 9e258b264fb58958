"""Show everything on one page. Reads params, data/, models/ and reports/; writes reports/index.html."""

from pathlib import Path

from erkd.evaluation.costs import read_costs
from erkd.params import Params
from erkd.report.page import write_report
from erkd.report.set_section import ScoredSet
from pipeline.common.sets import list_methods, list_set, reports_of, source_of
from pipeline.common.stage import run_stage


def scored_set(root: Path, params: Params, name: str) -> ScoredSet:
    """Where the set's results lie; it has samples only where it was evaluated."""
    test = name == "test"
    title, images = ("Test composites", "test composites") if test else (name.title(), f"images of {name}")
    folder = reports_of(root, name)
    paths = folder / "metrics.json", folder / "per_image.csv", root / "data/predictions" / name
    samples = tuple(list_set(root, params, name)) if paths[0].is_file() else ()
    methods, costs = list_methods(root, name), read_costs(root / "reports", name)
    return ScoredSet(title, images, samples, *paths, methods, costs, source_of(params, name))


def main(root: Path, params: Params) -> None:
    """The test composites first, then every set of `evaluate.sets`."""
    sets = [scored_set(root, params, name) for name in ("test", *params.evaluate.sets)]
    write_report(root, sets, params)


if __name__ == "__main__":
    run_stage("report", main)
