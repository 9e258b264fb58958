"""Paired differences between trials of equal seeds, with 95 % t-intervals over seeds."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from erkd.experiments.trials import TrialRow

CONFIDENCE = 0.95
LOAD = 0.05  # relative error of processor seconds, from other load on the machine
Seeds = Mapping[int, TrialRow]  # a trial's rows of one set, by seed


@dataclass(frozen=True)
class PairedDifference:
    """SAD of one trial minus that of another of equal seed: mean over `n` seeds and Student's t-interval."""

    mean: float
    low: float
    high: float
    n: int

    @property
    def sign(self) -> int:
        """1 if the interval lies above 0 (the second trial is better), -1 if below, 0 if it contains 0."""
        return int(self.low > 0) - int(self.high < 0)


def by_trial(rows: Sequence[TrialRow], set: str) -> dict[str, dict[int, TrialRow]]:
    """Group the rows of one set by METHOD-VARIANT and seed, in the order of `rows`."""
    trials: dict[str, dict[int, TrialRow]] = {}
    for row in rows:
        if row.set == set:
            trials.setdefault(f"{row.method}-{row.variant}", {})[row.seed] = row
    return trials


def paired_difference(first: Seeds, second: Seeds) -> PairedDifference:
    """SAD of `first` minus `second` over common seeds: mean +- t s / sqrt(n), t with n - 1 degrees of freedom.

    The interval is infinite for one seed. Raises ValueError without a common seed.
    """
    from scipy.stats import t

    differences = np.array([first[seed].sad - second[seed].sad for seed in first if seed in second])
    n = len(differences)
    if not n:
        raise ValueError("no seed in common")
    reach = math.inf
    if n > 1:
        reach = float(t.ppf((1 + CONFIDENCE) / 2, n - 1) * differences.std(ddof=1) / math.sqrt(n))
    mean = float(differences.mean())
    return PairedDifference(mean, mean - reach, mean + reach, n)


def mean_of(trial: Seeds, column: str) -> float:
    """Mean of a column over seeds."""
    return float(np.mean([getattr(row, column) for row in trial.values()]))


def as_long(trials: Mapping[str, Seeds], method: Seeds) -> str | None:
    """The shortest plain training of the same student with at least (1 - `LOAD`) of `method`'s seconds, if any."""
    seconds = {
        name: mean_of(trials[name], "seconds")
        for name in ("none-full", "none-longer", "none-longest")
        if name in trials
    }
    least = (1 - LOAD) * mean_of(method, "seconds")
    enough = {name: value for name, value in seconds.items() if value >= least}
    return min(enough, key=lambda name: enough[name], default=None)
