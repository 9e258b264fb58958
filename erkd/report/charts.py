"""The report's charts, drawn by matplotlib, as inline SVG in the page's own colours."""

import io
import re
from collections.abc import Collection, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from markupsafe import Markup, escape
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure

# what is drawn in one of these is bound to the page's variable of that name: charts turn dark with the page
COLOURS = {
    "ink": "#1b1d22",
    "soft": "#5d626d",
    "line": "#e2e2dc",
    "student": "#4b45c6",
    "other": "#9aa0ab",
    "card": "#ffffff",
}
INK, SOFT, LINE, STUDENT, OTHER, CARD = COLOURS.values()
STYLE: Any = {
    "svg.fonttype": "none",  # text stays text, in the page's font
    "font.size": 11,
    "axes.spines.left": False,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.edgecolor": LINE,
    "axes.labelcolor": SOFT,
    "axes.prop_cycle": f"cycler('color', ['{STUDENT}'])",
    "axes.grid": True,
    "axes.grid.axis": "y",
    "axes.axisbelow": True,
    "grid.color": LINE,
    "xtick.color": SOFT,
    "ytick.color": SOFT,
    "xtick.major.size": 0,
    "ytick.major.size": 0,
    "text.color": SOFT,
}
CEILING = 99  # percentile at which an axis ends when a few first values would flatten the rest


@rc_context(STYLE)
def line_chart(values: pd.Series, label: str, dots: bool = False) -> Markup:
    """One value by training step, its index. Few measurements (`dots`) are joined, many also smoothed.

    The value axis starts at 0 for non-negative values and ends at the 99th percentile of many.
    """
    axes = _axes(340, 210)
    axes.set_xlabel("step")
    low, high = min(0.0, values.min()), values.max() if dots else np.percentile(values, CEILING)
    axes.set_ylim(low, high + 0.05 * (high - low) or 1.0)
    if dots:
        axes.plot(values.index, values, "o-", markersize=5)
    else:
        mean = values.rolling(2 * max(1, round(len(values) / 40)) + 1, center=True, min_periods=1).mean()
        axes.plot(values.index, values, alpha=0.25, linewidth=1)
        axes.plot(mean.index, mean, linewidth=2)
    ends = [f"{values.iloc[place]:.4g} at step {values.index[place]:g}" for place in (0, -1)]
    return _svg(axes, f"{label}: {', '.join(ends)}")


@rc_context(STYLE)
def bar_chart(
    values: Mapping[str, float], label: str, form: str, intervals: Sequence[Sequence[float]] = ()
) -> Markup:
    """A bar for each name, the first on top, with its value printed by `form` and its interval (low, high)."""
    axes = _axes(440, 8 + 24 * len(values))
    means, places = np.array([*values.values()]), range(len(values))
    whiskers = np.abs(np.array(intervals).T - means) if intervals else None
    colours = [STUDENT if name == "student" else OTHER for name in values]
    bars = axes.barh(places, means, 0.7, xerr=whiskers, color=colours, ecolor=INK, capsize=3)
    printed = [form.format(value) for value in means]
    axes.bar_label(bars, printed, padding=7, color=INK, weight="bold")
    axes.set_yticks(places, [*values], color=INK)
    for tick in axes.get_yticklabels():
        if tick.get_text() == "student":
            tick.set(color=STUDENT, weight="bold")
    axes.grid(visible=False)
    axes.spines.bottom.set_visible(False)
    axes.set_xticks([])
    axes.margins(x=0.12, y=0.02)
    axes.invert_yaxis()
    return _svg(axes, f"{label}: {', '.join(f'{name} {text}' for name, text in zip(values, printed, strict=True))}")


@rc_context(STYLE)
def scatter_chart(pairs: pd.DataFrame, other: str) -> Markup:
    """SAD of each image, which the index names: the first column's, the student's, up, the second's across.

    Below the diagonal, where the student is better, the chart is shaded; a point's name shows on pointing at it.
    """
    axes, end = _axes(320, 320), pairs.max(axis=None) * 1.06 or 1.0
    axes.fill_between([0, end], [0, end], color=STUDENT, alpha=0.07, linewidth=0)
    axes.axline((0, 0), slope=1, color=OTHER, linestyle="--", linewidth=1)
    for name, up, across in pairs.itertuples():
        _point(axes, across, up, STUDENT if up < across else OTHER, name)
    axes.set(xlim=(0, end), ylim=(0, end), aspect="equal", xlabel=f"SAD of {other}", ylabel="SAD of the student")
    better = (pairs.iloc[:, 0] < pairs.iloc[:, 1]).sum()
    return _svg(axes, f"SAD per image: the student is below {other} on {better} of {len(pairs)}")


@rc_context(STYLE)
def cost_chart(points: pd.DataFrame, labelled: Collection[str], cost: str) -> Markup:
    """Points by name, columns cost and SAD: cost across in powers of ten, that of 0 stands left, above `none`.

    The names in `labelled` stand in a column at the right, joined to their points; others show on pointing at them.
    """
    paid = np.log10([across for across in points.iloc[:, 0] if across > 0] or [1.0])
    low, high = int(np.floor(paid.min())), int(np.ceil(paid.max()))
    ticks = {10.0**power: f"{10.0**power:g}" for power in range(low, max(high, low + 1) + 1)}
    nothing = 10.0 ** (low - 1)
    if (points.iloc[:, 0] == 0).any():
        ticks[nothing] = "none"
    axes, end = _axes(420, 260), points.sad.max() * 1.1 or 1.0
    axes.set_xscale("log")
    axes.set_xticks([*ticks], [*ticks.values()])
    axes.set_xlim(0.5 * min(ticks), 2 * max(ticks))
    axes.minorticks_off()
    said, height = [], -end
    for name, across, up in points.sort_values("sad", kind="stable").itertuples():
        colour = STUDENT if name == "student" else OTHER
        said.append(f"{name} {up:.2f} at {across:.3g}")
        _point(axes, across or nothing, up, colour, said[-1], 7 if name in labelled else 4)
        if name in labelled:
            height = max(up, height + 0.07 * end)
            axes.annotate(
                name, (across or nothing, up), (1.03, height), textcoords=("axes fraction", "data"),
                va="center", color=STUDENT if name == "student" else SOFT,
                arrowprops={"arrowstyle": "-", "color": OTHER, "linewidth": 0.6, "shrinkA": 2, "shrinkB": 4},
            )  # fmt: skip
    axes.set(ylim=(0, max(end, height * 1.05)), xlabel=cost, ylabel="SAD")
    return _svg(axes, f"SAD against {cost}: {'; '.join(said)}")


def _axes(width: int, height: int) -> Axes:
    """Axes of a figure of so many of the page's pixels."""
    axes: Axes = Figure(figsize=(width / 72, height / 72), layout="constrained").subplots()
    axes.locator_params(nbins=5)
    return axes


def _point(axes: Axes, across: float, up: float, colour: str, name: str, size: float = 6) -> None:
    axes.plot(across, up, "o", color=colour, markersize=size, markeredgecolor=CARD, gid=f"name: {name}")


def _svg(axes: Axes, summary: str) -> Markup:
    """The figure as SVG that a screen reader calls by its summary; the same bytes for the same figure."""
    figure: Any = axes.figure
    stream = io.StringIO()
    with rc_context({"svg.hashsalt": summary}):
        nothing = dict.fromkeys(("Creator", "Date", "Format", "Type"))
        figure.savefig(stream, format="svg", transparent=True, metadata=nothing)
    text = stream.getvalue().partition("<svg")[2]
    text = re.sub(r' (xmlns(:xlink)?="[^"]*"|id="[\w.]+_\d+")', "", text)
    text = re.sub(r'<g id="name: ([^"]*)">', r"<g><title>\1</title>", text)
    for name, colour in COLOURS.items():
        text = text.replace(colour, f"var(--{name})")
    return Markup(f'<svg class="chart" role="img" aria-label="{escape(summary)}"{text}')
