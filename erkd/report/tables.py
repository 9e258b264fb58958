"""Tables: CSV files of numbers read, and rows of cells for the page, the header first."""

import csv
import io
from collections.abc import Mapping, Sequence
from pathlib import Path

import pandas as pd
from markupsafe import Markup

from erkd.evaluation.printing import Metric
from erkd.io.files import InputError, read_text

Rows = list[list[str]]
NOTHING = "\N{EN DASH}"


def read_numbers(path: Path, needed: Sequence[str], text: Sequence[str] = ()) -> pd.DataFrame:
    """A CSV file as a table of numbers, but for the columns `text`; empty cells are NaN.

    Raises InputError that names the file and what is wrong with it.
    """
    try:
        header, *rows = csv.reader(io.StringIO(read_text(path)))
        missing = [name for name in needed if name not in header]
        if missing:
            raise ValueError(f"the column(s) {', '.join(missing)} are missing; found {', '.join(header)}")
        odd = next((row for row in rows if len(row) != len(header)), None)
        if odd is not None:
            raise ValueError(f"the line {','.join(odd)[:60]!r} has too few or too many cells")
        table = pd.DataFrame(rows, columns=header)
        numbers = table.columns.drop([*text])
        table[numbers] = table[numbers].apply(pd.to_numeric)
    except (ValueError, csv.Error) as error:
        raise InputError(f"{path}: not the table that `dvc repro` writes: {error}") from None
    return table


def noted(text: str, note: str) -> Markup:
    """A cell with a note in small print."""
    return Markup('{} <span class="unit">{}</span>').format(text, note)


def number(value: float, form: str = "{:.2f}") -> str:
    """A number as a cell; NaN as a dash."""
    return form.format(value) if value == value else NOTHING


def marked(text: str, best: bool) -> str:
    """A cell, bold where it is the best of its kind."""
    return Markup("<b>{}</b>").format(text) if best else text


def value_cell(metric: Metric, values: Mapping[str, float], best: bool = False) -> str:
    """A metric's value, bold where it is the best of its kind, and its interval where there is one."""
    if metric.key not in values:
        return NOTHING
    text = marked(metric.text(values[metric.key]), best)
    if f"{metric.key}_low" not in values:
        return text
    low, high = (metric.text(values[f"{metric.key}_{end}"]) for end in ("low", "high"))
    return Markup('{}<span class="interval">{} {} {}</span>').format(text, low, NOTHING, high)


def dots_cell(values: Mapping[str, float], end: float) -> Markup:
    """A line from 0 to `end` with a dot for each method's value, the student's on top."""
    dots = [
        Markup('<i{} style="left:{}%"></i>').format(
            Markup(' class="student"') if name == "student" else "", round(100 * value / end, 1)
        )
        for name, value in sorted(values.items(), key=lambda item: item[0] == "student")
    ]
    return Markup('<span class="track">{}</span>').format(Markup("").join(dots))
