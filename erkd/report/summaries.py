"""What single result files say, ready to be shown: history, teacher, validation, and key figures."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
from markupsafe import Markup

from erkd.evaluation.printing import METRICS, method_name, signed
from erkd.evaluation.scores import STUDENT
from erkd.io.files import read_json
from erkd.report.charts import bar_chart, line_chart
from erkd.report.tables import Rows, read_numbers

Figure = tuple[str, str, str]
SHOWN_ROWS = 5
CHANCE = 0.5
CLEARLY_ABOVE = 0.05
WORTH_DISTILLING = 0.03  # AUC


def training_curves(history: Path) -> list[tuple[str, Markup]]:
    """A label and a chart for every column of `history.csv` beside `step`, validation first.

    Empty cells are steps without a measurement. Raises InputError that names the file.
    """
    table = read_numbers(history, ["step"]).set_index("step")
    charts = []
    for name in sorted(table, key=lambda name: not name.startswith("validation")):
        values = table[name].dropna()
        if len(values):
            label = " ".join(METRICS[word].title if word in METRICS else word for word in name.split("_"))
            charts.append((label, line_chart(values, label, dots=len(values) < len(table))))
    return charts


def teacher_summary(path: Path) -> dict[str, Any]:
    """`teacher.json` as a sentence, figures, recalls by material, charts, and prompts."""
    content = read_json(path)
    accuracy, area, per_image = (content.get(name) for name in ("accuracy", "auc_unknown", "auc_unknown_per_image"))
    materials = content.get("materials") or 0
    figures: list[Figure] = []
    if accuracy is not None:
        chance = f"chance {100 / materials:.0f} %" if materials else ""
        figures.append(("Zero-shot accuracy, balanced", f"{100 * accuracy:.0f} %", chance))
    if area is not None:
        figures.append(("Patch-text AUC, unknown region", f"{area:.3f}", "chance 0.5"))
    if per_image is not None:
        figures.append(("The same, mean of images", f"{per_image:.3f}", "chance 0.5"))
    for pictures, named in (content.get("words") or {}).items():
        if named["first"] is not None:
            count = f"of {named['images']} {pictures}, the ImageNet network's own answer"
            figures.append(("A thousand words, zero-shot", f"{100 * named['first']:.0f} %", count))
    probes = content.get("probe") or {}
    for name, probe in probes.items():
        if probe["gap"] is not None:
            known = f"AUC {probe['teacher']:.3f} against {probe['student']:.3f}"
            figures.append((f"Probe gap, {name.replace('_', ' ')}", signed(probe["gap"], 3), known))
    gap = probes.get("stride_16", {}).get("gap")
    if content.get("steps"):
        figures.append(("Tuning", str(content["steps"]), "steps"))
    recalls = {name: 100 * recall for name, recall in (content.get("accuracy_by_material") or {}).items()}
    losses = pd.DataFrame(content.get("loss") or []).set_index("step") if content.get("loss") else pd.DataFrame()
    return {
        "says": _teacher_sentence(content, area) + _probe_sentence(gap),
        "figures": figures,
        "recalls": bar_chart(recalls, "Accuracy by material", "{:.0f} %") if recalls else None,
        "charts": [(f"{name} loss", line_chart(losses[name], f"{name} loss")) for name in losses],
        "prompts": content.get("prompts") or [],
    }


def _teacher_sentence(content: Mapping[str, Any], area: float | None) -> str:
    """What the teacher is, and whether it knows inside the unknown region what is foreground."""
    images = f" on {content['images']} composites that its tuning did not see" if content.get("images") else ""
    name = f"{content.get('model', 'The teacher')} ({content.get('source', 'unknown source')})"
    patches = f"; patches are {content['patches']}" if content.get("patches") else ""
    lead = f"{name}, scored{images}{patches}."
    if area is None:
        return lead
    if area - CHANCE < CLEARLY_ABOVE:
        return f"{lead} Inside unknown regions it hardly tells foreground from backdrop: it has little to give."
    return f"{lead} Inside unknown regions it tells foreground from backdrop better than chance."


def _probe_sentence(gap: float | None) -> str:
    """What the gap of linear probes says, where it was measured."""
    if gap is None:
        return ""
    more, it = ("hardly more", "a") if gap < WORTH_DISTILLING else ("more", "that a")
    return f" A linear probe finds {more} about alpha in it than in the encoder {it} student starts from."


def validation_summary(path: Path) -> dict[str, Any]:
    """`validation.json` as counts, rows by table, lines about what failed, and all expectations."""
    content = read_json(path)
    results = content.get("expectations") or []
    table: Rows = [["table", "expectation", "met"]]
    for result in results:
        met = Markup('<span class="{}">{}</span>').format(
            *(("better", "yes") if result["success"] else ("worse", "no"))
        )
        table.append([result["table"], result["says"], met])
    return {
        "success": bool(content.get("success")),
        "met": sum(bool(result["success"]) for result in results),
        "total": len(results),
        "counts": ", ".join(f"{count} rows of {name}" for name, count in (content.get("rows") or {}).items()),
        "failed": [_failure(result) for result in results if not result["success"]],
        "table": table,
    }


def _failure(result: Mapping[str, Any]) -> str:
    offending: Sequence[Mapping[str, Any]] = result.get("offending") or []
    rows = ", ".join(str(row["id"]) for row in offending[:SHOWN_ROWS])
    more = f" and {len(offending) - SHOWN_ROWS} more" if len(offending) > SHOWN_ROWS else ""
    return f"{result['table']}: {result['says']}: not so" + (f" in {rows}{more}" if rows else "")


def key_figures(methods: Mapping[str, Any], student: Mapping[str, Any]) -> list[Figure]:
    """Name, value and note of what one wants to know first, from the methods by SAD and `student.json`.

    What is not there is left out.
    """
    figures: list[Figure] = []
    others = [method for method in methods if method != STUDENT]
    for method in [STUDENT, *others[:1]] if methods else []:
        values = methods[method]
        interval = f"{values['sad_low']:.2f} to {values['sad_high']:.2f}" if "sad_low" in values else ""
        figures.append((f"SAD, {method_name(method)}", f"{values['sad']:.2f}", interval))
    if "parameters" in student:
        figures.append(("Size of the student", f"{student['parameters'] / 1e6:.2f} M", "parameters"))
    best = (student.get("training") or {}).get("best") or {}
    if "sad" in best:
        figures.append(("Best validation SAD", f"{best['sad']:.2f}", f"at step {best.get('step', 0):g}"))
    return figures
