"""Predictions of any other program, taken in as one more baseline."""

from collections.abc import Iterable
from functools import partial
from pathlib import Path

from erkd.evaluation.printing import METHOD_NAMES
from erkd.io.files import InputError
from erkd.io.image_files import images_by_name
from erkd.io.images import load_alpha, save_image
from erkd.runtime.parallel import map_rows


def take_in(source: Path, name: str, sets: Iterable[str], folder: Path) -> None:
    """Copy alphas into `folder`/<set>/<name>.png, 8 bits; the images of `source` itself are the test set's.

    Where `source` has folders named like some of `sets`, each holds the predictions of its set. Raises
    InputError for a name that another method has, a missing folder, and one without predictions.
    """
    if name in METHOD_NAMES:
        raise InputError(f"baselines.folders.{name}: another method has this name; choose another")
    if not source.is_dir():
        raise InputError(f"baselines.folders.{name}: {source}: no such folder")
    folders = {set: source / set for set in sets if (source / set).is_dir()} or {"test": source}
    for set, inside in folders.items():
        images = images_by_name(inside)
        if not images:
            raise InputError(f"baselines.folders.{name}: {inside}: no images; one per sample is expected")
        map_rows(partial(_copy, folder / set), [*images.values()], f"take in {name}")


def _copy(folder: Path, path: Path) -> None:
    save_image(load_alpha(path), folder / f"{path.stem}.png")
