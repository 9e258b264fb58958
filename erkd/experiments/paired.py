"""Paired differences between trials of one seed: with 95 % t-intervals over seeds."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from erkd.experiments.trials import TrialRow

CONFIDENCE = 0.95
LOAD = 0.05  # by so much what else a machine does moves a mean of processor seconds
Seeds = Mapping[int, TrialRow]  # one trial's rows of one set, by seed


@dataclass(frozen=True)
class PairedDifference:
    """SAD of one trial minus that of another with the same seed: mean over `n` seeds and Student's interval."""

    mean: float
    low: float
    high: float
    n: int

    @property
    def sign(self) -> int:
        """1 where the interval lies above 0, so that the second trial is better; -1 below; 0 where 0 is in it."""
        return int(self.low > 0) - int(self.high < 0)


def by_trial(rows: Sequence[TrialRow], set: str) -> dict[str, dict[int, TrialRow]]:
    """The rows of one set by METHOD-VARIANT and seed, in the order of `rows`."""
    trials: dict[str, dict[int, TrialRow]] = {}
    for row in rows:
        if row.set == set:
            trials.setdefault(f"{row.method}-{row.variant}", {})[row.seed] = row
    return trials


def paired_difference(first: Seeds, second: Seeds) -> PairedDifference:
    """`first` minus `second` over the seeds that both have.

    mean +- t s / sqrt(n), with Student's t for n - 1 degrees of freedom; infinite below two seeds. Raises
    ValueError where they share no seed.
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
    """The mean of a column over seeds."""
    return float(np.mean([getattr(row, column) for row in trial.values()]))


def as_long(trials: Mapping[str, Seeds], method: Seeds) -> str | None:
    """The shortest plain training of the same student that took as many seconds as `method`, less `LOAD`."""
    seconds = {
        name: mean_of(trials[name], "seconds")
        for name in ("none-full", "none-longer", "none-longest")
        if name in trials
    }
    least = (1 - LOAD) * mean_of(method, "seconds")
    enough = {name: value for name, value in seconds.items() if value >= least}
    return min(enough, key=lambda name: enough[name], default=None)
