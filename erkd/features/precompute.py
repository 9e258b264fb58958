"""Run a teacher on images once and write the feature cache (`cache.py`).

Finished batches are kept in a scratch folder until all are, so that a killed run resumes.
"""

import io
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from pathlib import Path
from shutil import move, rmtree
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from erkd.features.cache import (
    IDENTITY,
    TEXT,
    VOCABULARY,
    Kind,
    array_names,
    index_lines,
    level_names,
    settings_of,
)  # fmt: skip
from erkd.features.images import Preparation, TeacherImages, prepared, prepared_batches
from erkd.features.maps import PackedMaps, packed
from erkd.features.pca import mean_direction, principal_directions, project
from erkd.io.files import FULL, InputError, atomic, disk_full, read_json, sha256, write_json, write_record, write_text
from erkd.io.images import Array
from erkd.params import FeaturesParams, Resolution
from erkd.runtime.device import choose_device, prepare_torch
from erkd.runtime.parallel import iterate_rows, on_cluster, progress
from erkd.teachers.teacher import load_teacher

Levels = list[NDArray[np.float16]]  # a batch's cells at every level, each cells x C


class Encoder(Protocol):
    """What the cache needs of a teacher; `identity` (model, weights' hash, preprocessing) is stored with it."""

    identity: dict[str, Any]
    prompts: list[str]
    vocabulary: list[str]

    @property
    def cell(self) -> int | None:
        """The side of a patch in pixels of an image of any size; None where images have to be of one size."""

    @property
    def ground(self) -> tuple[float, ...]:
        """The neutral colour behind foregrounds, RGB in [0, 1]: the teacher's normalisation maps it to 0."""

    def prepare(self, image: Array) -> Tensor:
        """Preprocess a whole image, H x W x 3 in [0, 1] -> 3 x S x S."""

    def patches(self, images: Tensor) -> Tensor:
        """B x 3 x H x W -> patches B x D x Gh x Gw."""

    def levels(self, images: Tensor, count: int) -> list[Tensor]:
        """The patches and, with `count` 2, a shallower map B x C x 2 Gh x 2 Gw."""

    def text(self, phrases: Sequence[str]) -> Tensor:
        """Unit-length text embeddings, K x D."""


@dataclass(frozen=True)
class StoredTeacher:
    """A teacher's folder and how it runs: `device` is auto, cpu or cuda, `weights` the hash of its weights."""

    folder: Path
    weights: str
    device: str
    threads: int
    deterministic: bool

    def load(self) -> tuple[Encoder, str]:
        """The teacher and its device; a worker keeps it."""
        prepare_torch(self.threads, self.deterministic)  # of the thread that calls
        return _load_once(self)


@lru_cache(maxsize=1)
def _load_once(stored: StoredTeacher) -> tuple[Encoder, str]:
    device = str(choose_device(stored.device))
    return load_teacher(stored.folder, device), device


def write_features(
    folder: Path,
    kinds: Mapping[Kind, TeacherImages],
    teacher: Encoder,
    params: FeaturesParams,
    device: str,
    scratch: Path,
    stored: StoredTeacher | None = None,
) -> None:
    """Run `teacher` on all whole images and write the cache; `features.json` comes last and marks it as complete.

    Args:
        folder: Where the cache is written.
        kinds: The images of each kind, in the order of the cache's rows.
        teacher: The teacher.
        params: The section `features`.
        device: Where the teacher runs.
        scratch: Folder for finished batches, resumed by a later call with equal teacher, images and settings.
        stored: Where each worker of a cluster (`rows_on`) loads the teacher for itself; batches then run there.

    Raises:
        InputError: When a kind has no images.
    """
    for kind, images in kinds.items():
        if not images.rows:
            raise InputError(f"{images.table}: no {kind} of the split `train` to compute features of")
    prepare = preparation(teacher, params.resolution)
    digests = {kind: images.digest for kind, images in kinds.items()}
    settings = {
        "batch_size": params.batch_size,
        "resolution": params.resolution,
        "levels": params.levels,
        "device": device,
        "threads": torch.get_num_threads(),
    }
    _resume({"teacher": teacher.identity, "images": digests, **settings}, scratch)
    (folder / IDENTITY).unlink(missing_ok=True)
    extents = {kind: extents_of(images, teacher, prepare, device) for kind, images in kinds.items()}
    grids = {kind: np.ceil(extent).astype(np.int64) for kind, extent in extents.items()}
    for kind, images in kinds.items():
        _fill(scratch, kind, images, grids[kind], teacher, prepare, params, device, stored)
    texts = {TEXT: teacher.text(teacher.prompts), VOCABULARY: teacher.text(teacher.vocabulary)}
    facts: dict[str, Any] = {}
    names = [*texts]
    for kind, images in kinds.items():
        levels = {
            name: _publish(scratch, folder, name, grids[kind] * 2**level, params.pca)
            for level, name in enumerate(level_names(kind, params.levels))
        }
        facts[kind] = {"images": digests[kind], "levels": levels}
        names += [f"{kind}.csv", *array_names(levels)]
        lines = index_lines(grids[kind], extents[kind], images.ids)
        write_text("".join(f"{line}\n" for line in lines), folder / f"{kind}.csv")
    for name, embeddings in texts.items():
        _save(embeddings.cpu().numpy().astype(np.float32), folder / name)
    identity = {
        "teacher": teacher.identity,
        "prompts": teacher.prompts,
        "vocabulary": teacher.vocabulary,
        "settings": settings_of(params),
        "kinds": facts,
        "sha256": {name: sha256(folder / name) for name in names},
    }
    write_record(identity, folder / IDENTITY)


def preparation(teacher: Encoder, resolution: Resolution) -> Preparation:
    """What `teacher` is given of images. Raises InputError where it cannot take them at their own resolution."""
    if resolution == "own" and teacher.cell is None:
        raise InputError(
            "features.resolution: this teacher takes images of one size alone; set it to teacher, or take a "
            "convolutional tower (teacher.source bootstrap, or open_clip's RN and convnext models)"
        )
    return Preparation(teacher.prepare, teacher.ground, teacher.cell if resolution == "own" else None)


def extents_of(images: TeacherImages, teacher: Encoder, prepare: Preparation, device: str) -> Array:
    """Heights and widths of images in cells of the teacher's patches, N x 2."""
    if prepare.cell is not None:
        return (images.sizes() / prepare.cell).astype(np.float32)
    probe = teacher.prepare(np.zeros((8, 8, 3), np.float32))[None].to(device)
    return np.tile(np.array(teacher.patches(probe).shape[2:], np.float32), (len(images.rows), 1))


def _resume(plan: dict[str, Any], scratch: Path) -> None:
    """Empty `scratch` unless it belongs to the same plan."""
    path = scratch / "plan.json"
    if path.is_file() and read_json(path) == plan:
        return
    if scratch.is_dir():
        rmtree(scratch)
    write_json(plan, path)


def _fill(
    scratch: Path,
    kind: Kind,
    images: TeacherImages,
    grids: NDArray[np.int64],
    teacher: Encoder,
    prepare: Preparation,
    params: FeaturesParams,
    device: str,
    stored: StoredTeacher | None,
) -> None:
    """Write the memory maps of a kind, all levels at full channels, from the first unfinished batch on."""
    paths = [scratch / f"{name}.npy" for name in level_names(kind, params.levels)]
    marks, count = scratch / f"{kind}.done", len(images.rows)
    done = int(marks.read_text()) if marks.is_file() and all(path.is_file() for path in paths) else 0
    first = np.concatenate([[0], np.cumsum(grids.prod(axis=1))])  # cell of each image
    starts = range(0, count, params.batch_size)
    groups = [range(start, min(start + params.batch_size, count)) for start in starts][done:]
    computed: Iterable[Levels]
    title = f"features of {kind}"
    if stored and on_cluster():
        own = prepare.cell is not None
        computed = _computed_by_workers(stored, scratch / kind, images, groups, own, params.levels, title)
    else:
        here = _computed_here(teacher, images, groups, prepare, params.levels, device)
        computed = progress(here, title, total=len(groups))
    for numbers, levels in zip(groups, computed, strict=True):
        for level, (path, cells) in enumerate(zip(paths, levels, strict=True)):
            start, end, total = first[[numbers.start, numbers.stop, -1]] * 4**level
            shape = int(total), cells.shape[1]
            store = np.lib.format.open_memmap(path, "r+") if done else _new_map(path, shape)
            store[start:end] = cells
            store.flush()
        done += 1
        write_text(f"{done}\n", marks)


def _computed_here(
    teacher: Encoder, images: TeacherImages, groups: Sequence[range], prepare: Preparation, levels: int, device: str
) -> Iterator[Levels]:
    for batches in prepared_batches(images, prepare, groups):
        yield _cells(teacher, batches, levels, device)


def _cells(teacher: Encoder, batches: Sequence[Tensor], levels: int, device: str) -> Levels:
    """The cells of images, image by image, at every level."""
    found = [[packed(maps.float().cpu().numpy()) for maps in teacher.levels(b.to(device), levels)] for b in batches]
    return [np.concatenate(level) for level in zip(*found, strict=True)]


def _computed_by_workers(
    stored: StoredTeacher,
    folder: Path,
    images: TeacherImages,
    groups: Sequence[range],
    own: bool,
    levels: int,
    title: str,
) -> Iterator[Levels]:
    """Workers leave a file for each level of a batch in `folder`; read, it is removed."""
    batches = [(numbers.start, images.some(numbers)) for numbers in groups]
    for files in iterate_rows(partial(_write_batch, stored, folder, own, levels), batches, title, folder / "done"):
        yield [np.load(file) for file in files]
        for file in files:
            Path(file).unlink()
    rmtree(folder, ignore_errors=True)


def _write_batch(
    stored: StoredTeacher, folder: Path, own: bool, levels: int, batch: tuple[int, TeacherImages]
) -> list[str]:
    start, images = batch
    teacher, device = stored.load()
    prepare = preparation(teacher, "own" if own else "teacher")
    found = _cells(teacher, prepared(images, prepare, range(len(images.rows))), levels, device)
    files = [folder / f"{start}-{level}.npy" for level in range(levels)]
    for file, cells in zip(files, found, strict=True):
        _save(cells, file)
    return [str(file) for file in files]


def _new_map(path: Path, shape: tuple[int, ...]) -> "np.memmap[Any, np.dtype[np.float16]]":
    """Create a float16 memory map with its disk space allocated: writing to a full disk would raise SIGBUS."""
    store = np.lib.format.open_memmap(path, "w+", np.float16, shape)
    with path.open("r+b") as stream:
        try:
            os.posix_fallocate(stream.fileno(), 0, path.stat().st_size)
        except OSError as error:
            if error.errno in FULL:
                raise InputError(disk_full(path.parent)) from None
            raise
    return store


def _save(array: NDArray[Any], path: Path) -> None:
    packed = io.BytesIO()  # numpy's own writer does not report a full disk as such
    np.save(packed, array)
    with atomic(path) as temporary:
        temporary.write_bytes(packed.getvalue())


def _publish(scratch: Path, folder: Path, name: str, grids: NDArray[np.int64], size: int | None) -> dict[str, Any]:
    """Move one level into the cache, projected to `size` channels if that is fewer, and return its entry."""
    partial, target = scratch / f"{name}.npy", folder / f"{name}.npy"
    features = PackedMaps(np.load(partial, mmap_mode="r"), grids)
    mean = mean_direction(features)
    directions, cosines = principal_directions(features, mean)
    count, channels = features.cells.shape
    kept = min(channels, size or channels)
    reduced = kept < channels
    with atomic(target) as temporary:
        if reduced:
            store = _new_map(temporary, (count, kept))
            project(features, mean, directions[:kept], PackedMaps(store, grids))
            store.flush()
        else:
            move(partial, temporary)
    if reduced:
        _save(directions[:kept], folder / f"{name}.basis.npy")
    return {
        "shape": [count, kept],
        "mean": [float(f"{value:.8g}") for value in mean],
        "basis": reduced,
        "cosine_kept": cosines,
    }
