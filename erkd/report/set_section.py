"""What the report shows of one set of images: tables, charts, verdict, costs, published numbers, cases."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from markupsafe import Markup

from erkd.evaluation.scores import STUDENT
from erkd.io.files import read_json
from erkd.io.tables import Sample
from erkd.report.cases import build_cases
from erkd.report.charts import scatter_chart
from erkd.report.comparison import (
    ImageScores,
    best_baseline,
    by_material,
    by_method,
    differences,
    method_name,
    read_scores,
    verdict,
)
from erkd.report.cost_view import cost_view, megapixels, published_rows
from erkd.report.published import published
from erkd.report.score_tables import difference_rows, material_table, score_table


@dataclass(frozen=True)
class ScoredSet:
    """A set of images and what was written about it; files and folders may be absent.

    `images` names them in a sentence, as "test composites". `metrics` has one entry per group. `methods` are
    the baselines' folders, `costs` what methods cost (see `erkd.evaluation.costs`), `source` the data they are.
    """

    title: str
    images: str
    samples: tuple[Sample, ...]
    metrics: Path
    per_image: Path
    predictions: Path
    methods: Mapping[str, Path]
    costs: Mapping[str, Mapping[str, float]]
    source: str


def set_view(scored: ScoredSet, cases: int, student: Mapping[str, Any]) -> dict[str, Any]:
    """What the page shows of one set, with `cases` results of each kind; `student` is `student.json`."""
    metrics = read_json(scored.metrics) if scored.metrics.is_file() else {}
    scores = read_scores(scored.per_image) if scored.per_image.is_file() else []
    named = "{} ({})" if len(metrics) > 1 else "{}"
    groups = [
        _group(name, group, scores, scored.images if name == "test" else named.format(scored.images, name))
        for name, group in metrics.items()
    ]
    shown = [
        sample for sample in scored.samples if (scored.predictions / f"{sample.sample_id}.png").is_file()
    ]
    lines = published(scored.source)
    first: Mapping[str, Any] = next(iter(metrics.values()), {})
    return {
        "title": scored.title,
        "images": scored.images,
        "groups": groups,
        "costs": cost_view(first, scored.costs, student, lines) if first else None,
        "published": published_rows(first, student, lines) if first and lines else [],
        "source": scored.source,
        "megapixels": megapixels(scored.samples),
        "cases": build_cases(shown, scores, scored.predictions, scored.methods, cases),
    }


def _group(
    name: str, metrics: Mapping[str, Any], scores: Sequence[ImageScores], images: str
) -> dict[str, Any]:
    """One group's tables, charts and verdict; the last two need scores per image."""
    table = by_method(scores, name)
    best = best_baseline(metrics)
    gaps = differences(metrics, table)
    gap = next((gap for gap in gaps if gap.method == best), None)
    return {
        "name": name,
        "table": score_table(metrics),
        "verdict": verdict(metrics[STUDENT]["sad"], metrics[gap.method]["sad"], gap, images) if gap else None,
        "differences": difference_rows(gaps),
        "material_methods": [(method_name(method), method == STUDENT) for method in table],
        "materials": material_table(by_material(scores, name), [*table]),
        "scatter": _scatter(scores, name, best) if gap and best else None,
    }


def _scatter(scores: Sequence[ImageScores], group: str, best: str) -> Markup:
    """Each image's SAD: the best baseline's across, the student's up."""
    table = by_method(scores, group)
    material_of = {line.sample_id: line.material for line in scores if line.group == group}
    points = [
        (other, table[STUDENT][sample], f"{sample} {material_of[sample]}".strip())
        for sample, other in table[best].items()
        if sample in table[STUDENT]
    ]
    below = sum(up < across for across, up, _ in points)
    summary = f"SAD per image: the student is below {method_name(best)} on {below} of {len(points)}"
    return scatter_chart(points, f"SAD of {method_name(best)}", "SAD of the student", summary)
