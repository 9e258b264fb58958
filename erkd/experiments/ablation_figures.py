"""The experiment's figure: contrasts with their intervals, and what ERKD changes on each photograph."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from erkd.experiments.ablation_table import ENDPOINT, ERKD, LEAST_GAIN, PLAIN
from erkd.experiments.contrasts import contrast, log_ratios
from erkd.io.files import atomic

if TYPE_CHECKING:
    from pandas import DataFrame

BETTER, WORSE, OPEN = "#1f7a5a", "#b5472f", "#5c6670"
DPI = 130


def draw_contrasts(scores: "DataFrame", listed: Mapping[str, Any], path: Path) -> None:
    """Plot the registered contrasts on the photographs, and ERKD against plain training on each of them.

    Dots are seeds, thick lines t-intervals over seeds, thin ones intervals over seeds and photographs.
    """
    from matplotlib.figure import Figure  # pyplot would look for a display

    every = [contrast(scores, first, second, ENDPOINT) for first, second in reversed(listed["contrasts"])]
    found = [one for one in every if one.seeds]
    ratios = 100 * np.expm1(log_ratios(scores, ERKD, PLAIN, ENDPOINT, "sad"))
    height = 1.6 + 0.4 * max(len(found), ratios.shape[1])
    figure = Figure(figsize=(13, height), layout="constrained")
    left, right = figure.subplots(1, 2, width_ratios=[3, 2])
    for place, one in enumerate(found):
        values = 100 * np.expm1([one.mean, one.low, one.high, one.crossed_low, one.crossed_high])
        colour = BETTER if one.high < 0 else WORSE if one.low > 0 else OPEN
        left.plot(values[3:], [place] * 2, color=colour, linewidth=1.2, solid_capstyle="round")
        left.plot(values[1:3], [place] * 2, color=colour, linewidth=5, alpha=0.45, solid_capstyle="round")
        seeds = 100 * np.expm1(one.by_seed)
        left.plot(seeds, [place - 0.22] * len(seeds), "o", color=colour, markersize=3, alpha=0.6)
        left.plot(values[0], place, "D", color=colour, markersize=7, markeredgecolor="white")
    titles = [f"{listed['titles'][one.first]}  /  {listed['titles'][one.second]}" for one in found]
    left.set_yticks(range(len(found)), titles)
    left.axvline(-100 * LEAST_GAIN, color=BETTER, linewidth=0.8, linestyle=":")
    left.set_xlabel("change of SAD on photographs, %\nleft of 0 the first is better; dotted: what proof asks for")
    ordered = ratios[ratios.mean().sort_values(ascending=False).index]
    for place, name in enumerate(ordered.columns):
        values = ordered[name].to_numpy()
        colour = BETTER if values.mean() < 0 else WORSE
        right.plot([0, values.mean()], [place] * 2, color=colour, linewidth=8, alpha=0.35, solid_capstyle="butt")
        right.plot(values, [place] * len(values), "o", color=colour, markersize=4, alpha=0.7)
    right.set_yticks(range(ordered.shape[1]), list(ordered.columns))
    right.set_xlabel("change of SAD by ERKD against plain training, %\nbars: mean over seeds")
    for panel in (left, right):
        panel.axvline(0, color="0.4", linewidth=0.9)
        panel.spines[["top", "right", "left"]].set_visible(False)
        panel.tick_params(axis="y", length=0)
        panel.grid(axis="x", color="0.92")
        panel.set_axisbelow(True)
    with atomic(path) as temporary:
        figure.savefig(temporary, dpi=DPI, metadata={"Software": None})
