"""A few results as one picture: image, trimap, alpha, and cut-out on a background that training never saw."""

from collections.abc import Sequence
from pathlib import Path

from erkd.io.images import Array, load_alpha, load_image, load_trimap
from erkd.io.tables import LayerRow, Sample, read_table, resolve
from erkd.report.pictures import Picture, picture, result_strip

STRIP_ROWS = 3
SHOWN_FIRST = ("fur", "veil", "net", "hair", "smoke")


def result_picture(samples: Sequence[Sample], predictions: Path, backgrounds: Sequence[Path]) -> Array:
    """Image, trimap, alpha and cut-out on a new background, a row per sample; see `result_strip`."""
    cases = []
    for number, sample in enumerate(samples):
        background = load_image(backgrounds[number % len(backgrounds)])
        alpha = load_alpha(predictions / f"{sample.sample_id}.png")
        cases.append((load_image(sample.image), load_trimap(sample.trimap), alpha, background))
    return result_strip(cases)


def strip(samples: Sequence[Sample], predictions: Path, library: Path) -> Picture | None:
    """A few results of a set on test backgrounds of the library; None where any of this is absent."""
    if not library.is_file():
        return None
    samples = [sample for sample in samples if (predictions / f"{sample.sample_id}.png").is_file()]
    layers = [row for row in read_table(library, LayerRow, "test") if row.kind == "background"]
    chosen = pick_materials(samples, STRIP_ROWS)
    if not chosen or not layers:
        return None
    backgrounds = [resolve(library, row.image) for row in layers]
    shown = result_picture(chosen, predictions, backgrounds[1:] or backgrounds)
    alt = "Results: image, trimap, alpha and cut-out on a new background of " + ", ".join(
        sample.sample_id for sample in chosen
    )
    return picture(shown, alt, longest=1200)


def pick_materials(samples: Sequence[Sample], count: int) -> list[Sample]:
    """The first sample of each of `count` materials, fine structures first, then in alphabetical order."""
    first = {sample.material: sample for sample in reversed(samples)}
    names = [*(name for name in SHOWN_FIRST if name in first), *sorted(set(first) - set(SHOWN_FIRST))]
    return [first[name] for name in names[:count]]
