"""Predictions compared with those of other programs: the same images scored, and paired differences."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.table import Table

from erkd.evaluation.bootstrap import summarise
from erkd.evaluation.folders import Matches, booktabs, match_files, plural, results
from erkd.evaluation.metrics.official import Scores
from erkd.evaluation.printing import OFFICIAL
from erkd.evaluation.scores import STUDENT, ScoreRow
from erkd.io.files import InputError

RESAMPLES, SEED = 2000, 0
PRED = "pred"
ByImage = Mapping[str, Scores]


def parse_folders(options: Sequence[str]) -> dict[str, Path]:
    """Folders by name from NAME=DIR, or DIR alone, which is named as the folder is. Raises InputError."""
    folders: dict[str, Path] = {}
    for option in options:
        name, _, folder = option.rpartition("=")
        name = name or Path(folder).name
        if not name or name in folders or name in (PRED, STUDENT):
            raise InputError(
                f"--baseline-dir {option}: the name {name!r} is taken; give another, as NAME=DIR"
            )
        folders[name] = Path(folder)
    return folders


def match_all(pred: Path, baselines: Mapping[str, Path], alpha: Path, trimap: Path) -> dict[str, Matches]:
    """The matches of the predictions and of every baseline, on the images that all of them have.

    Raises InputError as `match_files` does, and when no image is common to all.
    """
    matches = {name: match_files(folder, alpha, trimap) for name, folder in {PRED: pred, **baselines}.items()}
    common = set.intersection(*(set(found.files) for found in matches.values()))
    if not common:
        raise InputError(f"nothing to score: no image is in all of {', '.join(map(str, baselines.values()))}")
    return {
        name: Matches(
            {image: found.files[image] for image in found.files if image in common}, found.unmatched
        )
        for name, found in matches.items()
    }


def compare(scores: Mapping[str, ByImage]) -> dict[str, dict[str, Any]]:
    """Per baseline `mean` and `images` as in `results`, and `difference`: prediction minus baseline on the same
    images, with 95 % bootstrap intervals. `scores` holds the prediction as `PRED`."""
    rows = [
        ScoreRow("", image, STUDENT if name == PRED else name, "", row)
        for name, images in scores.items()
        for image, row in images.items()
    ]
    summary = summarise(rows, RESAMPLES, SEED)[""]
    found = {}
    for name, images in scores.items():
        if name != PRED:
            content = results(dict(images))
            difference = summary[name]["difference"]
            found[name] = {"mean": content["mean"], "difference": difference, "images": content["images"]}
    return found


def table(mean: Mapping[str, float], baselines: Mapping[str, Mapping[str, Any]], count: int) -> Table:
    """The prediction and every baseline, a row each, for the terminal."""
    caption = f"difference: SAD of {PRED} minus the baseline's on the same images; below 0, {PRED} is better"
    result = Table(title=f"Unknown region, mean over {plural(count)}", caption=caption)
    header, *rows = _rows(mean, baselines)
    for number, title in enumerate(header):
        justify: Any = "right" if number else "left"
        result.add_column(title, justify=justify, no_wrap=number in (0, len(header) - 1))
    for row in rows:
        result.add_row(*row)
    return result


def latex(mean: Mapping[str, float], baselines: Mapping[str, Mapping[str, Any]], count: int) -> str:
    """The same table as a LaTeX tabular (package booktabs)."""
    return booktabs(_rows(mean, baselines), "lrrrrrr", f"unknown region, mean over {plural(count)}")


def _rows(mean: Mapping[str, float], baselines: Mapping[str, Mapping[str, Any]]) -> list[list[str]]:
    """Cells: a header, the prediction, and each baseline with the paired difference in SAD."""
    titles = [f"{metric.title}, {metric.unit}" for metric in OFFICIAL]
    rows = [["", *titles, "difference", "95 % interval"]]
    for name, content in {PRED: {"mean": mean}, **baselines}.items():
        cells = [metric.text(content["mean"][metric.key], 3) for metric in OFFICIAL]
        difference, compared = content.get("difference"), ["", ""]
        if difference:
            low, high = difference["sad_low"], difference["sad_high"]
            compared = [f"{difference['sad']:+.2f}", f"{low:+.2f} to {high:+.2f}"]
        rows.append([name, *cells, *compared])
    return rows
