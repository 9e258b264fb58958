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


def verdict(student: float, baseline: float, difference: PairedDifference, images: str) -> dict[str, str]:
    """How the student compares with the best baseline on `difference.n` of `images`, as "test composites".

    `student` and `baseline` are mean SADs. The `word` rests on whether the interval of the paired difference
    excludes 0, never on the means alone; `label` says it on a badge, `lead`, `detail` and `short` in sentences.
    """
    name, change = f"{method_name(difference.method)}, the best baseline", ""
    if baseline:
        change = f" ({100 * abs(student / baseline - 1):.0f} % {'lower' if student < baseline else 'higher'})"
    means = f"{student:.2f} against {baseline:.2f}{change}"
    label, lead, rest = {
        "better": ("ahead", f"beats {name}", ""),
        "worse": ("behind", f"loses to {name}", ""),
        "open": ("undecided", f"and {name}, cannot be told apart", ": it includes 0"),
    }[difference.word]
    return {
        "word": difference.word,
        "label": label,
        "lead": f"On {difference.n} {images} the student {lead}.",
        "detail": f"Mean SAD in the unknown region is {means}; the student is better on {difference.better} of "
        f"{difference.n} images. The 95 % interval of the paired difference is {difference.interval}{rest}.",
        "short": f"SAD {means}; difference {difference.interval}.",
    }
