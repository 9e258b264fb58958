"""Tables of the report: every method's scores with intervals, and the student against each by material."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from erkd.evaluation.scores import STUDENT
from erkd.report.comparison import Difference, method_name, signed


@dataclass(frozen=True)
class Metric:
    """How a metric is printed: `factor` turns the stored value into `unit`."""

    key: str
    title: str
    unit: str
    region: str
    factor: float
    digits: int
    more_is_better: bool = False

    def text(self, value: float) -> str:
        return f"{value * self.factor:.{self.digits}f}"


NOTHING = "\N{EN DASH}"
METRICS = (
    Metric("sad", "SAD", "10³ px", "unknown region", 1, 2),
    Metric("mse", "MSE", "10⁻³", "unknown region", 1000, 2),
    Metric("grad", "Grad", "10³", "unknown region", 1, 2),
    Metric("conn", "Conn", "10³ px", "unknown region", 1, 2),
    Metric("sad_whole", "SAD", "10³ px", "whole image", 1, 2),
    Metric("mse_whole", "MSE", "10⁻³", "whole image", 1000, 2),
    Metric("sad_edge", "SAD", "10³ px", "edge band", 1, 2),
    Metric("boundary_f", "F", "0 to 1", "boundary", 1, 3, more_is_better=True),
)


@dataclass(frozen=True)
class Cell:
    """A value in words, its interval where there is one, and whether it is the best of its kind."""

    value: str
    interval: str = ""
    best: bool = False


@dataclass(frozen=True)
class Row:
    """One line of a table."""

    name: str
    is_student: bool
    cells: tuple[Cell, ...]


@dataclass(frozen=True)
class MaterialRow:
    """One material: `dots` are (percentage of the axis, is the student), a dot and a cell per method."""

    name: str
    images: int
    dots: tuple[tuple[float, bool], ...]
    cells: tuple[Cell, ...]


@dataclass(frozen=True)
class MaterialTable:
    """Rows by material; `end` is the SAD at the end of the axis of dots."""

    end: str
    rows: tuple[MaterialRow, ...]


@dataclass(frozen=True)
class Bar:
    """A mean and its interval as percentages of the chart's width."""

    name: str
    is_student: bool
    value: str
    interval: str
    at: float
    low: float
    high: float


@dataclass(frozen=True)
class ScoreTable:
    """What `metrics.json` says of one group of `n` images: rows by SAD, and SAD as bars.

    `regions` names the region of neighbouring metrics and how many these are.
    """

    n: int
    metrics: tuple[Metric, ...]
    regions: tuple[tuple[str, int], ...]
    rows: tuple[Row, ...]
    bars: tuple[Bar, ...]


def score_table(group: Mapping[str, Any]) -> ScoreTable:
    """The table of one group of `metrics.json`: `n`, and per method each metric with `_low` and `_high`."""
    methods = {
        name: values for name, values in group.items() if isinstance(values, Mapping) and "sad" in values
    }
    ordered = sorted(methods, key=lambda name: (methods[name]["sad"], name))
    metrics = tuple(metric for metric in METRICS if any(metric.key in values for values in methods.values()))
    columns = [_column(metric, [methods[name] for name in ordered]) for metric in metrics]
    rows = [
        Row(method_name(name), name == STUDENT, cells)
        for name, cells in zip(ordered, zip(*columns, strict=True), strict=True)
    ]
    end = max([methods[name].get("sad_high", methods[name]["sad"]) for name in ordered] or [0]) * 1.02 or 1
    bars = []
    for name in ordered:
        mean = methods[name]["sad"]
        low, high = methods[name].get("sad_low", mean), methods[name].get("sad_high", mean)
        at = [round(100 * value / end, 1) for value in (mean, low, high)]
        bars.append(
            Bar(
                method_name(name),
                name == STUDENT,
                f"{mean:.2f}",
                score_interval(low, high),
                at[0],
                at[1],
                at[2],
            )
        )
    regions = tuple((name, len([*same])) for name, same in groupby(metrics, lambda metric: metric.region))
    return ScoreTable(int(group.get("n", 0)), metrics, regions, tuple(rows), tuple(bars))


def _column(metric: Metric, methods: Sequence[Mapping[str, float]]) -> list[Cell]:
    present = [values[metric.key] for values in methods if metric.key in values]
    best = (max if metric.more_is_better else min)(present)
    cells = []
    for values in methods:
        if metric.key not in values:
            cells.append(Cell(NOTHING))
            continue
        low, high = values.get(f"{metric.key}_low"), values.get(f"{metric.key}_high")
        interval = score_interval(low, high, metric) if low is not None and high is not None else ""
        cells.append(
            Cell(metric.text(values[metric.key]), interval, len(methods) > 1 and values[metric.key] == best)
        )
    return cells


def score_interval(low: float, high: float, metric: Metric = METRICS[0]) -> str:
    """An interval in words, in the unit of a metric."""
    return f"{metric.text(low)} {NOTHING} {metric.text(high)}"


def difference_rows(differences: Sequence[Difference]) -> list[Row]:
    """Student minus each baseline: mean difference in SAD, interval, images won, and what that says."""
    rows = []
    for gap in differences:
        interval = f"{signed(gap.low)} to {signed(gap.high)}"
        says = "better" if gap.high < 0 else "worse" if gap.low > 0 else "not told apart"
        cells = (Cell(signed(gap.mean)), Cell(interval), Cell(f"{gap.better} of {gap.n}"), Cell(says))
        rows.append(Row(method_name(gap.method), False, cells))
    return rows


def material_table(
    materials: Mapping[str, Mapping[str, tuple[float, int]]], methods: Sequence[str]
) -> MaterialTable | None:
    """Mean SAD of each method by material (see `by_material`); None for fewer than two named materials."""
    named = {material: means for material, means in materials.items() if material}
    if len(named) < 2:
        return None
    end = max(mean for means in named.values() for mean, _ in means.values()) or 1.0
    rows = []
    for material, means in named.items():
        least = min(mean for mean, _ in means.values())
        cells = [
            Cell(f"{means[method][0]:.2f}", best=means[method][0] == least)
            if method in means
            else Cell(NOTHING)
            for method in methods
        ]
        dots = [(round(100 * mean / end, 1), method == STUDENT) for method, (mean, _) in means.items()]
        # the student is drawn last, above the others
        rows.append(
            MaterialRow(
                material,
                max(n for _, n in means.values()),
                tuple(sorted(dots, key=lambda dot: dot[1])),
                tuple(cells),
            )
        )
    return MaterialTable(f"{end:.3g}", tuple(rows))
