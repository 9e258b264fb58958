"""The report's section on wrong trimaps: SAD by kind of trimap and method, and one image under all of them."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from markupsafe import Markup

from erkd.data.wrong_trimaps import VARIANTS, list_variant
from erkd.evaluation.printing import METRICS, method_name, signed
from erkd.evaluation.robustness import GIVEN
from erkd.io.files import read_json
from erkd.io.images import load_alpha, load_image, load_trimap
from erkd.io.tables import Sample
from erkd.report.galleries import Tile, pick_materials
from erkd.report.matte_images import error_map, inline, tint_trimap
from erkd.report.tables import Rows, dots_cell, noted, value_cell

SAD = METRICS["sad_whole"]
SAYS = {
    GIVEN: "as drawn for the test set",
    "narrow": "faint parts cut off: known where alpha is below 0.1 or above 0.9",
    "wide": "known regions eroded by 40 pixels of 800",
    "wrong": "1 % of the known pixels say the opposite",
}


def trimap_section(
    robustness: Path, samples: Sequence[Sample], predictions: Path, trimaps: Path, wrong_predictions: Path
) -> dict[str, Any] | None:
    """The table of `robustness.json` and images of one sample; None where no variant was tried."""
    content = read_json(robustness) if robustness.is_file() else {}
    if not content:
        return None
    return {
        "n": next(iter(content.values()))["n"],
        "rows": variant_table(content),
        "tiles": _tiles(samples, predictions, trimaps, wrong_predictions),
    }


def variant_table(content: Mapping[str, Mapping[str, Any]]) -> Rows:
    """SAD over the whole image by kind of trimap and method, its change from the trimaps as drawn, and what a
    kind of trimap forces on every method.
    """
    sads = {
        variant: {name: values[SAD.key] for name, values in group.items() if name != "n"}
        for variant, group in content.items()
    }
    given, end = sads.get(GIVEN, {}), max(max(row.values()) for row in sads.values())
    methods = next(iter(sads.values()))
    rows: Rows = [["trimap", noted("", f"0 to {end:.3g}"), "forced by the trimap", *map(method_name, methods)]]
    for variant, row in sads.items():
        group, any_method = content[variant], content[variant][next(iter(row))]
        forced = SAD.text(max(0.0, any_method[SAD.key] - any_method["sad"]))
        cells = []
        for name in methods:
            changed = variant != GIVEN and name in row and name in given
            change = noted("", signed(row[name] - given[name])) if changed else ""
            cell = value_cell(SAD, group.get(name, {}), row.get(name) == min(row.values()))
            cells.append(Markup("{} {}").format(change, cell))
        rows.append([noted(variant, SAYS.get(variant, "")), dots_cell(row, end or 1.0), forced, *cells])
    return rows


def _tiles(samples: Sequence[Sample], predictions: Path, trimaps: Path, wrong_predictions: Path) -> list[Tile]:
    """One sample that was tried: its trimap, the student's alpha and the error, for each kind of trimap."""
    tried = list_variant(samples, VARIANTS[0], trimaps / VARIANTS[0])
    if not tried:
        return []
    chosen = next(sample for sample in samples if sample.sample_id == pick_materials(tried, 1)[0].sample_id)
    shown = [(replace(chosen, group=GIVEN), predictions)]
    for variant in VARIANTS:
        varied = list_variant([chosen], variant, trimaps / variant)
        shown += [(sample, wrong_predictions / variant) for sample in varied]
    image, alpha_true, tiles = load_image(chosen.image), load_alpha(chosen.alpha), []
    for sample, folder in shown:
        file = folder / f"{sample.sample_id}.png"
        if file.is_file():
            trimap, alpha = load_trimap(sample.trimap), load_alpha(file)
            known = np.where(trimap == 0.5, alpha, trimap)
            images = (
                inline(tint_trimap(image, trimap), f"{sample.group} trimap of {sample.sample_id}"),
                inline(alpha, f"Alpha of the student with the {sample.group} trimap"),
                inline(error_map(known, alpha_true), f"Error with the {sample.group} trimap"),
            )
            tiles.append(Tile(images, sample.group, SAYS.get(sample.group, "")))
    return tiles
