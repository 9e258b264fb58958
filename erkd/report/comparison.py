"""The student compared with the other methods: paired differences of an image set, and a verdict in words."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd

from erkd.evaluation.printing import method_name, signed
from erkd.evaluation.scores import STUDENT


@dataclass(frozen=True)
class PairedDifference:
    """SAD of the student minus that of `method`: mean, 95 % interval, and on how many of `n` images it is better."""

    method: str
    mean: float
    low: float
    high: float
    better: int
    n: int

    @property
    def word(self) -> str:
        """What the interval says of the student: better, worse, or open where it includes 0."""
        return "better" if self.high < 0 else "worse" if self.low > 0 else "open"

    @property
    def interval(self) -> str:
        """The interval in words."""
        return f"{signed(self.low)} to {signed(self.high)}"


@dataclass(frozen=True)
class Verdict:
    """`word` is better, worse or open, `label` says it on a badge; the rest are sentences."""

    word: str
    label: str
    lead: str
    detail: str
    short: str


def best_baseline(methods: Mapping[str, Mapping[str, Any]]) -> str | None:
    """The method of the lowest mean SAD beside the student; None without one."""
    others = [name for name in methods if name != STUDENT]
    return min(others, key=lambda name: methods[name]["sad"], default=None)


def paired_differences(methods: Mapping[str, Mapping[str, Any]], sad: pd.DataFrame) -> list[PairedDifference]:
    """Student minus every method of a group of `metrics.json`, largest first.

    `sad` has a row per image and a column per method, to count on how many images the student is better. A
    method without a stored `difference`, or without images shared with the student, is left out.
    """
    found = []
    for method, values in methods.items():
        if "difference" in values and {STUDENT, method} <= set(sad):
            stored, shared = values["difference"], sad[[STUDENT, method]].dropna()
            better = int((shared[STUDENT] < shared[method]).sum())
            interval = stored["sad_low"], stored["sad_high"]
            found.append(PairedDifference(method, stored["sad"], *interval, better, len(shared)))
    return sorted(found, key=lambda difference: -difference.mean)


def verdict(student: float, baseline: float, difference: PairedDifference, images: str) -> Verdict:
    """How the student compares with the best baseline on `difference.n` of `images`, as "test composites".

    `student` and `baseline` are mean SADs. The word rests on whether the interval of the paired difference
    excludes 0, never on the means alone.
    """
    name = f"{method_name(difference.method)}, the best baseline"
    change = ""
    if baseline:
        change = f" ({100 * abs(student / baseline - 1):.0f} % {'lower' if student < baseline else 'higher'})"
    means = f"{student:.2f} against {baseline:.2f}{change}"
    start = f"On {difference.n} {images} the student"
    label, lead, rest = {
        "better": ("ahead", f"{start} beats {name}.", ""),
        "worse": ("behind", f"{start} loses to {name}.", ""),
        "open": ("undecided", f"{start} and {name}, cannot be told apart.", ": it includes 0"),
    }[difference.word]
    detail = (
        f"Mean SAD in the unknown region is {means}; the student is better on {difference.better} of "
        f"{difference.n} images. The 95 % interval of the paired difference is {difference.interval}{rest}."
    )
    short = f"SAD {means}; difference {difference.interval}."
    return Verdict(difference.word, label, lead, detail, short)
