"""The student against the methods beside it: differences, materials, and a verdict in words."""

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from erkd.evaluation.scores import STUDENT
from erkd.io.files import InputError

NAMES = {
    "student": "student",
    "closed_form": "closed form",
    "interpolation": "distance interpolation",
    "knn": "KNN",
    "shared_sampling": "shared sampling",
    "mean": "mean of PyMatting's",
}
KEYS = ("group", "sample_id", "method", "material")


@dataclass(frozen=True)
class ImageScores:
    """One line of `per_image.csv`: what one method reached on one image; `values` by metric."""

    group: str
    sample_id: str
    method: str
    material: str
    values: Mapping[str, float]


@dataclass(frozen=True)
class Difference:
    """Student minus `method`: mean difference in SAD, 95 % interval, and on how many of `n` it is better."""

    method: str
    mean: float
    low: float
    high: float
    better: int
    n: int


@dataclass(frozen=True)
class Verdict:
    """`word` is better, worse or open, `label` says it on a badge; the rest are sentences."""

    word: str
    label: str
    lead: str
    detail: str
    short: str


def method_name(method: str) -> str:
    """A method's name in prose."""
    return NAMES.get(method, method.replace("_", " "))


def read_scores(path: Path) -> list[ImageScores]:
    """Read `per_image.csv`. Raises InputError that names the file, and a missing column or a bad number."""
    try:
        with path.open(newline="", encoding="utf-8") as stream:
            reader = csv.DictReader(stream)
            columns = reader.fieldnames or []
            missing = [name for name in (*KEYS, "sad") if name not in columns]
            if missing:
                raise InputError(
                    f"{path}: the column(s) {', '.join(missing)} are missing; found {', '.join(columns)}"
                )
            metrics = [name for name in columns if name not in KEYS]
            return [_line(row, metrics) for row in reader]
    except FileNotFoundError:
        raise InputError(f"{path}: no such file; `dvc repro evaluate` writes it") from None
    except (TypeError, ValueError) as error:
        raise InputError(f"{path}: not a table of scores: {error}") from None


def _line(row: Mapping[str, str], metrics: Sequence[str]) -> ImageScores:
    if None in row or None in row.values():
        raise ValueError(f"the line of {row['sample_id']!r} has too few or too many cells")
    values = {name: float(row[name]) for name in metrics if row[name]}
    return ImageScores(row["group"], row["sample_id"], row["method"], row["material"], values)


def by_method(scores: Sequence[ImageScores], group: str, metric: str = "sad") -> dict[str, dict[str, float]]:
    """One metric in one group: method -> sample_id -> value, both in the order of the file."""
    table: dict[str, dict[str, float]] = {}
    for line in scores:
        if line.group == group:
            table.setdefault(line.method, {})[line.sample_id] = line.values[metric]
    return table


def best_baseline(group: Mapping[str, Any]) -> str | None:
    """The method of the lowest mean SAD beside the student in a group of `metrics.json`; None without one."""
    means = {
        name: values["sad"]
        for name, values in group.items()
        if isinstance(values, Mapping) and name != STUDENT
    }
    return min(means, key=lambda name: means[name], default=None)


def differences(group: Mapping[str, Any], table: Mapping[str, Mapping[str, float]]) -> list[Difference]:
    """Student minus every method of a group of `metrics.json`, largest first; wins are counted in `table`.

    A method without a `difference` there, or without images shared with the student, is left out.
    """
    found = []
    for method, values in group.items():
        stored = values.get("difference") if isinstance(values, Mapping) else None
        shared = [
            sad < table[method][sample]
            for sample, sad in table.get(STUDENT, {}).items()
            if sample in table.get(method, {})
        ]
        if stored and shared:
            interval = stored["sad_low"], stored["sad_high"]
            found.append(Difference(method, stored["sad"], *interval, sum(shared), len(shared)))
    return sorted(found, key=lambda gap: -gap.mean)


def by_material(scores: Sequence[ImageScores], group: str) -> dict[str, dict[str, tuple[float, int]]]:
    """Mean SAD and number of images: material -> method -> (mean, n), materials in alphabetical order."""
    values: dict[str, dict[str, list[float]]] = {}
    for line in scores:
        if line.group == group:
            values.setdefault(line.material, {}).setdefault(line.method, []).append(line.values["sad"])
    return {
        material: {method: (float(np.mean(found)), len(found)) for method, found in values[material].items()}
        for material in sorted(values)
    }


def verdict(student: float, baseline: float, gap: Difference, images: str) -> Verdict:
    """How the student compares with the best baseline on `gap.n` of `images`, as "test composites".

    `student` and `baseline` are mean SADs. The word rests on whether the interval of the paired difference
    excludes 0, never on the means alone.
    """
    name = f"{method_name(gap.method)}, the best baseline"
    change = ""
    if baseline:
        change = f" ({100 * abs(student / baseline - 1):.0f} % {'lower' if student < baseline else 'higher'})"
    means = f"{student:.2f} against {baseline:.2f}{change}"
    interval = f"{signed(gap.low)} to {signed(gap.high)}"
    detail = (
        f"Mean SAD in the unknown region is {means}; the student is better on {gap.better} of {gap.n} "
        f"images. The 95 % interval of the paired difference is {interval}"
    )
    short = f"SAD {means}; difference {interval}."
    start = f"On {gap.n} {images} the student"
    if gap.high < 0:
        return Verdict("better", "ahead", f"{start} beats {name}.", f"{detail}.", short)
    if gap.low > 0:
        return Verdict("worse", "behind", f"{start} loses to {name}.", f"{detail}.", short)
    return Verdict(
        "open", "undecided", f"{start} and {name}, cannot be told apart.", f"{detail}: it includes 0.", short
    )


def signed(value: float) -> str:
    """A number with its sign, with a real minus, to two decimals."""
    return f"{value:+.2f}".replace("-", "\N{MINUS SIGN}")
