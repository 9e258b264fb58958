"""The ablation's figures: paired differences by method, and accuracy against size and time."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from erkd.experiments.ablation_table import PLAIN, SIZES, distilled, title
from erkd.experiments.paired import as_long, by_trial, mean_of, paired_difference
from erkd.experiments.trials import TrialRow
from erkd.io.files import atomic

INK, SECOND = "#1f4e79", "#c05a1f"
DPI = 130


def draw_differences(rows: Sequence[TrialRow], path: Path) -> None:
    """Plot SAD of plain training minus method, with 95 % intervals, at equal steps and seconds; a panel per set."""
    sets = {set: by_trial(rows, set) for set in dict.fromkeys(row.set for row in rows)}
    figure, panels = _panels(len(sets), 4.2)
    for panel, (set, trials) in zip(panels, sets.items(), strict=True):
        names = distilled(trials)[::-1]
        for shift, colour, label in ((0.13, INK, "equal steps"), (-0.13, SECOND, "equal seconds")):
            panel.plot([], [], "o-", color=colour, markersize=4, label=label)
            for place, name in enumerate(names):
                plain = PLAIN if colour == INK else as_long(trials, trials[name])
                if plain is None or (found := paired_difference(trials[plain], trials[name])).n < 2:
                    continue
                panel.plot([found.low, found.high], [place + shift] * 2, color=colour, linewidth=1.5)
                panel.plot(found.mean, place + shift, "o", color=colour, markersize=4)
        panel.axvline(0, color="0.6", linewidth=0.8)
        panel.set_yticks(range(len(names)), [title(name) for name in names])
        panel.set_ylim(-0.5, len(names) - 0.5)
        panel.set_xlabel("SAD, plain - method (right: the method is better)")
        panel.set_title("test composites" if set == "test" else set)
        panel.legend(frameon=False, fontsize=8)
    _save(figure, path)


def draw_trade_off(
    rows: Sequence[TrialRow], milliseconds: Mapping[str, float], baselines: Mapping[str, float], path: Path
) -> None:
    """Plot test SAD against parameters and prediction time of nano, small and base.

    `milliseconds` are a prediction's time by METHOD-VARIANT; `baselines` are SADs of classical methods, as lines.
    """
    trials, (figure, panels) = by_trial(rows, "test"), _panels(2, 4.2)
    sizes = [name for name in trials if name.split("-")[1] in SIZES and name.startswith("none-")]
    costs = (
        ("parameters, million", {name: mean_of(trials[name], "params") / 1e6 for name in sizes}),
        ("processor milliseconds of an image of 384 pixels, one thread", milliseconds),
    )
    for panel, (label, cost) in zip(panels, costs, strict=True):
        shown = sorted((name for name in sizes if name in cost), key=lambda name: cost[name])
        errors = [mean_of(trials[name], "sad") for name in shown]
        panel.plot([cost[name] for name in shown], errors, "o-", color=INK)
        for name, error in zip(shown, errors, strict=True):
            size = SIZES[name.split("-")[1]]
            panel.annotate(size, (cost[name], error), (6, 4), textcoords="offset points", color=INK)
        for method, sad in baselines.items():
            panel.axhline(sad, color="0.55", linewidth=0.9, linestyle="--")
            panel.text(
                0.99,
                sad,
                method.replace("_", " "),
                transform=panel.get_yaxis_transform(),
                ha="right",
                va="bottom",
                fontsize=8,
            )
        panel.margins(x=0.12)
        panel.set_xlabel(label)
        panel.set_ylabel("SAD, test composites")
    _save(figure, path)


def _panels(count: int, height: float) -> tuple[Any, Sequence[Any]]:
    from matplotlib.figure import Figure  # pyplot would look for a display

    figure = Figure(figsize=(6 * count, height), layout="constrained")
    return figure, figure.subplots(1, count, squeeze=False)[0]


def _save(figure: Any, path: Path) -> None:
    with atomic(path) as temporary:
        figure.savefig(temporary, dpi=DPI, metadata={"Software": None})
