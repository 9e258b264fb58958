"""A small tree of everything that the report reads, made of squares and ramps."""

from pathlib import Path

import numpy as np

from erkd.data.wrong_trimaps import VARIANTS, write_variant
from erkd.evaluation.bootstrap import summarise
from erkd.evaluation.costs import write_costs
from erkd.evaluation.robustness import score_given, score_variants, summarise_variants
from erkd.evaluation.scores import STUDENT, score_samples, write_rows
from erkd.io.files import write_json, write_text
from erkd.io.images import save_image, save_trimap
from erkd.io.tables import Sample, TrimapRow, list_composites, write_table
from tests.support.rows import composite_row, layer_row

SHAPE = (60, 80)
PLACE = {"source": "procedural", "licence": "CC0-1.0", "height": SHAPE[0], "width": SHAPE[1]}
MATERIALS = ("hair", "net")
IMAGES = 8
STRANGE = "a <b>bold</b> & \"quoted\" 'net'"


def ramp(shift=0.0, width=20.0):
    """An alpha that rises from 0 to 1 across the middle columns."""
    columns = np.arange(SHAPE[1], dtype=np.float32)
    row = np.clip((columns - SHAPE[1] / 2 - shift) / width + 0.5, 0, 1)
    return np.tile(row, (SHAPE[0], 1)).astype(np.float32)


def trimap():
    """Known background left, known foreground right, unknown between."""
    array = np.full(SHAPE, 0.5, np.float32)
    array[:, :20], array[:, 60:] = 0, 1
    return array


def make_tree(root: Path) -> Path:
    """Write the tree; the student's alphas are closer to the truth than the baseline's."""
    rng = np.random.default_rng(0)
    library, composites, trimaps = (root / f"data/{name}" for name in ("library", "composites", "trimaps"))
    layers, rows, drawn = [], [], []
    for number in range(2):
        save_image(rng.random((*SHAPE, 3), np.float32), library / f"backgrounds/bg{number}.png")
        image = {"image": f"backgrounds/bg{number}.png", "material": "", "caption": "noise", "seed": number}
        layers.append(layer_row(f"bg{number}", "background", "test", **PLACE, **image))
    for number in range(IMAGES):
        material, name = MATERIALS[number % 2], f"test-{number:02d}"
        colour = np.float32([0.8, 0.2 + 0.05 * number, 0.1])
        alpha = ramp(width=10 + 2 * number)
        background = np.full((*SHAPE, 3), 0.3, np.float32)
        save_image(np.full((*SHAPE, 3), colour, np.float32), library / f"foregrounds/fg{number}.png")
        save_image(alpha, library / f"alphas/fg{number}.png")
        files = {"image": f"foregrounds/fg{number}.png", "alpha": f"alphas/fg{number}.png"}
        said = {"material": material, "caption": STRANGE, "seed": number}
        layers.append(layer_row(f"fg{number}", "foreground", "test", **PLACE, **files, **said))
        save_image(alpha[..., None] * colour + (1 - alpha[..., None]) * background, composites / f"images/{name}.png")
        save_image(alpha, composites / f"alphas/{name}.png")
        files = {"image": f"images/{name}.png", "alpha": f"alphas/{name}.png"}
        said |= {"foreground_id": f"fg{number}", "background_id": "bg0"}
        said |= {"foreground_phrase": material, "background_phrase": "noise"}
        rows.append(composite_row(name, "test", **PLACE, **files, **said))
        save_trimap(trimap(), trimaps / f"trimaps/{name}.png")
        drawn.append(TrimapRow(name, "test", f"trimaps/{name}.png", 3, 3, 0.5, number))
        save_image(ramp(1 + number, 10 + 2 * number), root / f"data/predictions/test/{name}.png")
        save_image(ramp(12, 10), root / f"data/baselines/test/closed_form/{name}.png")
    write_table(layers, library / "library.csv")
    write_table(rows, composites / "manifest.csv")
    write_table(drawn, trimaps / "trimaps.csv")
    samples = list_composites(composites, trimaps, "test")
    scores = [
        *score_samples(samples, STUDENT, root / "data/predictions/test"),
        *score_samples(samples, "closed_form", root / "data/baselines/test/closed_form"),
    ]
    write_json(summarise(scores, 200, 0), root / "reports/metrics.json")
    write_rows(scores, root / "reports/per_image.csv")
    _write_robustness(root, samples)
    _write_small_files(root)
    return root


def _write_robustness(root: Path, samples: list[Sample]) -> None:
    """Two samples under wrong trimaps, the student's alpha always the same ramp."""
    wrong, predictions = root / "data/wrong_trimaps", root / "data/predictions/wrong_trimaps"
    for variant in VARIANTS:
        for sample in write_variant(samples[:2], variant, wrong / variant, 0):
            save_image(ramp(12, 10), wrong / variant / f"closed_form/{sample.sample_id}.png")
    varied = score_variants(lambda image, trimap: ramp(2), samples, wrong, predictions)
    methods = {"closed_form": root / "data/baselines/test/closed_form"}
    given = score_given(samples, varied, root / "data/predictions/test", methods)
    write_json(summarise_variants(given + varied, 50, 0), root / "reports/robustness.json")


def _write_small_files(root: Path) -> None:
    lines = (f"{n},{2 / n:.6g},{1 / n:.6g},{9 / n if n % 5 == 0 else ''}" for n in range(1, 21))
    write_text("\n".join(["step,loss,alpha,validation_sad", *lines, ""]), root / "reports/history.csv")
    offending = [{"line": 3, "id": "test-01", "found": {"split": "tset"}}]
    expectations = [
        {"table": "library", "says": "layer_id is unique", "success": True, "offending": []},
        {"table": "composites", "says": "split is one of <three>", "success": False, "offending": offending},
    ]
    judged = {"success": False, "rows": {"library": 10}, "not_judged": [], "expectations": expectations}
    write_json(judged, root / "reports/validation.json")
    teacher = {
        "source": "bootstrap", "model": "lite0", "patches": "exact", "images": 8, "materials": 2,
        "accuracy": 0.75, "accuracy_by_material": {"hair": 1.0, "net": 0.5},
        "auc_unknown": 0.81, "auc_unknown_per_image": None, "prompts": ["a photo of hair"], "steps": 2,
        "words": {"photographs": {"images": 0, "first": None}, "composites": {"images": 8, "first": 0.625}},
        "loss": [{"step": 0, "image": 2.0}, {"step": 1, "image": 1.0}],
    }  # fmt: skip
    write_json(teacher, root / "reports/teacher.json")
    student = {"parameters": 1_234_567, "sha256": "0" * 64, "training": {"best": {"step": 20, "sad": 1.25}}}
    write_json(student, root / "models/student/student.json")
    write_text("weights", root / "models/student/student.safetensors")
    write_json({"opset": 18, "sha256": "1" * 64}, root / "models/onnx/onnx.json")
    write_json({"seconds": 1.5, "peak_mib": 100}, root / "reports/timings/distill.json")
    costs = {"evaluate": {STUDENT: {"seconds": 0.125, "peak_mib": 200}}}
    costs["baselines"] = {"closed_form": {"seconds": 2.5, "peak_mib": 300}}
    for stage, methods in costs.items():
        write_costs(methods, root / "reports", stage, "test")
