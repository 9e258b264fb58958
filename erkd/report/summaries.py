"""What single result files say, ready to be shown: history, teacher, validation, and key figures."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from markupsafe import Markup

from erkd.evaluation.scores import STUDENT
from erkd.io.files import InputError, read_json
from erkd.report.charts import line_chart
from erkd.report.comparison import best_baseline, method_name

Figure = tuple[str, str, str]
SHOWN_ROWS = 5
CHANCE = 0.5
SHORT = ("sad", "mse")
CLEARLY_ABOVE = 0.05
WORTH_DISTILLING = 0.03  # AUC


def training_curves(history: Path) -> list[tuple[str, Markup]]:
    """A label and a chart for every column of `history.csv` beside `step`, validation first.

    Empty cells are steps without a measurement. Raises InputError that names the file.
    """
    lines = [line.split(",") for line in history.read_text(encoding="utf-8").splitlines() if line]
    if not lines or "step" not in lines[0]:
        raise InputError(f"{history}: the column step is missing; `dvc repro distill` writes it")
    at_step = lines[0].index("step")
    charts = []
    for at, name in sorted(enumerate(lines[0]), key=lambda column: not column[1].startswith("validation")):
        try:
            points = [(float(row[at_step]), float(row[at])) for row in lines[1:] if row[at]]
        except (ValueError, IndexError) as error:
            raise InputError(f"{history}: not a table of numbers: {error}") from None
        if at == at_step or not points:
            continue
        steps, values = zip(*points, strict=True)
        label = " ".join(word.upper() if word in SHORT else word for word in name.split("_"))
        charts.append((label, line_chart(steps, values, label, dots=len(points) < len(lines) - 1)))
    return charts


def teacher_summary(path: Path) -> dict[str, Any]:
    """`teacher.json` as a sentence, figures, recalls by material in percent, charts, and prompts."""
    content = read_json(path)
    accuracy, area = content.get("accuracy"), content.get("auc_unknown")
    materials = content.get("materials") or 0
    figures: list[Figure] = []
    if accuracy is not None:
        chance = f"chance {100 / materials:.0f} %" if materials else ""
        figures.append(("Zero-shot accuracy, balanced", f"{100 * accuracy:.0f} %", chance))
    if area is not None:
        figures.append(("Patch-text AUC, unknown region", f"{area:.3f}", "chance 0.5"))
    if content.get("auc_unknown_per_image") is not None:
        figures.append(("The same, mean of images", f"{content['auc_unknown_per_image']:.3f}", "chance 0.5"))
    probe = _probe(content)
    if probe:
        known = f"AUC {probe['teacher']:.3f} against {probe['student']:.3f}"
        figures.append(
            ("Probe gap, teacher - encoder", f"{probe['gap']:+.3f}".replace("-", "\N{MINUS SIGN}"), known)
        )
    if content.get("steps"):
        figures.append(("Tuning", str(content["steps"]), "steps"))
    curve = [row for row in content.get("loss") or [] if isinstance(row, Mapping)]
    names = [name for name in (curve[0] if curve else {}) if name != "step"]
    steps = [row.get("step", number) for number, row in enumerate(curve)]
    recalls = content.get("accuracy_by_material") or {}
    return {
        "says": " ".join([_teacher_sentence(content, area), *_probe_sentence(probe)]),
        "figures": figures,
        "recalls": [(name, round(100 * recall)) for name, recall in recalls.items()],
        "charts": [
            (f"{name} loss", line_chart(steps, [row[name] for row in curve], f"{name} loss"))
            for name in names
        ],
        "prompts": content.get("prompts") or [],
    }


def _teacher_sentence(content: Mapping[str, Any], area: float | None) -> str:
    """What the teacher is, and whether it knows inside the unknown region what is foreground."""
    images = (
        f" on {content['images']} composites that its tuning did not see" if content.get("images") else ""
    )
    name = f"{content.get('model', 'The teacher')} ({content.get('source', 'unknown source')})"
    patches = f"; patches are {content['patches']}" if content.get("patches") else ""
    lead = f"{name}, scored{images}{patches}."
    if area is None:
        return lead
    if area - CHANCE < CLEARLY_ABOVE:
        return (
            f"{lead} Inside unknown regions it hardly tells foreground from backdrop: it has little to give."
        )
    return f"{lead} Inside unknown regions it tells foreground from backdrop better than chance."


def _probe(content: Mapping[str, Any]) -> Mapping[str, float]:
    """The figures of the linear probes, where they were measured: `teacher`, `student` and `gap`."""
    for part in content.values():
        if isinstance(part, Mapping) and all(
            part.get(name) is not None for name in ("teacher", "student", "gap")
        ):
            return part
    return {}


def _probe_sentence(probe: Mapping[str, float]) -> list[str]:
    if not probe:
        return []
    if probe["gap"] < WORTH_DISTILLING:
        return [
            "A linear probe finds hardly more about alpha in it than in the encoder a student starts from."
        ]
    return ["A linear probe finds more about alpha in it than in the encoder that a student starts from."]


def validation_summary(path: Path) -> dict[str, Any]:
    """`validation.json` as counts, rows by table, lines about what failed, and all expectations."""
    content = read_json(path)
    results = content.get("expectations") or []
    return {
        "success": bool(content.get("success")),
        "met": sum(bool(result["success"]) for result in results),
        "total": len(results),
        "rows": [*(content.get("rows") or {}).items()],
        "failed": [_failure(result) for result in results if not result["success"]],
        "all": [(result["table"], result["says"], bool(result["success"])) for result in results],
    }


def _failure(result: Mapping[str, Any]) -> str:
    offending: Sequence[Mapping[str, Any]] = result.get("offending") or []
    rows = ", ".join(str(row["id"]) for row in offending[:SHOWN_ROWS])
    more = f" and {len(offending) - SHOWN_ROWS} more" if len(offending) > SHOWN_ROWS else ""
    return f"{result['table']}: {result['says']}: not so" + (f" in {rows}{more}" if rows else "")


def key_figures(group: Mapping[str, Any], student: Mapping[str, Any]) -> list[Figure]:
    """Name, value and note of what one wants to know first, from a group of scores and `student.json`.

    What is not there is left out.
    """
    figures: list[Figure] = []
    for method in (STUDENT, best_baseline(group)):
        if method and method in group:
            values = group[method]
            interval = f"{values['sad_low']:.2f} to {values['sad_high']:.2f}" if "sad_low" in values else ""
            figures.append((f"SAD, {method_name(method)}", f"{values['sad']:.2f}", interval))
    if "parameters" in student:
        figures.append(("Size of the student", f"{student['parameters'] / 1e6:.2f} M", "parameters"))
    best = (student.get("training") or {}).get("best") or {}
    if "sad" in best:
        figures.append(("Best validation SAD", f"{best['sad']:.2f}", f"at step {best.get('step', 0):g}"))
    return figures
