"""Score any program's predictions: folders of files with the same names, several programs beside one another."""

import csv
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from rich.table import Table

from erkd.evaluation.bootstrap import mean_scores, summarise
from erkd.evaluation.metrics.official import Scores
from erkd.evaluation.printing import METRICS, OFFICIAL, UNKNOWN, WHOLE
from erkd.evaluation.scores import STUDENT, ScoreRow, score_file
from erkd.io.files import ESCAPED, InputError, atomic
from erkd.io.image_files import images_by_name
from erkd.io.tables import shorten
from erkd.runtime.parallel import map_rows

PRED = "pred"  # the predictions to score; every other folder is a baseline
RESAMPLES, SEED = 2000, 0
Triple = tuple[Path, Path, Path]
ByImage = Mapping[str, Scores]


@dataclass(frozen=True)
class Matches:
    """The files of three folders by common name, sorted; and, in words, what has no counterpart."""

    files: dict[str, Triple]
    unmatched: list[str]


@dataclass(frozen=True)
class Grid:
    """A table to print; all but the first `words` columns are numbers."""

    title: str
    words: int
    header: list[str]
    rows: list[list[str]]
    caption: str = ""


def parse_folders(options: Sequence[str]) -> dict[str, Path]:
    """Folders by name from NAME=DIR, or DIR alone, which is named as the folder is. Raises InputError."""
    folders: dict[str, Path] = {}
    for option in options:
        name, _, folder = option.rpartition("=")
        name = name or Path(folder).name
        if not name or name in folders or name in (PRED, STUDENT):
            raise InputError(f"--baseline-dir {option}: the name {name!r} is taken; give another, as NAME=DIR")
        folders[name] = Path(folder)
    return folders


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


def match_all(pred: Path, baselines: Mapping[str, Path], alpha: Path, trimap: Path) -> dict[str, Matches]:
    """The matches of the predictions and of every baseline, on the images that all of them have.

    Raises InputError as `match_files` does, and when no image is common to all.
    """
    matches = {name: match_files(folder, alpha, trimap) for name, folder in {PRED: pred, **baselines}.items()}
    common = set.intersection(*(set(found.files) for found in matches.values()))
    if not common:
        raise InputError(f"nothing to score: no image is in all of {', '.join(map(str, baselines.values()))}")
    return {
        name: Matches({image: files for image, files in found.files.items() if image in common}, found.unmatched)
        for name, found in matches.items()
    }


def score_matches(matches: Matches) -> dict[str, Scores]:
    """The scores of every match by name, on all cores. Raises InputError that names the file at fault."""
    return dict(zip(matches.files, map_rows(_score, [*matches.files.values()], "score"), strict=True))


def _score(files: Triple) -> Scores:
    return score_file(*files)


def results(scores: Mapping[str, ByImage]) -> dict[str, Any]:
    """What the JSON file holds: of `PRED` `n`, `mean` and `images`, unrounded, MSE unscaled; and, where there are
    any, per baseline `mean`, `images` and `difference`: prediction minus baseline on the same images, with 95 %
    bootstrap intervals."""
    summary = summarise(
        [
            ScoreRow("", image, STUDENT if name == PRED else name, "", row)
            for name, images in scores.items()
            for image, row in images.items()
        ],
        RESAMPLES,
        SEED,
    )[""]
    found = {
        name: {
            "mean": mean_scores([*images.values()]),
            "images": {image: asdict(row) for image, row in images.items()},
        }
        for name, images in scores.items()
    }
    ours = {"n": len(scores[PRED]), **found.pop(PRED)}
    baselines = {name: content | {"difference": summary[name]["difference"]} for name, content in found.items()}
    return ours | ({"baselines": baselines} if baselines else {})


def write_csv(scores: Mapping[str, ByImage], path: Path) -> None:
    """Write one line per image: its name and every score, unrounded; with the method where there are several."""
    rows = [
        {"image": image, "method": method, **asdict(row)}
        for method, images in scores.items()
        for image, row in images.items()
    ]
    columns = [name for name in rows[0] if name != "method" or len(scores) > 1]
    with atomic(path) as temporary, temporary.open("w", encoding="utf-8", errors=ESCAPED, newline="") as stream:
        writer = csv.DictWriter(stream, columns, extrasaction="ignore", lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


def grids(content: Mapping[str, Any]) -> Iterator[Grid]:
    """The tables that `results` gives: the means, with units and regions; and the baselines beside them."""
    images = f"{content['n']} image{'s' if content['n'] != 1 else ''}"
    cells: dict[tuple[str, str], dict[str, str]] = {}
    for metric in METRICS.values():
        printed = metric.text(content["mean"][metric.key], 4)
        cells.setdefault((metric.title, metric.unit), {})[metric.region] = printed
    rows = [[*name, values.get(UNKNOWN, ""), values.get(WHOLE, "")] for name, values in cells.items()]
    yield Grid(f"Mean over {images}", 2, ["metric", "unit", UNKNOWN, WHOLE], rows)
    if "baselines" in content:
        titles = [f"{metric.title}, {metric.unit}" for metric in OFFICIAL]
        yield Grid(
            f"Unknown region, mean over {images}",
            1,
            ["", *titles, "difference", "95 % interval"],
            [_compared(name, row) for name, row in {PRED: content, **content["baselines"]}.items()],
            f"difference: SAD of {PRED} minus the baseline's on the same images; below 0, {PRED} is better",
        )


def _compared(name: str, content: Mapping[str, Any]) -> list[str]:
    cells = [metric.text(content["mean"][metric.key], 3) for metric in OFFICIAL]
    found = content.get("difference")
    interval = f"{found['sad_low']:+.2f} to {found['sad_high']:+.2f}" if found else ""
    return [name, *cells, f"{found['sad']:+.2f}" if found else "", interval]


def printed(grid: Grid) -> Table:
    """A table for the terminal."""
    table = Table(title=grid.title, caption=grid.caption or None)
    for number, title in enumerate(grid.header):
        table.add_column(title, justify="left" if number < grid.words else "right", no_wrap=number == 0)
    for row in grid.rows:
        table.add_row(*row)
    return table


def latex(grid: Grid) -> str:
    """A LaTeX tabular (package booktabs)."""
    import pandas as pd

    columns = "l" * grid.words + "r" * (len(grid.header) - grid.words)
    frame = pd.DataFrame(grid.rows, columns=grid.header)
    text = frame.to_latex(index=False, escape=True, column_format=columns)
    return f"% {grid.title}\n{text}".replace("10³", "$10^3$").replace("10⁻³", "$10^{-3}$")
