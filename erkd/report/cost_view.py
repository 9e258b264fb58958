"""What methods cost, beside what they reach, and published methods where there are numbers for the data."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from markupsafe import Markup
from PIL import Image

from erkd.evaluation.scores import STUDENT
from erkd.io.image_files import FORMATS
from erkd.io.tables import Sample
from erkd.report.comparison import method_name
from erkd.report.cost_chart import Point, cost_chart
from erkd.report.published import METRICS, Published
from erkd.report.score_tables import NOTHING, Cell, Row

WITHOUT_PARAMETERS = ("interpolation", "closed_form", "knn", "shared_sampling", "mean")
IN_PRINT = {"mse": 1000.0}


@dataclass(frozen=True)
class CostView:
    """Charts by what they show, and a row per method: SAD, seconds, peak memory, parameters."""

    charts: tuple[tuple[str, Markup], ...]
    rows: tuple[Row, ...]


def cost_view(
    group: Mapping[str, Any],
    costs: Mapping[str, Mapping[str, float]],
    student: Mapping[str, Any],
    lines: Sequence[Published],
) -> CostView | None:
    """Costs of the methods of a group of `metrics.json`; None for the student alone.

    `costs` as `read_costs` gives them; `student` is `student.json`. Published `lines` have parameters only.
    """
    sads = {name: values["sad"] for name, values in group.items() if isinstance(values, Mapping)}
    if len(sads) < 2:
        return None
    parameters = dict.fromkeys(WITHOUT_PARAMETERS, 0.0)
    if "parameters" in student:
        parameters[STUDENT] = student["parameters"] / 1e6
    seconds = {name: costs[name]["seconds"] for name in sads if name in costs}
    charts = []
    if len(seconds) > 1:
        points = [Point(method_name(name), seconds[name], sads[name], _kind(name)) for name in seconds]
        charts.append(("seconds", cost_chart(points, "processor seconds per image", "SAD")))
    if STUDENT in parameters:
        points = [
            Point(method_name(name), parameters[name], sads[name], _kind(name))
            for name in sads
            if name in parameters
        ]
        points += [
            Point(line.method, line.params_m, line.values["sad"], "published")
            for line in lines
            if line.params_m is not None and line.values["sad"] is not None
        ]
        charts.append(("parameters", cost_chart(points, "million parameters", "SAD")))
    rows = [
        Row(method_name(name), name == STUDENT, _cells(sads[name], costs.get(name), parameters.get(name)))
        for name in sorted(sads, key=lambda name: sads[name])
    ]
    return CostView(tuple(charts), tuple(rows))


def _kind(name: str) -> str:
    return "student" if name == STUDENT else "other"


def _cells(sad: float, cost: Mapping[str, float] | None, parameters: float | None) -> tuple[Cell, ...]:
    seconds, peak = (f"{cost['seconds']:.3g}", f"{cost['peak_mib']:.0f}") if cost else (NOTHING, NOTHING)
    size = NOTHING if parameters is None else f"{parameters:.2f}" if parameters else "none"
    return tuple(Cell(text) for text in (f"{sad:.2f}", seconds, peak, size))


def published_rows(
    group: Mapping[str, Any], student: Mapping[str, Any], lines: Sequence[Published]
) -> list[tuple[Row, str]]:
    """Published lines and the student among them, by SAD, each with its source."""
    values = group.get(STUDENT, {})
    ours = Published(
        method_name(STUDENT),
        {name: values[name] * IN_PRINT.get(name, 1) if name in values else None for name in METRICS},
        student["parameters"] / 1e6 if "parameters" in student else None,
        "this report",
    )
    every = sorted([*lines, *([ours] if values else [])], key=lambda line: line.values["sad"] or float("inf"))
    return [
        (
            Row(
                line.method,
                line is ours,
                tuple(Cell(_printed(value)) for value in (*line.values.values(), line.params_m)),
            ),
            line.source,
        )
        for line in every
    ]


def _printed(value: float | None) -> str:
    return NOTHING if value is None else f"{value:.2f}"


def megapixels(samples: Sequence[Sample]) -> float | None:
    """The median size of the images, from the headers of their files."""
    sizes = []
    for sample in samples:
        with Image.open(sample.image, formats=FORMATS) as image:
            sizes.append(image.width * image.height / 1e6)
    return float(np.median(sizes)) if sizes else None
