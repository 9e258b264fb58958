"""What the report shows of wrong trimaps: SAD by kind of trimap and method, and one image under all of them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from erkd.data.wrong_trimaps import VARIANTS, list_variant
from erkd.evaluation.robustness import GIVEN
from erkd.evaluation.scores import STUDENT
from erkd.io.files import read_json
from erkd.io.images import load_alpha, load_image, load_trimap
from erkd.io.tables import Sample
from erkd.report.comparison import method_name
from erkd.report.contact_sheets import Tile
from erkd.report.pictures import error_map, picture, tint_trimap
from erkd.report.result_strip import pick_materials
from erkd.report.score_tables import Cell, score_interval

SAYS = {
    GIVEN: "as drawn for the test set",
    "narrow": "faint parts cut off: known where alpha is below 0.1 or above 0.9",
    "wide": "known regions eroded by 40 pixels of 800",
    "wrong": "1 % of the known pixels say the opposite",
}


@dataclass(frozen=True)
class VariantRow:
    """One kind of trimap: what it forces on every method, and a dot (percentage, is the student) and cell each."""

    name: str
    says: str
    forced: str
    dots: tuple[tuple[float, bool], ...]
    cells: tuple[Cell, ...]


@dataclass(frozen=True)
class Sensitivity:
    """`methods` as (name, is the student); `end` is the SAD at the end of the axis; tiles show one image."""

    n: int
    end: str
    methods: tuple[tuple[str, bool], ...]
    rows: tuple[VariantRow, ...]
    lead: str
    tiles: tuple[Tile, ...]


def sensitivity_view(
    robustness: Path, samples: Sequence[Sample], predictions: Path, trimaps: Path, wrong_predictions: Path
) -> Sensitivity | None:
    """The table of `robustness.json` and pictures of one sample; None where no variant was tried."""
    content: dict[str, dict[str, Any]] = read_json(robustness)
    if not content:
        return None
    methods = [name for name in next(iter(content.values())) if name != "n"]
    end = (
        max(group[name]["sad_whole"] for group in content.values() for name in methods if name in group)
        or 1.0
    )
    rows = tuple(_row(variant, group, methods, end) for variant, group in content.items())
    return Sensitivity(
        next(iter(content.values()))["n"],
        f"{end:.3g}",
        tuple((method_name(name), name == STUDENT) for name in methods),
        rows,
        _lead(content, methods),
        _tiles(samples, predictions, trimaps, wrong_predictions),
    )


def _row(variant: str, group: Mapping[str, Any], methods: Sequence[str], end: float) -> VariantRow:
    present = {name: group[name] for name in methods if name in group}
    least = min(values["sad_whole"] for values in present.values())
    cells = [
        Cell(
            f"{values['sad_whole']:.2f}",
            score_interval(values["sad_whole_low"], values["sad_whole_high"]),
            values["sad_whole"] == least,
        )
        for values in present.values()
    ]
    dots = [(round(100 * values["sad_whole"] / end, 1), name == STUDENT) for name, values in present.items()]
    any_method = next(iter(present.values()))
    forced = f"{max(0.0, any_method['sad_whole'] - any_method['sad']):.2f}"
    return VariantRow(
        variant, SAYS.get(variant, ""), forced, tuple(sorted(dots, key=lambda dot: dot[1])), tuple(cells)
    )


def _lead(content: Mapping[str, Mapping[str, Any]], methods: Sequence[str]) -> str:
    """In words, by how much each method's error changes from the trimaps as drawn."""
    given = content.get(GIVEN, {})
    parts = []
    for name in methods:
        if name in given:
            start = given[name]["sad_whole"]
            changes = ", ".join(
                f"{variant} {group[name]['sad_whole'] - start:+.2f}".replace("-", "\N{MINUS SIGN}")
                for variant, group in content.items()
                if variant != GIVEN and name in group
            )
            parts.append(f"{method_name(name)}: {changes}")
    return "Change of mean SAD from the trimaps as drawn. " + "; ".join(parts).capitalize() + "."


def _tiles(
    samples: Sequence[Sample], predictions: Path, trimaps: Path, wrong_predictions: Path
) -> tuple[Tile, ...]:
    """One sample that was tried: its trimap, the student's alpha and the error, for each kind of trimap."""
    tried = list_variant(samples, VARIANTS[0], trimaps / VARIANTS[0])
    if not tried:
        return ()
    chosen = next(sample for sample in samples if sample.sample_id == pick_materials(tried, 1)[0].sample_id)
    image, alpha_true = load_image(chosen.image), load_alpha(chosen.alpha)
    shown = [(replace(chosen, group=GIVEN), predictions)]
    for variant in VARIANTS:
        shown += [
            (sample, wrong_predictions / variant)
            for sample in list_variant([chosen], variant, trimaps / variant)
        ]
    tiles = []
    for sample, folder in shown:
        file = folder / f"{sample.sample_id}.png"
        if file.is_file():
            trimap, alpha = load_trimap(sample.trimap), load_alpha(file)
            known = np.where(trimap == 0.5, alpha, trimap)
            pictures = (
                picture(tint_trimap(image, trimap), f"{sample.group} trimap of {sample.sample_id}"),
                picture(alpha, f"Alpha of the student with the {sample.group} trimap"),
                picture(error_map(known, alpha_true), f"Error with the {sample.group} trimap"),
            )
            tiles.append(Tile(pictures, sample.group, SAYS.get(sample.group, "")))
    return tuple(tiles)
