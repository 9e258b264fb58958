"""The HTML report: one self-contained page from what the stages wrote; what is absent leaves a line."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from erkd.cases import build_cases
from erkd.charts import scatter_chart
from erkd.comparison import (
    ImageScores,
    best_baseline,
    by_material,
    by_method,
    differences,
    method_name,
    read_scores,
    verdict,
)
from erkd.contact_sheets import composite_tiles, material_tiles
from erkd.figures import picture, result_strip
from erkd.files import read_json, write_text
from erkd.images import Array, load_alpha, load_image, load_trimap
from erkd.params import Params
from erkd.provenance import environment, flatten, hashes, licences, timings
from erkd.score_tables import difference_rows, material_table, score_table
from erkd.scores import STUDENT
from erkd.similarity import similarity_tiles
from erkd.summaries import key_figures, teacher_summary, training_curves, validation_summary
from erkd.tables import LayerRow, Sample, read_table, resolve

STRIP_ROWS = 3
SHOWN_FIRST = ("fur", "veil", "net", "hair", "smoke")


@dataclass(frozen=True)
class ScoredSet:
    """A set of images and what was written about it; files and folders may be absent.

    `images` names them in a sentence, as "test composites". `metrics` has one entry per group.
    """

    title: str
    images: str
    samples: tuple[Sample, ...]
    metrics: Path
    per_image: Path
    predictions: Path
    baselines: Path


@dataclass(frozen=True)
class ReportFiles:
    """Where everything lies that the report shows; any of it may be absent."""

    library: Path
    manifest: Path
    trimaps: Path
    validation: Path
    teacher: Path
    similarity: Path
    history: Path
    student: Path
    onnx: Path
    timings: Path
    sets: tuple[ScoredSet, ...]

    @classmethod
    def under(cls, root: Path, sets: tuple[ScoredSet, ...]) -> "ReportFiles":
        """The layout of the pipeline's outputs under `root`."""
        data, reports, models = root / "data", root / "reports", root / "models"
        return cls(
            library=data / "library/library.csv",
            manifest=data / "composites/manifest.csv",
            trimaps=data / "trimaps/trimaps.csv",
            validation=reports / "validation.json",
            teacher=reports / "teacher.json",
            similarity=reports / "similarity",
            history=reports / "history.csv",
            student=models / "student/student.json",
            onnx=models / "onnx/onnx.json",
            timings=reports / "timings",
            sets=sets,
        )


def write_report(files: ReportFiles, params: Params, path: Path) -> None:
    """Write the page to `path`, atomically. A file that is there but unreadable raises InputError."""
    jinja = Environment(
        loader=PackageLoader("erkd"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    sets = [_set(scored, params) for scored in files.sets]
    page = jinja.get_template("report.html.j2").render(
        sets=sets,
        strip=_strip(files),
        figures=key_figures(_first_group(files), _json(files.student) or {}),
        curves=_with(files.history, training_curves),
        teacher=_with(files.teacher, teacher_summary),
        similarity=[tile for folder in sorted(files.similarity.glob("*")) for tile in similarity_tiles(folder)],
        materials=_with(files.library, lambda table: material_tiles(table, params.report.gallery)),
        composites=composite_tiles(files.manifest, files.trimaps, params.report.gallery)
        if files.manifest.is_file() and files.trimaps.is_file()
        else None,
        validation=_with(files.validation, validation_summary),
        parameters={name: flatten(part) for name, part in _sections(params).items()},
        licences=_with(files.library, licences),
        environment=environment(),
        hashes=hashes({
            "student (student.safetensors)": files.student.with_suffix(".safetensors"),
            "ONNX (student.onnx)": files.onnx.with_name("student.onnx"),
            "library (library.csv)": files.library,
            "composites (manifest.csv)": files.manifest,
            "trimaps (trimaps.csv)": files.trimaps,
        }),
        onnx=flatten(_json(files.onnx) or {}),
        timings=timings(files.timings),
    )  # fmt: skip
    write_text(page, path)


def result_picture(samples: Sequence[Sample], predictions: Path, backgrounds: Sequence[Path]) -> Array:
    """Image, trimap, alpha and cut-out on a new background, a row per sample; see `result_strip`."""
    cases = []
    for number, sample in enumerate(samples):
        background = load_image(backgrounds[number % len(backgrounds)])
        alpha = load_alpha(predictions / f"{sample.sample_id}.png")
        cases.append((load_image(sample.image), load_trimap(sample.trimap), alpha, background))
    return result_strip(cases)


def _with(path: Path, make: Callable[[Path], Any]) -> Any:
    return make(path) if path.is_file() else None


def _json(path: Path) -> Any:
    return _with(path, read_json)


def _first_group(files: ReportFiles) -> Mapping[str, Any]:
    """The scores that the page opens with."""
    metrics = (_json(files.sets[0].metrics) if files.sets else None) or {}
    return next(iter(metrics.values()), {})


def _sections(params: Params) -> dict[str, dict[str, Any]]:
    """Parameters by section; those that belong to none are `general`."""
    content = params.model_dump(by_alias=True)
    general = {key: value for key, value in content.items() if not isinstance(value, Mapping)}
    return {
        "general": general,
        **{key: dict(value) for key, value in content.items() if isinstance(value, Mapping)},
    }


def _set(scored: ScoredSet, params: Params) -> dict[str, Any]:
    """What the page shows of one set."""
    metrics = _json(scored.metrics) or {}
    scores = _with(scored.per_image, read_scores) or []
    named = "{} ({})" if len(metrics) > 1 else "{}"
    groups = [
        _group(name, group, scores, scored.images if name == "test" else named.format(scored.images, name))
        for name, group in metrics.items()
    ]
    shown = [
        sample for sample in scored.samples if (scored.predictions / f"{sample.sample_id}.png").is_file()
    ]
    baselines = scored.baselines if scored.baselines.is_dir() else None
    cases = build_cases(shown, scores, scored.predictions, baselines, params.report.cases)
    return {"title": scored.title, "images": scored.images, "groups": groups, "cases": cases}


def _group(
    name: str, metrics: Mapping[str, Any], scores: Sequence[ImageScores], images: str
) -> dict[str, Any]:
    """One group's tables, charts and verdict; the last two need scores per image."""
    table = by_method(scores, name)
    best = best_baseline(metrics)
    gaps = differences(metrics, table)
    gap = next((gap for gap in gaps if gap.method == best), None)
    return {
        "name": name,
        "table": score_table(metrics),
        "verdict": verdict(metrics[STUDENT]["sad"], metrics[gap.method]["sad"], gap, images) if gap else None,
        "differences": difference_rows(gaps),
        "material_methods": [(method_name(method), method == STUDENT) for method in table],
        "materials": material_table(by_material(scores, name), [*table]),
        "scatter": _scatter(scores, name, best) if gap and best else None,
    }


def _scatter(scores: Sequence[ImageScores], group: str, best: str) -> Markup:
    """Each image's SAD: the best baseline's across, the student's up."""
    table = by_method(scores, group)
    material_of = {line.sample_id: line.material for line in scores if line.group == group}
    points = [
        (other, table[STUDENT][sample], f"{sample} {material_of[sample]}".strip())
        for sample, other in table[best].items()
        if sample in table[STUDENT]
    ]
    below = sum(up < across for across, up, _ in points)
    summary = f"SAD per image: the student is below {method_name(best)} on {below} of {len(points)}"
    return scatter_chart(points, f"SAD of {method_name(best)}", "SAD of the student", summary)


def _strip(files: ReportFiles) -> Any:
    """A few results of the first set on new backgrounds; None without predictions."""
    scored = files.sets[0] if files.sets else None
    if not scored or not files.library.is_file():
        return None
    samples = [
        sample for sample in scored.samples if (scored.predictions / f"{sample.sample_id}.png").is_file()
    ]
    layers = [row for row in read_table(files.library, LayerRow, "test") if row.kind == "background"]
    chosen = pick_materials(samples, STRIP_ROWS)
    if not chosen or not layers:
        return None
    backgrounds = [resolve(files.library, row.image) for row in layers]
    shown = result_picture(chosen, scored.predictions, backgrounds[1:] or backgrounds)
    alt = "Results: image, trimap, alpha and cut-out on a new background of " + ", ".join(
        s.sample_id for s in chosen
    )
    return picture(shown, alt, longest=1200)


def pick_materials(samples: Sequence[Sample], count: int) -> list[Sample]:
    """The first sample of each of `count` materials, fine structures first, then in alphabetical order."""
    first = {sample.material: sample for sample in reversed(samples)}
    names = [*(name for name in SHOWN_FIRST if name in first), *sorted(set(first) - set(SHOWN_FIRST))]
    return [first[name] for name in names[:count]]
