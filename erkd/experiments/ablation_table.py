"""The ablation's report as Markdown: the findings in sentences, then tables of paired differences."""

from collections.abc import Mapping, Sequence

from erkd.evaluation.printing import OFFICIAL, signed
from erkd.experiments.paired import PairedDifference, Seeds, as_long, by_trial, mean_of, paired_difference
from erkd.experiments.trials import TrialRow

PLAIN, ERKD = "none-full", "erkd-full"
METHODS = {
    "none": "plain training",
    "erkd": "ERKD",
    "layers": "ERKD on layers",
    "layers3": "ERKD on layers (three times the weight)",
    "bcd": "BCD",
    "frskd": "FRSKD",
    "ffcl": "FFCL",
    "fb": "colours of F and B (no teacher)",
    "matting": "matting teacher",
}
PARTS = {
    "no_erm": "ERM off",
    "no_mffm": "MFFM off",
    "learned": "MFFM with a learned dictionary",
    "shuffled": "MFFM with a shuffled dictionary",
}
SIZES = {"full": "nano", "small": "small", "base": "base"}
Trials = Mapping[str, Seeds]


def title(name: str) -> str:
    """Display name of a trial METHOD-VARIANT."""
    method, variant = name.split("-")
    words = METHODS.get(method, method)
    return words if variant == "full" else f"{words} ({PARTS.get(variant, variant)})"


def distilled(trials: Trials) -> list[str]:
    """The trials of the full student with distillation."""
    return [name for name in trials if name.endswith("-full") and name != PLAIN]


def rivals(trials: Trials) -> list[str]:
    """The trials of the full student with a method other than ERKD."""
    return [name for name in distilled(trials) if name != ERKD]


def span(found: PairedDifference) -> str:
    """Format a paired difference with its interval and number of seeds."""
    if found.n < 2:
        return f"{signed(found.mean, 3)} (one seed)"
    return f"{signed(found.mean, 3)} ({signed(found.low, 3)} to {signed(found.high, 3)}; {found.n} seeds)"


def variants(trials: Trials) -> list[str]:
    """The ERKD trials whose student lacks a module or has another dictionary."""
    return [name for part in PARTS if (name := f"erkd-{part}") in trials]


def named(signs: Mapping[str, int], sign: int) -> str:
    """The display names of trials with this sign, or `none`."""
    return ", ".join(title(name) for name, of in signs.items() if of == sign) or "none"


def verdict(trials: Trials, set: str) -> str:
    """Two sentences on one set at equal steps: which methods beat plain training, and which ERKD beats."""
    found = paired_difference(trials[PLAIN], trials[ERKD])
    does = {1: "lowers SAD", 0: "makes no difference that can be told from 0", -1: "raises SAD"}[found.sign]
    plain, erkd = mean_of(trials[PLAIN], "sad"), mean_of(trials[ERKD], "sad")
    text = (
        f"On {'the test composites' if set == 'test' else set}, distillation by ERKD {does} at equal steps: "
        f"{plain:.3f} without, {erkd:.3f} with it, difference {span(found)}"
    )
    others = rivals(trials)
    signs = {name: paired_difference(trials[PLAIN], trials[name]).sign for name in others}
    for sign, word in ((1, "lower"), (-1, "higher")):
        text += f"; {word} than plain training of the other methods: {named(signs, sign)}"
    stands = {name: paired_difference(trials[name], trials[ERKD]).sign for name in (*others, *variants(trials))}
    return (
        f"{text}. ERKD is better than {named(stands, 1)}; worse than {named(stands, -1)}; "
        f"not told apart from {named(stands, 0)}."
    )


def table(header: Sequence[str], lines: Sequence[Sequence[str]]) -> str:
    """Format a Markdown table, all columns but the first right-aligned."""
    rule = ["---", *("---:" for _ in header[1:])]
    return "\n".join("| " + " | ".join(line) + " |" for line in (header, rule, *lines))


def methods_table(trials: Trials) -> str:
    """Compare every method with plain training of equal steps, and of at least equal seconds."""
    plain, lines = trials[PLAIN], []
    for name in (PLAIN, *distilled(trials)):
        trial = trials[name]
        steps, seconds = mean_of(trial, "steps"), mean_of(trial, "seconds")
        line = [title(name), f"{mean_of(trial, 'sad'):.3f}", f"{seconds / mean_of(plain, 'seconds'):.2f}"]
        if name == PLAIN:
            lines.append([*line, "", "", ""])
            continue
        found = paired_difference(plain, trial)
        share = f"{signed(100 * found.mean / mean_of(plain, 'sad'), 1)} %"
        more, long = "not run", as_long(trials, trial)
        if long is not None:
            times = mean_of(trials[long], "steps") / steps
            more = f"{span(paired_difference(trials[long], trial))}, {times:.2f} times the steps"
        lines.append([*line, span(found), share, more])
    header = [
        "method",
        "SAD",
        "seconds, plain = 1",
        "plain - method, equal steps",
        "of plain",
        "plain - method, equal seconds",
    ]
    return table(header, lines)


def against_table(trials: Trials, first: Sequence[str], second: str) -> str:
    """SAD of each trial in `first` and its paired difference to `second`, positive where `second` is better."""
    lines = [
        [title(name), f"{mean_of(trials[name], 'sad'):.3f}", span(paired_difference(trials[name], trials[second]))]
        for name in first
    ]
    return table(["", "SAD", f"minus {title(second)}"], lines)


def longer_table(trials: Trials) -> str:
    """All trials without distillation: more steps, and larger students."""
    metrics, lines = {metric.key: metric.title for metric in OFFICIAL}, []
    for name, trial in trials.items():
        if not name.startswith("none-"):
            continue
        variant = name.removeprefix("none-")
        row = next(iter(trial.values()))
        means = [f"{mean_of(trial, column):.4g}" for column in (*metrics, "seconds")]
        size = SIZES.get(variant, SIZES["full"])
        lines.append([size, f"{row.params / 1e6:.2f}", str(row.steps), str(len(trial)), *means])
    header = ["student", "parameters, million", "steps", "seeds", *metrics.values(), "seconds"]
    return table(header, lines)


def report(rows: Sequence[TrialRow], baselines: Mapping[str, float]) -> str:
    """The content of table.md; `baselines` are SADs of classical methods on the test composites."""
    sets = {set: by_trial(rows, set) for set in dict.fromkeys(row.set for row in rows)}
    parts = [" ".join(verdict(trials, set) for set, trials in sets.items()), "# Ablation of distillation"]
    parts.append(
        "SAD is in thousands of pixels, a mean over the unknown regions of a set's images. Differences are paired: "
        "same initial weights and same batches for all methods of a seed. Positive ones say that what is "
        "subtracted is better. In brackets 95 % t-intervals over seeds; they say nothing of other images. A mean is "
        "that of a trial's own seeds. Seconds are processor time of the training. `table.csv` has every trial."
    )
    for set, trials in sets.items():
        parts += [f"## {set.capitalize()}: methods", methods_table(trials)]
        parts += ["ERKD against every other method:", against_table(trials, rivals(trials), ERKD)]
        if lacking := variants(trials):
            parts += ["The student's parts, all taught by ERKD:", against_table(trials, lacking, ERKD)]
        parts += ["Plain training of more steps, and of larger students:", longer_table(trials)]
        if set == "test" and baselines:
            classical = ", ".join(f"{name.replace('_', ' ')} {sad:.3f}" for name, sad in baselines.items())
            parts.append(f"Methods without training: {classical}.")
    return "\n\n".join(parts) + "\n"
