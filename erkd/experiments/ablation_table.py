"""The ablation in words: what came out, first, and tables of paired differences."""

from collections.abc import Mapping, Sequence

from erkd.experiments.paired import Gap, Seeds, as_long, by_cell, gap, mean_of
from erkd.experiments.trials import CellRow

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
Cells = Mapping[str, Seeds]


def title(name: str) -> str:
    """A cell in words, by METHOD-VARIANT."""
    method, variant = name.split("-")
    words = METHODS.get(method, method)
    return words if variant == "full" else f"{words} ({PARTS.get(variant, variant)})"


def distilled(cells: Cells) -> list[str]:
    """The cells of the whole student taught by something."""
    return [name for name in cells if name.endswith("-full") and name != PLAIN]


def rivals(cells: Cells) -> list[str]:
    """The cells of the whole student taught by another method than ERKD."""
    return [name for name in distilled(cells) if name != ERKD]


def signed(value: float) -> str:
    """A difference in SAD with its sign."""
    return f"{value:+.3f}".replace("-", "\N{MINUS SIGN}")


def span(found: Gap) -> str:
    """A paired difference with its interval and on how many seeds it rests."""
    if found.n < 2:
        return f"{signed(found.mean)} (one seed)"
    return f"{signed(found.mean)} ({signed(found.low)} to {signed(found.high)}; {found.n} seeds)"


def variants(cells: Cells) -> list[str]:
    """The cells taught by ERKD whose student lacks a part, or reads another dictionary."""
    return [name for part in PARTS if (name := f"erkd-{part}") in cells]


def named(signs: Mapping[str, int], sign: int) -> str:
    """The cells of one sign in words, or `none`."""
    return ", ".join(title(name) for name, of in signs.items() if of == sign) or "none"


def verdict(cells: Cells, set: str) -> str:
    """Two sentences: whether ERKD and the other methods help on a set at equal steps, and how ERKD stands to all."""
    found = gap(cells[PLAIN], cells[ERKD])
    does = {1: "lowers SAD", 0: "makes no difference that can be told from 0", -1: "raises SAD"}[found.sign]
    plain, erkd = mean_of(cells[PLAIN], "sad"), mean_of(cells[ERKD], "sad")
    text = (
        f"On {'the test composites' if set == 'test' else set}, distillation by ERKD {does} at equal steps: "
        f"{plain:.3f} without, {erkd:.3f} with it, difference {span(found)}"
    )
    others = rivals(cells)
    signs = {name: gap(cells[PLAIN], cells[name]).sign for name in others}
    for sign, word in ((1, "lower"), (-1, "higher")):
        text += f"; {word} than plain training of the other methods: {named(signs, sign)}"
    stands = {name: gap(cells[name], cells[ERKD]).sign for name in (*others, *variants(cells))}
    return (
        f"{text}. ERKD is better than {named(stands, 1)}; worse than {named(stands, -1)}; "
        f"not told apart from {named(stands, 0)}."
    )


def table(header: Sequence[str], lines: Sequence[Sequence[str]]) -> str:
    """Cells of text as a Markdown table, numbers to the right."""
    rule = ["---", *("---:" for _ in header[1:])]
    return "\n".join("| " + " | ".join(line) + " |" for line in (header, rule, *lines))


def methods_table(cells: Cells) -> str:
    """Every method against plain training of as many steps, and of at least as many seconds."""
    plain, lines = cells[PLAIN], []
    for name in (PLAIN, *distilled(cells)):
        cell = cells[name]
        steps, seconds = mean_of(cell, "steps"), mean_of(cell, "seconds")
        line = [title(name), f"{mean_of(cell, 'sad'):.3f}", f"{seconds / mean_of(plain, 'seconds'):.2f}"]
        if name == PLAIN:
            lines.append([*line, "", "", ""])
            continue
        found = gap(plain, cell)
        share = f"{100 * found.mean / mean_of(plain, 'sad'):+.1f} %".replace("-", "\N{MINUS SIGN}")
        more, long = "not run", as_long(cells, cell)
        if long is not None:
            more = (
                f"{span(gap(cells[long], cell))}, {mean_of(cells[long], 'steps') / steps:.2f} times the steps"
            )
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


def against_table(cells: Cells, first: Sequence[str], second: str) -> str:
    """SAD of each of `first`, and its paired difference to `second`: positive where `second` is better."""
    lines = [
        [title(name), f"{mean_of(cells[name], 'sad'):.3f}", span(gap(cells[name], cells[second]))]
        for name in first
    ]
    return table(["", "SAD", f"minus {title(second)}"], lines)


def longer_table(cells: Cells) -> str:
    """Plain training of more steps, and of larger students."""
    lines = []
    for name, cell in cells.items():
        if not name.startswith("none-"):
            continue
        variant = name.removeprefix("none-")
        row = next(iter(cell.values()))
        means = [f"{mean_of(cell, column):.4g}" for column in ("sad", "mse", "grad", "conn", "seconds")]
        size = SIZES.get(variant, SIZES["full"])
        lines.append([size, f"{row.params / 1e6:.2f}", str(row.steps), str(len(cell)), *means])
    header = ["student", "parameters, million", "steps", "seeds", "SAD", "MSE", "Grad", "Conn", "seconds"]
    return table(header, lines)


def report(rows: Sequence[CellRow], baselines: Mapping[str, float]) -> str:
    """table.md: first what came out, then the tables of every set; `baselines` are SADs on the test composites."""
    sets = {set: by_cell(rows, set) for set in dict.fromkeys(row.set for row in rows)}
    parts = [" ".join(verdict(cells, set) for set, cells in sets.items()), "# Ablation of distillation"]
    parts.append(
        "SAD is in thousands of pixels, a mean over the unknown regions of a set's images. Differences are paired: "
        "same initial weights and same batches for all methods of a seed. Positive ones say that what is "
        "subtracted is better. In brackets 95 % t-intervals over seeds; they say nothing of other images. A mean is "
        "that of a cell's own seeds. Seconds are processor time of the training. `table.csv` has every cell."
    )
    for set, cells in sets.items():
        parts += [f"## {set.capitalize()}: methods", methods_table(cells)]
        parts += ["ERKD against every other method:", against_table(cells, rivals(cells), ERKD)]
        if lacking := variants(cells):
            parts += ["The student's parts, all taught by ERKD:", against_table(cells, lacking, ERKD)]
        parts += ["Plain training of more steps, and of larger students:", longer_table(cells)]
        if set == "test" and baselines:
            classical = ", ".join(f"{name.replace('_', ' ')} {sad:.3f}" for name, sad in baselines.items())
            parts.append(f"Methods without training: {classical}.")
    return "\n\n".join(parts) + "\n"
