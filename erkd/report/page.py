"""The HTML report: one self-contained page from what the stages wrote; what is absent leaves a line."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from erkd.io.files import read_json, write_text
from erkd.params import Params, flatten, in_words
from erkd.report.galleries import composite_tiles, material_tiles, result_strip, similarity_tiles
from erkd.report.provenance import environment, hashes, licences, timings
from erkd.report.set_section import ScoredSet, set_section
from erkd.report.summaries import key_figures, teacher_summary, training_curves, validation_summary
from erkd.report.trimap_section import trimap_section


def write_report(root: Path, sets: Sequence[ScoredSet], params: Params) -> None:
    """Write `reports/index.html` from the pipeline's outputs under `root`, atomically; any may be absent.

    The page opens with the first of `sets`. A file that is there but unreadable raises InputError.
    """
    data, models, reports = root / "data", root / "models", root / "reports"
    library, manifest = data / "library/library.csv", data / "composites/manifest.csv"
    trimaps, weights = data / "trimaps/trimaps.csv", models / "student/student.safetensors"
    student = _with(weights.with_suffix(".json"), read_json) or {}
    sections = [set_section(scored, params.report.cases, student) for scored in sets]
    first, groups = sets[0], sections[0]["groups"]
    jinja = Environment(
        loader=PackageLoader("erkd.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    page = jinja.get_template("report.html.j2").render(
        sets=sections,
        strip=result_strip(first.samples, first.predictions, library),
        figures=key_figures(groups[0]["methods"] if groups else {}, student),
        trimaps=trimap_section(
            reports / "robustness.json", first.samples, first.predictions,
            data / "wrong_trimaps", data / "predictions/wrong_trimaps",
        ),
        curves=_with(reports / "history.csv", training_curves),
        teacher=_with(reports / "teacher.json", teacher_summary),
        similarity=[
            tile for folder in sorted(reports.glob("similarity/*")) for tile in similarity_tiles(folder)
        ],
        materials=_with(library, lambda table: material_tiles(table, params.report.gallery)),
        composites=composite_tiles(manifest, trimaps, params.report.gallery)
        if manifest.is_file() and trimaps.is_file()
        else None,
        validation=_with(reports / "validation.json", validation_summary),
        parameters={name: _in_words(part) for name, part in _sections(params).items()},
        licences=_with(library, licences),
        environment=environment(),
        hashes=hashes({
            "student (student.safetensors)": weights,
            "ONNX (student.onnx)": models / "onnx/student.onnx",
            "library (library.csv)": library,
            "composites (manifest.csv)": manifest,
            "trimaps (trimaps.csv)": trimaps,
        }),
        onnx=_in_words(_with(models / "onnx/onnx.json", read_json) or {}),
        timings=timings(reports / "timings"),
    )  # fmt: skip
    write_text(page, reports / "index.html")


def _with(path: Path, make: Callable[[Path], Any]) -> Any:
    return make(path) if path.is_file() else None


def _in_words(settings: Mapping[str, Any]) -> dict[str, str]:
    return {key: in_words(value) for key, value in flatten(settings).items()}


def _sections(params: Params) -> dict[str, dict[str, Any]]:
    """Parameters by section; those that belong to none are `general`."""
    content = params.model_dump(by_alias=True, exclude={"launch"})  # it changes no result
    general = {key: value for key, value in content.items() if not isinstance(value, Mapping)}
    return {"general": general} | {key: value for key, value in content.items() if key not in general}
