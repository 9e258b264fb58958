"""Score any program's predictions: three folders of files with the same names."""

import csv
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from rich.table import Table

from erkd.evaluation.bootstrap import mean_scores
from erkd.evaluation.metrics.official import Scores
from erkd.evaluation.printing import METRICS, UNKNOWN, WHOLE
from erkd.evaluation.scores import NAMES, score_file
from erkd.io.files import InputError, atomic
from erkd.io.image_files import images_by_name
from erkd.io.tables import shorten
from erkd.runtime.parallel import map_rows

Triple = tuple[Path, Path, Path]


@dataclass(frozen=True)
class Matches:
    """The files of three folders by common name, sorted; and, in words, what has no counterpart."""

    files: dict[str, Triple]
    unmatched: list[str]


def match_files(pred: Path, alpha: Path, trimap: Path) -> Matches:
    """Match the image files of three folders by their names without suffix.

    Raises InputError for a folder that is missing or has two files of one name, and when nothing matches.
    """
    preds, alphas, trimaps = images_by_name(pred), images_by_name(alpha), images_by_name(trimap)
    truth = trimaps | alphas
    odd = (
        ("missing in", pred, {name: truth[name] for name in truth.keys() - preds.keys()}),
        ("extra in", pred, {name: preds[name] for name in preds.keys() - truth.keys()}),
        ("missing in", alpha, {name: trimaps[name] for name in trimaps.keys() - alphas.keys()}),
        ("missing in", trimap, {name: alphas[name] for name in alphas.keys() - trimaps.keys()}),
    )
    unmatched = [
        f"{title} {folder}: {shorten(sorted(path.name for path in files.values()))}"
        for title, folder, files in odd
        if files
    ]
    common = sorted(preds.keys() & alphas.keys() & trimaps.keys())
    if not common:
        raise InputError(f"nothing to score: {'; '.join(unmatched) or f'no images in {pred}'}")
    return Matches({name: (preds[name], alphas[name], trimaps[name]) for name in common}, unmatched)


def score_matches(matches: Matches) -> dict[str, Scores]:
    """The scores of every match by name, on all cores. Raises InputError that names the file at fault."""
    names = list(matches.files)
    return dict(zip(names, map_rows(_score, [matches.files[name] for name in names], "score"), strict=True))


def _score(files: Triple) -> Scores:
    return score_file(*files)


def results(scores: dict[str, Scores]) -> dict[str, Any]:
    """What the JSON file holds: `n`, `mean` and `images`, unrounded; MSE unscaled."""
    images = {name: asdict(row) for name, row in scores.items()}
    return {"n": len(images), "mean": mean_scores(list(scores.values())), "images": images}


def write_csv(scores: Mapping[str, Mapping[str, Scores]], path: Path) -> None:
    """Write one line per image: its name and every score, unrounded; with the method where there are several."""
    several = len(scores) > 1
    with atomic(path) as temporary, temporary.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(["image", *(["method"] if several else []), *NAMES])
        for method, images in scores.items():
            named = [method] if several else []
            writer.writerows([image, *named, *asdict(row).values()] for image, row in images.items())


def table(mean: dict[str, float], count: int) -> Table:
    """The mean scores as a table for the terminal, with units and regions."""
    header, *rows = _rows(mean)
    result = Table(title=f"Mean over {plural(count)}")
    for number, title in enumerate(header):
        result.add_column(title, justify="right" if number > 1 else "left")
    for row in rows:
        result.add_row(*row)
    return result


def latex(mean: dict[str, float], count: int) -> str:
    """The same table as a LaTeX tabular (package booktabs)."""
    return booktabs(_rows(mean), "llrr", f"mean over {plural(count)}")


def booktabs(rows: Sequence[Sequence[str]], columns: str, comment: str) -> str:
    """Rows of cells, a header first, as a LaTeX tabular."""
    header, *body = [" & ".join(map(_escape, row)) + r" \\" for row in rows]
    begin = rf"\begin{{tabular}}{{{columns}}} % {comment}"
    return "\n".join([begin, r"\toprule", header, r"\midrule", *body, r"\bottomrule", r"\end{tabular}"])


def _escape(cell: str) -> str:
    for text, code in (("10³", "$10^3$"), ("10⁻³", "$10^{-3}$"), ("%", r"\%"), ("_", r"\_")):
        cell = cell.replace(text, code)
    return cell


def plural(count: int) -> str:
    """A number of images in words."""
    return f"{count} image{'s' if count != 1 else ''}"


def _rows(mean: Mapping[str, float]) -> list[list[str]]:
    """Cells: a header, and a row per metric with its value in each region."""
    values: dict[tuple[str, str], dict[str, str]] = {}
    for metric in METRICS.values():
        values.setdefault((metric.title, metric.unit), {})[metric.region] = metric.text(mean[metric.key], 4)
    rows = [[*names, cells.get(UNKNOWN, ""), cells.get(WHOLE, "")] for names, cells in values.items()]
    return [["metric", "unit", UNKNOWN, WHOLE], *rows]
