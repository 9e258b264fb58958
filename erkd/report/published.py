"""Numbers that papers and their repositories print for the benchmark sets, as reference beside results on these.

They are data, `published_results/<source>.csv`, in the units that are printed: SAD in thousands of pixels,
MSE x 10^-3, Grad and Conn divided by 1000, parameters in millions; an empty cell was not published.
"""

import csv
from dataclasses import dataclass
from importlib.resources import files

METRICS = ("sad", "mse", "grad", "conn")


@dataclass(frozen=True)
class Published:
    """One published line. `values` by metric as printed, `params_m` parameters in millions; None: not given."""

    method: str
    values: dict[str, float | None]
    params_m: float | None
    source: str


def published(data: str) -> list[Published]:
    """The lines for a data source, as "composition1k", by SAD; empty for data that nobody published on."""
    table = files("erkd.report") / "published_results" / f"{data}.csv"
    if not table.is_file():
        return []
    lines = [
        Published(
            row["method"],
            {name: _number(row[name]) for name in METRICS},
            _number(row["params_m"]),
            row["source"],
        )
        for row in csv.DictReader(table.read_text(encoding="utf-8").splitlines())
    ]
    return sorted(lines, key=lambda line: line.values["sad"] or float("inf"))


def _number(cell: str) -> float | None:
    return float(cell) if cell else None
