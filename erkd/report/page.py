"""The HTML report: one self-contained page from what the stages wrote; what is absent leaves a line."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from erkd.io.files import read_json, write_text
from erkd.params import Params, flatten, in_words
from erkd.report.contact_sheets import composite_tiles, material_tiles
from erkd.report.provenance import environment, hashes, licences, timings
from erkd.report.result_strip import strip
from erkd.report.set_section import ScoredSet, set_view
from erkd.report.similarity import similarity_tiles
from erkd.report.summaries import key_figures, teacher_summary, training_curves, validation_summary
from erkd.report.wrong_trimaps import sensitivity_view


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
    robustness: Path
    wrong_trimaps: Path
    wrong_predictions: Path
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
            robustness=reports / "robustness.json",
            wrong_trimaps=data / "wrong_trimaps",
            wrong_predictions=data / "predictions/wrong_trimaps",
            sets=sets,
        )


def write_report(files: ReportFiles, params: Params, path: Path) -> None:
    """Write the page to `path`, atomically. A file that is there but unreadable raises InputError."""
    jinja = Environment(
        loader=PackageLoader("erkd.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    student = _json(files.student) or {}
    sets = [set_view(scored, params.report.cases, student) for scored in files.sets]
    first = files.sets[0] if files.sets else None
    page = jinja.get_template("report.html.j2").render(
        sets=sets,
        strip=strip(first.samples, first.predictions, files.library) if first else None,
        figures=key_figures(_first_group(files), student),
        sensitivity=sensitivity_view(
            files.robustness, first.samples, first.predictions, files.wrong_trimaps, files.wrong_predictions
        ) if first and files.robustness.is_file() else None,
        curves=_with(files.history, training_curves),
        teacher=_with(files.teacher, teacher_summary),
        similarity=[tile for folder in sorted(files.similarity.glob("*")) for tile in similarity_tiles(folder)],
        materials=_with(files.library, lambda table: material_tiles(table, params.report.gallery)),
        composites=composite_tiles(files.manifest, files.trimaps, params.report.gallery)
        if files.manifest.is_file() and files.trimaps.is_file()
        else None,
        validation=_with(files.validation, validation_summary),
        parameters={name: _in_words(part) for name, part in _sections(params).items()},
        licences=_with(files.library, licences),
        environment=environment(),
        hashes=hashes({
            "student (student.safetensors)": files.student.with_suffix(".safetensors"),
            "ONNX (student.onnx)": files.onnx.with_name("student.onnx"),
            "library (library.csv)": files.library,
            "composites (manifest.csv)": files.manifest,
            "trimaps (trimaps.csv)": files.trimaps,
        }),
        onnx=_in_words(_json(files.onnx) or {}),
        timings=timings(files.timings),
    )  # fmt: skip
    write_text(page, path)


def _with(path: Path, make: Callable[[Path], Any]) -> Any:
    return make(path) if path.is_file() else None


def _json(path: Path) -> Any:
    return _with(path, read_json)


def _in_words(settings: Mapping[str, Any]) -> dict[str, str]:
    return {key: in_words(value) for key, value in flatten(settings).items()}


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
