"""Run a teacher over images once and write the feature cache that `erkd/features/cache.py` reads.

Images are read and resized by worker processes while the teacher runs. What is finished lies in a scratch folder
until all is, batch after batch, so that a run that was killed goes on where it stopped.
"""

import io
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from shutil import move, rmtree
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor

from erkd.features.cache import IDENTITY, TEXT, Kind, array_names, level_names
from erkd.features.images import TeacherImages, prepared_batches
from erkd.features.pca import mean_direction, principal_directions, project
from erkd.io.files import (
    FULL,
    InputError,
    atomic,
    disk_full,
    read_json,
    sha256,
    write_json,
    write_record,
    write_text,
)
from erkd.io.images import Array
from erkd.params import FeaturesParams
from erkd.runtime.parallel import progress


class Encoder(Protocol):
    """What the cache needs of a teacher; `identity` tells it from any other and goes into the cache."""

    identity: dict[str, Any]
    prompts: list[str]

    @property
    def ground(self) -> tuple[float, ...]:
        """The colour that foregrounds are put on, RGB in [0, 1]: what the teacher's normalisation turns to 0."""

    def prepare(self, image: Array) -> Tensor:
        """A whole image, H x W x 3 in [0, 1], resized for the teacher: 3 x S x S."""

    def levels(self, images: Tensor, count: int) -> list[Tensor]:
        """B x 3 x S x S to B x D x Gh x Gw, and with `count` 2 to B x C x 2 Gh x 2 Gw as well."""

    def text(self, phrases: Sequence[str]) -> Tensor:
        """Unit-length embeddings of phrases, K x D."""


def write_features(
    folder: Path,
    kinds: Mapping[Kind, TeacherImages],
    teacher: Encoder,
    params: FeaturesParams,
    device: str,
    scratch: Path,
) -> None:
    """Run `teacher` on every whole image of every kind and write the cache to `folder`.

    Row i of a kind's cache is its row i. `scratch` is a folder for what is finished so far, at full channels; a
    later call with the same teacher, images and settings goes on there, and any other starts afresh. Every
    file of the cache is whole or absent, and `features.json` is the last: a cache that was interrupted is
    never taken for a complete one. Raises InputError where a kind has no images.
    """
    for kind, images in kinds.items():
        if not images.rows:
            raise InputError(f"{images.table}: no {kind} of the split `train` to compute features of")
    digests = {kind: images.digest for kind, images in kinds.items()}
    settings = {
        "batch_size": params.batch_size,
        "levels": params.levels,
        "device": device,
        "threads": torch.get_num_threads(),
    }
    _resume({"teacher": teacher.identity, "images": digests, **settings}, scratch)
    (folder / IDENTITY).unlink(missing_ok=True)
    for kind, images in kinds.items():
        _fill(scratch, kind, images, teacher, params, device)
    text = teacher.text(teacher.prompts).cpu().numpy().astype(np.float32)
    facts: dict[str, Any] = {}
    names = [TEXT]
    for kind, images in kinds.items():
        levels = {
            name: _publish(scratch, folder, name, params.pca) for name in level_names(kind, params.levels)
        }
        facts[kind] = {"images": digests[kind], "levels": levels}
        names += [f"{kind}.csv", *array_names(levels)]
        index = (f"{number},{name}\n" for number, name in enumerate(images.ids))
        write_text("row,id\n" + "".join(index), folder / f"{kind}.csv")
    _save(text, folder / TEXT)
    identity = {
        "teacher": teacher.identity,
        "prompts": teacher.prompts,
        "kinds": facts,
        "sha256": {name: sha256(folder / name) for name in names},
    }
    write_record(identity, folder / IDENTITY)


def _resume(plan: dict[str, Any], scratch: Path) -> None:
    """Keep what lies in `scratch` where it was made by the same plan; else empty it."""
    path = scratch / "plan.json"
    if path.is_file() and read_json(path) == plan:
        return
    if scratch.is_dir():
        rmtree(scratch)
    write_json(plan, path)


def _fill(
    scratch: Path, kind: Kind, images: TeacherImages, teacher: Encoder, params: FeaturesParams, device: str
) -> None:
    """Write the memory maps of all features of a kind, from the first batch that is not in them yet."""
    paths = [scratch / f"{name}.npy" for name in level_names(kind, params.levels)]
    marks, count = scratch / f"{kind}.done", len(images.rows)
    done = int(marks.read_text()) if marks.is_file() and all(path.is_file() for path in paths) else 0
    starts = range(0, count, params.batch_size)
    groups = [range(start, min(start + params.batch_size, count)) for start in starts][done:]
    batches = prepared_batches(images, teacher.prepare, teacher.ground, groups)
    for numbers, prepared in progress(
        zip(groups, batches, strict=True), f"features of {kind}", total=len(groups)
    ):
        for path, maps in zip(paths, teacher.levels(prepared.to(device), params.levels), strict=True):
            shape = count, *maps.shape[1:]
            store = np.lib.format.open_memmap(path, "r+") if done else _new_map(path, shape)
            store[numbers.start : numbers.stop] = maps.float().cpu().numpy().astype(np.float16)
            store.flush()
        done += 1
        write_text(f"{done}\n", marks)


def _new_map(path: Path, shape: tuple[int, ...]) -> "np.memmap[Any, np.dtype[np.float16]]":
    """A float16 memory map in a new file. Its room is taken at once: a disk that is full later would kill us."""
    store = np.lib.format.open_memmap(path, "w+", np.float16, shape)
    with path.open("r+b") as stream:
        try:
            os.posix_fallocate(stream.fileno(), 0, path.stat().st_size)
        except OSError as error:
            if error.errno in FULL:
                raise InputError(disk_full(path.parent)) from None
            raise
    return store


def _save(array: Array, path: Path) -> None:
    packed = io.BytesIO()  # numpy does not say why it could not write a file
    np.save(packed, array)
    with atomic(path) as temporary:
        temporary.write_bytes(packed.getvalue())


def _publish(scratch: Path, folder: Path, name: str, size: int | None) -> dict[str, Any]:
    """Put one level's file into the cache, in `size` principal channels where that is fewer; what to know of it."""
    partial, target = scratch / f"{name}.npy", folder / f"{name}.npy"
    features = np.load(partial, mmap_mode="r")
    mean = mean_direction(features)
    directions, cosines = principal_directions(features, mean)
    shape = list(features.shape)
    reduced = size is not None and size < shape[1]
    with atomic(target) as temporary:
        if reduced:
            shape[1] = size
            store = _new_map(temporary, tuple(shape))
            project(features, mean, directions[:size], store)
            store.flush()
        else:
            move(partial, temporary)
    if reduced:
        _save(directions[:size], folder / f"{name}.basis.npy")
    return {
        "shape": shape,
        "mean": [float(f"{value:.8g}") for value in mean],
        "basis": reduced,
        "cosine_kept": cosines,
    }
