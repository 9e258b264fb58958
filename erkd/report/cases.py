"""Single results to look at: best, median and worst images, the student's and the best baseline's."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd

from erkd.evaluation.printing import OFFICIAL, method_name
from erkd.evaluation.scores import STUDENT
from erkd.inference.cutouts import place
from erkd.io.images import Array, load_alpha, load_image, load_trimap
from erkd.io.tables import Sample
from erkd.report.matte_images import (
    InlineImage,
    busiest_window,
    contrasting_colour,
    error_map,
    inline,
    outline_window,
)
from erkd.runtime.parallel import LOCAL, map_rows, rows_on

LONGEST = 384


@dataclass(frozen=True)
class CaseRow:
    """The truth's images or one method's, with its scores as pairs of title and text."""

    name: str
    scores: tuple[tuple[str, str], ...]
    images: tuple[InlineImage, ...]


@dataclass(frozen=True)
class Case:
    """One image, of the `kind` best, median or worst: what was given and true, then each method."""

    kind: str
    title: str
    subtitle: str
    given: InlineImage
    rows: tuple[CaseRow, ...]


# kind, sample, files of alphas by method, and scores by method
Chosen = tuple[str, Sample, Mapping[str, Path], Mapping[str, Mapping[str, float]]]


def choose_cases(values: Mapping[str, float], count: int) -> dict[str, list[str]]:
    """`best`, `median` and `worst` keys of `values` (lower is better), `count` of each at most, none twice.

    With fewer than 3 `count` keys the worst come first, then the best.
    """
    ranked = sorted(values, key=lambda key: (values[key], key))
    count = min(count, max(1, len(ranked) // 3))
    worst = ranked[::-1][:count]
    best = ranked[: min(count, len(ranked) - len(worst))]
    between = ranked[len(best) : len(ranked) - len(worst)]
    start = max(0, (len(between) - count) // 2)
    return {"best": best, "median": between[start : start + count], "worst": worst}


def build_cases(
    samples: Sequence[Sample], scores: pd.DataFrame, predictions: Path, methods: Mapping[str, Path], count: int
) -> list[Case]:
    """The cases of a set by the student's SAD, of what was predicted.

    `samples` and `scores` belong together by `sample_id`; `predictions` holds `<sample_id>.png`, and so
    does the folder of each of the other `methods`. The best baseline is chosen image by image.
    """
    folders = {STUDENT: predictions, **methods}
    chosen: list[Chosen] = []
    by_id = {s.sample_id: s for s in samples if (predictions / f"{s.sample_id}.png").is_file()}
    found = scores[scores.sample_id.isin(by_id)].sort_values("sad", kind="stable")
    sads = found[found.method == STUDENT].set_index("sample_id").sad.to_dict()
    for kind, names in choose_cases(sads, count).items():
        for name in names:
            lines = found[found.sample_id == name].drop_duplicates("method").set_index("method")
            files = {method: folders[method] / f"{name}.png" for method in lines.index if method in folders}
            others = [method for method, file in files.items() if method != STUDENT and file.is_file()]
            shown = {method: files[method] for method in (STUDENT, *others[:1])}
            chosen.append((kind, by_id[name], shown, lines.to_dict("index")))
    with rows_on(
        LOCAL, predictions
    ):  # what is drawn comes back; OpenCV and the encoder release the interpreter's lock
        return map_rows(_draw_case, chosen, f"cases of {predictions.name}", threads=True)


def _draw_case(chosen: Chosen) -> Case:
    kind, sample, files, scores = chosen
    name = sample.sample_id
    image, trimap, alpha_true = load_image(sample.image), load_trimap(sample.trimap), load_alpha(sample.alpha)
    alphas = {method: load_alpha(path) for method, path in files.items()}
    window = busiest_window(np.abs(alphas[STUDENT] - alpha_true) * (trimap == 0.5))
    background = contrasting_colour(image, trimap)
    whole, magnified = partial(inline, longest=LONGEST), partial(inline, caption="magnified", magnified=True)

    def results(alpha: Array, whose: str) -> tuple[InlineImage, ...]:
        cut_out, alt = place(image, alpha, background), f"{name} cut out by {whose} on a plain new background"
        return (
            whole(cut_out, alt, "new background"),
            magnified(alpha[window], f"Part of {name} magnified, alpha of {whose}"),
            magnified(cut_out[window], f"{alt}, part magnified"),
        )

    truth = (whole(alpha_true, f"True alpha of {name}", "alpha_true"), whole(trimap, f"Trimap of {name}", "trimap"))
    rows = [CaseRow("truth", (), (*truth, *results(alpha_true, "the truth")))]
    for method, alpha in alphas.items():
        whose, said = method_name(method), []
        for metric in OFFICIAL:
            if metric.key in scores[method]:
                said.append((f"{metric.title}, {metric.unit}", metric.text(scores[method][metric.key])))
        images = (
            whole(alpha, f"Alpha of {name} by {whose}", "alpha_pred"),
            whole(error_map(alpha, alpha_true), f"Error map of {whose} on {name}", "error"),
        )
        rows.append(CaseRow(whose, tuple(said), (*images, *results(alpha, whose))))
    given = whole(outline_window(image, window), f"Image {name}, magnified part outlined", "image")
    subtitle = " · ".join(word for word in (sample.material, sample.group) if word)
    return Case(kind, name, subtitle, given, tuple(rows))
