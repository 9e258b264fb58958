"""Show everything on one page. Reads params, data/, models/ and reports/; writes reports/index.html."""

from pathlib import Path

from erkd.params import Params
from erkd.report import ReportFiles, ScoredSet, write_report
from pipeline.sets import list_set
from pipeline.stage import run_stage


def scored_set(root: Path, params: Params, name: str) -> ScoredSet:
    """Where the set's results lie; it has samples only where it was evaluated."""
    title, images = (
        ("Test composites", "test composites") if name == "test" else (name.capitalize(), f"images of {name}")
    )
    reports = root / "reports" if name == "test" else root / "reports/sets" / name
    metrics, per_image = reports / "metrics.json", reports / "per_image.csv"
    samples = tuple(list_set(root, params, name)) if metrics.is_file() else ()
    folders = root / "data/predictions" / name, root / "data/baselines" / name
    return ScoredSet(title, images, samples, metrics, per_image, *folders)


def main(root: Path, params: Params) -> None:
    """The test composites first, then every set of `evaluate.sets`."""
    sets = tuple(scored_set(root, params, name) for name in ("test", *params.evaluate.sets))
    write_report(ReportFiles.under(root, sets), params, root / "reports/index.html")


if __name__ == "__main__":
    run_stage("report", main)
