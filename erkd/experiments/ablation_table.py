"""The registered experiment's report: a row per trial and set, the verdict in a sentence, and tables of contrasts."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import numpy as np

from erkd.evaluation.printing import METRICS, OFFICIAL, signed
from erkd.experiments.contrasts import Contrast, contrast, holm, log_ratios, percent
from erkd.experiments.trials import Run, Trial

if TYPE_CHECKING:
    from pandas import DataFrame

PLAIN, ERKD, EXCHANGED = "plain", "erkd", "exchanged"
ENDPOINT = "photographs"  # the set that decides
LEAST_GAIN = 0.03  # what the registration asks of the mean
NO_VERDICT = "The registered experiment has no verdict yet."


def trial_table(scores: "DataFrame", runs: Mapping[Trial, Run]) -> "DataFrame":
    """A row per trial and set: means over images and trimaps, mean log ratio of SAD to plain training of the same
    seed, and how the trial was run.
    """
    import pandas as pd

    names, rows = [metric.key for metric in OFFICIAL], []
    ratios = {
        (set, arm): log_ratios(scores, arm, PLAIN, set, "sad").mean(axis=1)
        for set in scores["set"].unique()
        for arm in scores["arm"].unique()
    }
    for trial, run in runs.items():
        of_trial = scores[(scores["arm"] == trial.name) & (scores["seed"] == trial.seed)]
        for set, group in of_trial.groupby("set", sort=False):
            ratio = ratios[set, trial.name].get(trial.seed, math.nan)
            means = {name: group[name].mean() for name in names}
            shown = {"arm": trial.name, "seed": trial.seed, "set": set, "images": group["image"].nunique()}
            rows.append(shown | means | {"log_ratio_to_plain": ratio} | asdict(run))
    return pd.DataFrame(rows)


def verdict(scores: "DataFrame", seeds: Sequence[int]) -> str:
    """One sentence on the endpoint: ERKD against plain training, `seeds` being those registered."""
    found = contrast(scores, ERKD, PLAIN, ENDPOINT)
    if len(found.seeds) < 2:
        return NO_VERDICT
    finished = len(found.seeds) == len(seeds)
    begin = "On" if finished else f"After {len(found.seeds)} of {len(seeds)} seeds, on"
    text = (
        f"{begin} {found.images} photographs ERKD changes SAD by {change(found)} against plain training "
        f"(mean log ratio, 95 % interval over {len(found.seeds)} seeds; over seeds and photographs "
        f"{span(found.crossed_low, found.crossed_high)})"
    )
    codes = contrast(scores, ERKD, EXCHANGED, ENDPOINT)
    if len(codes.seeds) > 1:
        text += f" and by {change(codes)} against ERKD whose codes are exchanged"
    return f"{text}: {conclusion(found) if finished else 'nothing is decided yet'}."


def conclusion(found: Contrast) -> str:
    """What the registration calls an outcome of its first contrast."""
    if found.low > 0:
        return "the gain is denied, ERKD is worse"
    if found.high >= 0:
        return "the gain is denied, since the interval holds 0"
    gained = percent(found.mean) <= -100 * LEAST_GAIN
    return "the gain is proven" if gained else f"the gain is denied, since it is below {100 * LEAST_GAIN:g} %"


def span(low: float, high: float) -> str:
    """An interval of log ratios in percent."""
    return f"{signed(percent(low), 1)} to {signed(percent(high), 1)} %"


def change(found: Contrast) -> str:
    """A contrast in percent, with its interval over seeds where it has one."""
    if not found.seeds:
        return ""
    mean = f"{signed(percent(found.mean), 1)} %"
    return mean if math.isnan(found.low) else f"{mean} ({span(found.low, found.high)})"


def table(header: Sequence[str], lines: Sequence[Sequence[str]]) -> str:
    """Format a Markdown table, all columns but the first right-aligned."""
    rule = ["---", *("---:" for _ in header[1:])]
    return "\n".join("| " + " | ".join(line) + " |" for line in (header, rule, *lines))


def pair(found: Contrast, titles: Mapping[str, str]) -> str:
    """The arms of a contrast in words."""
    return f"{titles[found.first]} / {titles[found.second]}"


def contrasts_table(found: Sequence[Contrast], titles: Mapping[str, str]) -> str:
    """Contrasts with both intervals, p-values, and those by Holm for all of `found`."""
    lines = []
    for one, adjusted in zip(found, holm([one.p for one in found]), strict=True):
        tested = [span(one.crossed_low, one.crossed_high), f"{one.p:.3g}", f"{adjusted:.3g}"]
        lines.append([pair(one, titles), str(len(one.seeds)), change(one), *(tested if one.p >= 0 else ["", "", ""])])
    return table(["SAD of", "seeds", "change (over seeds)", "over seeds and photographs", "p", "p, Holm"], lines)


def report(scores: "DataFrame", trials: "DataFrame", listed: Mapping[str, Any]) -> str:
    """The content of table.md: the verdict, the registered contrasts, secondary endpoints, and every arm.

    Args:
        scores: Scores by image, of `read_scores`.
        trials: `trial_table` of them.
        listed: The content of trials.yaml.
    """
    titles = listed["titles"]
    found = [contrast(scores, first, second, ENDPOINT) for first, second in listed["contrasts"]]
    others = [set for set in dict.fromkeys(scores["set"]) if set != ENDPOINT]
    further = [(ENDPOINT, "mse"), (ENDPOINT, "grad"), *((set, "sad") for set in others)]
    second = [
        [pair(one, titles), *(change(contrast(scores, one.first, one.second, *of)) for of in further)]
        for one in found
    ]
    return "\n\n".join(
        [
            verdict(scores, listed["seeds"][ERKD]),
            "# Does distillation help? The registered experiment",
            "Written by `python -m pipeline.ablation.table --root ablation`; rules: "
            "[docs/experiments/erkd.md](../docs/experiments/erkd.md). A change is the mean log ratio of two arms' "
            "errors, over common seeds, photographs (each weighing the same) and trimaps, in percent; negative: the "
            "first arm is better. In brackets 95 % t-intervals over seeds; then percentile intervals of 10,000 "
            "bootstrap samples of seeds and photographs. `table.csv` has every trial, `scores/` every image.",
            contrasts_table(found, titles),
            "## Secondary endpoints",
            table(["", *(f"{METRICS[metric].title}, {set}" for set, metric in further)], second),
            "## Every arm",
            arms_table(trials, titles),
        ]
    ) + "\n"  # fmt: skip


def arms_table(trials: "DataFrame", titles: Mapping[str, str]) -> str:
    """Mean scores of each arm's own seeds by set, and the processor seconds of its training."""
    lines = []
    for (set, arm), group in trials.groupby(["set", "arm"], sort=False):
        means = [metric.text(group[metric.key].mean()) for metric in OFFICIAL]
        lines.append([titles[arm], set, str(len(group)), *means, f"{np.mean(group['seconds']):.0f}"])
    head = ["arm", "set", "seeds", "SAD", "MSE x 1000", "Grad", "Conn", "seconds of training"]
    return table(head, sorted(lines, key=lambda line: line[1] != ENDPOINT))
