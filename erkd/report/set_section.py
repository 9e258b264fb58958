"""The report's section on one set of images: scores, verdict, materials, costs, published numbers, cases."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from markupsafe import Markup
from PIL import Image

from erkd.evaluation.printing import METHOD_NAMES, METRICS, OFFICIAL, method_name, signed
from erkd.evaluation.scores import STUDENT
from erkd.io.files import read_json
from erkd.io.image_files import FORMATS
from erkd.io.tables import Sample
from erkd.report.cases import build_cases
from erkd.report.charts import bar_chart, cost_chart, scatter_chart
from erkd.report.comparison import PairedDifference, paired_differences, verdict
from erkd.report.tables import Rows, dots_cell, marked, noted, number, read_numbers, value_cell

KEYS = ["group", "sample_id", "method", "material"]
LEFT_OUT = ("grad_whole", "conn_whole")
Methods = Mapping[str, Mapping[str, Any]]


@dataclass(frozen=True)
class ScoredSet:
    """A set of images and what was written about it; files and folders may be absent.

    `images` names them in a sentence, as "test composites". `metrics` has one entry per group. `methods` are
    the baselines' folders, `costs` what methods cost (see `erkd.evaluation.costs`), `source` the data they are.
    """

    title: str
    images: str
    samples: tuple[Sample, ...]
    metrics: Path
    per_image: Path
    predictions: Path
    methods: Mapping[str, Path]
    costs: Mapping[str, Mapping[str, float]]
    source: str


def set_section(scored: ScoredSet, cases: int, student: Mapping[str, Any]) -> dict[str, Any]:
    """What the page shows of one set, with `cases` results of each kind; `student` is `student.json`."""
    metrics = read_json(scored.metrics) if scored.metrics.is_file() else {}
    scores = pd.DataFrame(columns=[*KEYS, "sad"])
    if scored.per_image.is_file():
        scores = read_numbers(scored.per_image, [*KEYS, "sad"], KEYS)
    groups = [
        _group(name, group, scores[scores.group == name], scored.images, len(metrics) > 1)
        for name, group in metrics.items()
    ]
    section: dict[str, Any] = {
        "title": scored.title,
        "images": scored.images,
        "groups": groups,
        "cases": build_cases(scored.samples, scores, scored.predictions, scored.methods, cases),
    }
    if groups:
        methods, parameters = groups[0]["methods"], student.get("parameters", np.nan) / 1e6
        lines = published(scored.source)
        section["costs"] = cost_part(methods, scored.costs, parameters, lines)
        section["megapixels"] = _megapixels(scored.samples)
        section["published"] = published_table(methods.get(STUDENT), parameters, lines)
        section["source"] = scored.source
    return section


def _group(name: str, metrics: Mapping[str, Any], scores: pd.DataFrame, images: str, several: bool) -> dict[str, Any]:
    """One group's methods by SAD, their tables and charts, and the verdict, which needs scores per image."""
    found = {method: values for method, values in metrics.items() if isinstance(values, Mapping)}
    methods = dict(sorted(found.items(), key=lambda item: (item[1]["sad"], item[0])))
    sad = scores.pivot_table("sad", "sample_id", "method", sort=False)
    differences = paired_differences(methods, sad)
    best = next((method for method in methods if method != STUDENT), None)
    decisive = next((difference for difference in differences if difference.method == best), None)
    sads = {method_name(method): values["sad"] for method, values in methods.items()}
    intervals = [
        (values.get("sad_low", sad), values.get("sad_high", sad))
        for sad, values in zip(sads.values(), methods.values(), strict=True)
    ]
    group = {
        "name": name,
        "n": metrics["n"],
        "methods": methods,
        "scores": score_table(methods),
        "bars": bar_chart(sads, "Mean SAD", "{:.2f}", intervals),
        "differences": difference_table(differences),
        "materials": material_table(scores),
        "verdict": None,
        "scatter": None,
    }
    if decisive:
        if several and name != "test":
            images = f"{images} ({name})"
        means = methods[STUDENT]["sad"], methods[decisive.method]["sad"]
        material = scores.drop_duplicates("sample_id").set_index("sample_id").material
        pairs = sad[[STUDENT, decisive.method]].dropna()
        pairs.index = pairs.index + " " + material[pairs.index]
        group["verdict"] = verdict(*means, decisive, images)
        group["scatter"] = scatter_chart(pairs, method_name(decisive.method))
    return group


def score_table(methods: Methods) -> Rows:
    """Every method's metrics with intervals, the best of each metric marked where there are several methods."""
    columns: Rows = [["method", *map(method_name, methods)]]
    for metric in METRICS.values():
        values = [scores[metric.key] for scores in methods.values() if metric.key in scores]
        if values and metric.key not in LEFT_OUT:
            best = (max if metric.more_is_better else min)(values) if len(methods) > 1 else None
            title = noted(metric.title, f"{metric.unit}\n{metric.region}")
            cells = [value_cell(metric, scores, scores.get(metric.key) == best) for scores in methods.values()]
            columns.append([title, *cells])
    return [list(row) for row in zip(*columns, strict=True)]


def difference_table(differences: Sequence[PairedDifference]) -> Rows:
    """Student minus each baseline: mean difference in SAD, interval, images won, and what that says."""
    rows: Rows = [["baseline", "mean", "95 % interval", "images won", "student is"]]
    for found in differences:
        says = {"open": "not told apart"}.get(found.word, found.word)
        badge = Markup('<span class="{}">{}</span>').format(found.word, says)
        name, won = method_name(found.method), f"{found.better} of {found.n}"
        rows.append([name, signed(found.mean), found.interval, won, badge])
    return rows


def material_table(scores: pd.DataFrame) -> Rows:
    """Mean SAD of each method by material; empty for fewer than two named materials."""
    named = scores[scores.material != ""]
    if named.material.nunique() < 2:
        return []
    means = named.pivot_table("sad", "material", "method")[named.method.unique()]
    images, end = named.groupby("material").sample_id.nunique(), means.max(axis=None)
    rows: Rows = [["material", "images", noted("", f"0 to {end:.3g}"), *map(method_name, means)]]
    for material, row in means.iterrows():
        cells = [marked(number(sad), sad == row.min()) for sad in row]
        rows.append([str(material), str(images[material]), dots_cell(row.dropna().to_dict(), end), *cells])
    return rows


def cost_part(
    methods: Methods, costs: Mapping[str, Mapping[str, float]], parameters: float, lines: pd.DataFrame
) -> dict[str, Any] | None:
    """SAD against seconds and parameters (in millions), two charts and a table; None for the student alone.

    `costs` as `read_costs` gives them. Of published `lines` the parameters alone are known.
    """
    if len(methods) < 2:
        return None
    table = pd.DataFrame(
        {
            "sad": {method: values["sad"] for method, values in methods.items()},
            "seconds": {method: cost["seconds"] for method, cost in costs.items()},
            "peak_mib": {method: cost["peak_mib"] for method, cost in costs.items()},
            "params_m": {**dict.fromkeys(METHOD_NAMES, 0.0), STUDENT: parameters},
        },
        dtype=float,
    )
    table = table.loc[[*methods]].rename(index=method_name)
    rows: Rows = [["method", "SAD", "seconds", "peak MiB", "parameters, 10⁶"]]
    for name, sad, seconds, peak, size in table.itertuples():
        parts = number(seconds, "{:.3g}"), number(peak, "{:.0f}"), number(size) if size else "none"
        rows.append([name, number(sad), *parts])
    charts = []
    if table.seconds.count() > 1:
        points = table[["seconds", "sad"]].dropna()
        charts.append(("seconds", cost_chart(points, table.index, "processor seconds per image")))
    if parameters == parameters:
        points = pd.concat([lines.set_index("method"), table])[["params_m", "sad"]].dropna()
        charts.append(("parameters", cost_chart(points, table.index, "million parameters")))
    return {"charts": charts, "rows": rows}


def published(source: str) -> pd.DataFrame:
    """What papers and their repositories print for a benchmark, as "composition1k"; empty for other data.

    In the units of `METRICS`, `params_m` in millions; NaN was not published.
    """
    path = Path(str(files("erkd.report"))) / "published_results" / f"{source}.csv"
    columns = ["method", *(metric.key for metric in OFFICIAL), "params_m", "source"]
    return read_numbers(path, columns, ["method", "source"]) if path.is_file() else pd.DataFrame(columns=columns)


def published_table(scores: Mapping[str, float] | None, parameters: float, lines: pd.DataFrame) -> Rows:
    """Published lines and the student among them, by SAD, each with its source; empty without lines."""
    if lines.empty:
        return []
    if scores:
        ours: dict[str, Any] = {"method": STUDENT, "params_m": parameters, "source": "this report"}
        ours |= {metric.key: scores.get(metric.key, np.nan) * metric.factor for metric in OFFICIAL}
        lines = pd.concat([lines, pd.DataFrame([ours])])
    rows: Rows = [["method", *(metric.title for metric in OFFICIAL), "parameters, 10⁶", "source"]]
    for method, *values, source in lines.sort_values("sad").itertuples(index=False):
        rows.append([method, *map(number, values), source])
    return rows


def _megapixels(samples: Sequence[Sample]) -> float | None:
    """The median size of the images, from the headers of their files."""
    sizes = []
    for sample in samples:
        with Image.open(sample.image, formats=FORMATS) as image:
            sizes.append(image.width * image.height / 1e6)
    return float(np.median(sizes)) if sizes else None
