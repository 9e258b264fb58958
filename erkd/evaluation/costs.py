"""What a prediction costs: processor seconds and peak memory; kept beside the results, in untracked files."""

import contextlib
import resource
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import numpy as np

from erkd.io.files import read_json, write_json

Result = TypeVar("Result")
Clock = Callable[[], float]


@dataclass(frozen=True)
class Cost:
    """Seconds of one prediction, files aside, and the process's peak memory in MiB meanwhile."""

    seconds: float
    peak_mib: int


def measured(
    function: Callable[..., Result], *arguments: object, clock: Clock = time.process_time
) -> tuple[Result, Cost]:
    """What `function(*arguments)` returns, and its cost.

    The default clock counts the processor time of all threads, so that a method on one core and one on many
    compare, and what else the machine does counts little.
    """
    _reset_peak()
    start = clock()
    result = function(*arguments)
    return result, Cost(clock() - start, _peak_mib())


def clock_of(device: str) -> Clock:
    """The clock for a predictor on a device: processor time, but the time that passes where a GPU works."""
    return time.process_time if device == "cpu" else time.perf_counter


def typical(costs: Sequence[Cost]) -> dict[str, float]:
    """The median of the seconds, which a slow first image does not move, and the largest peak."""
    seconds = float(np.median([cost.seconds for cost in costs]))
    return {"seconds": round(seconds, 4), "peak_mib": max(cost.peak_mib for cost in costs)}


def together(costs: Sequence[Mapping[str, float]]) -> dict[str, float]:
    """The cost of running several methods one after the other."""
    seconds = sum(cost["seconds"] for cost in costs)
    return {"seconds": round(seconds, 4), "peak_mib": max(cost["peak_mib"] for cost in costs)}


def costs_file(reports: Path, stage: str, set: str) -> Path:
    """Where a stage leaves the costs of its methods on a set: {method: {seconds, peak_mib}}."""
    return reports / f"timings/{stage}-{set}-methods.json"


def write_costs(costs: Mapping[str, Mapping[str, float]], reports: Path, stage: str, set: str) -> None:
    """Leave the costs of a stage's methods for `read_costs`."""
    write_json(costs, costs_file(reports, stage, set))


def read_costs(reports: Path, set: str) -> dict[str, dict[str, float]]:
    """The costs of every method that was run on a set in this checkout; empty after results from a cache."""
    files = [costs_file(reports, stage, set) for stage in ("evaluate", "baselines")]
    return {method: cost for file in files if file.is_file() for method, cost in read_json(file).items()}


def _reset_peak() -> None:
    """Start the process's peak memory anew, where the system can (Linux)."""
    with contextlib.suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")


def _peak_mib() -> int:
    with contextlib.suppress(OSError, StopIteration):
        status = Path("/proc/self/status").read_text().splitlines()
        return int(next(line for line in status if line.startswith("VmHWM")).split()[1]) // 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
