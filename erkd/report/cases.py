"""Single results to look at: best, median and worst images, the best baseline beside the student."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from joblib import parallel_config

from erkd.evaluation.scores import STUDENT
from erkd.io.images import Array, load_alpha, load_image, load_trimap
from erkd.io.tables import Sample
from erkd.report.comparison import ImageScores, method_name
from erkd.report.pictures import (
    Picture,
    busiest_window,
    contrasting_colour,
    error_map,
    outline_window,
    picture,
    replace_background,
)
from erkd.runtime.parallel import map_rows

Chosen = tuple[str, Sample, Mapping[str, Path], Mapping[str, ImageScores]]
KINDS = ("best", "median", "worst")


@dataclass(frozen=True)
class CaseRow:
    """The truth's or one method's pictures; `scores` are pairs of a metric's name and its value in words."""

    name: str
    is_student: bool
    scores: tuple[tuple[str, str], ...]
    pictures: tuple[Picture, ...]


@dataclass(frozen=True)
class Case:
    """One image: what was given and true, then each method."""

    kind: str
    title: str
    subtitle: str
    given: Picture
    rows: tuple[CaseRow, ...]


def choose_cases(values: Mapping[str, float], count: int) -> dict[str, list[str]]:
    """`best`, `median` and `worst` keys of `values` (lower is better), `count` of each at most, none twice.

    With fewer than 3 `count` keys the worst come first, then the best.
    """
    ranked = sorted(values, key=lambda key: (values[key], key))
    count = min(count, max(1, len(ranked) // len(KINDS)))
    worst = ranked[::-1][:count]
    best = ranked[: min(count, len(ranked) - len(worst))]
    between = ranked[len(best) : len(ranked) - len(worst)]
    start = max(0, (len(between) - count) // 2)
    return {"best": best, "median": between[start : start + count], "worst": worst}


def build_cases(
    samples: Sequence[Sample],
    scores: Sequence[ImageScores],
    predictions: Path,
    methods: Mapping[str, Path],
    count: int,
    longest: int = 384,
) -> list[Case]:
    """The cases of a set by the student's SAD.

    `samples` and `scores` belong together by `sample_id`; `predictions` holds `<sample_id>.png`, and so
    does the folder of each of the other `methods`. The best baseline is chosen image by image.
    """
    by_id = {sample.sample_id: sample for sample in samples}
    lines: dict[str, dict[str, ImageScores]] = {}
    for line in scores:
        if line.sample_id in by_id:
            lines.setdefault(line.sample_id, {})[line.method] = line
    ranked = {sample: found[STUDENT].values["sad"] for sample, found in lines.items() if STUDENT in found}
    chosen_cases: list[Chosen] = []
    for kind, chosen in choose_cases(ranked, count).items():
        for sample in chosen:
            others = {
                method: line
                for method, line in lines[sample].items()
                if method in methods and (methods[method] / f"{sample}.png").is_file()
            }
            best = min(others, key=lambda method: others[method].values["sad"], default=None)
            files = {STUDENT: predictions / f"{sample}.png"}
            if best:
                files[best] = methods[best] / f"{sample}.png"
            chosen_cases.append((kind, by_id[sample], files, lines[sample]))
    with parallel_config(backend="threading"):  # OpenCV and the encoder release the interpreter's lock
        return map_rows(partial(_case, longest), chosen_cases, f"cases of {predictions.name}")


def _case(longest: int, chosen: Chosen) -> Case:
    kind, sample, files, lines = chosen
    image, trimap, alpha_true = load_image(sample.image), load_trimap(sample.trimap), load_alpha(sample.alpha)
    alphas = {method: load_alpha(path) for method, path in files.items()}
    window = busiest_window(np.abs(alphas[STUDENT] - alpha_true) * (trimap == 0.5))
    ground = contrasting_colour(image, trimap)
    name = sample.sample_id

    def views(alpha: Array, whose: str) -> tuple[Picture, Picture, Picture]:
        cut_out = replace_background(image, alpha, ground)
        on_new = f"{name} cut out by {whose} on a plain new background"
        return (
            picture(cut_out, on_new, "new background", longest),
            picture(
                window.cut(alpha), f"Part of {name} magnified, alpha of {whose}", "magnified", magnified=True
            ),
            picture(window.cut(cut_out), f"{on_new}, part magnified", "magnified", magnified=True),
        )

    true = (
        picture(alpha_true, f"True alpha of {name}", "alpha_true", longest),
        picture(trimap, f"Trimap of {name}", "trimap", longest),
    )
    rows = [CaseRow("truth", False, (), (*true, *views(alpha_true, "the truth")))]
    for method, alpha in alphas.items():
        whose = method_name(method)
        pictures = (
            picture(alpha, f"Alpha of {name} by {whose}", "alpha_pred", longest),
            picture(error_map(alpha, alpha_true), f"Error map of {whose} on {name}", "error", longest),
            *views(alpha, whose),
        )
        rows.append(CaseRow(whose, method == STUDENT, _scores(lines[method]), pictures))
    subtitle = " · ".join(word for word in (sample.material, sample.group) if word)
    given = picture(outline_window(image, window), f"Image {name}, magnified part outlined", "image", longest)
    return Case(kind, name, subtitle, given, tuple(rows))


def _scores(line: ImageScores) -> tuple[tuple[str, str], ...]:
    shown = (
        ("SAD", "sad", 1, 2),
        ("MSE, 10⁻³", "mse", 1000, 1),
        ("Grad", "grad", 1, 2),
        ("Conn", "conn", 1, 2),
    )
    return tuple(
        (title, f"{line.values[key] * factor:.{digits}f}")
        for title, key, factor, digits in shown
        if key in line.values
    )
