"""Run a teacher over images once and write the feature cache that `erkd/features.py` reads.

Images are read and resized by worker processes while the teacher runs. What is finished lies in a scratch folder
until all is, batch after batch, so that a run that was killed goes on where it stopped.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from shutil import move, rmtree
from typing import Any, Protocol

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from erkd.composite import composite
from erkd.features import IDENTITY, TEXT, Kind, images_digest, row_id
from erkd.files import InputError, atomic, read_json, sha256, write_json, write_text
from erkd.images import Array, load_alpha, load_image
from erkd.parallel import progress
from erkd.tables import CompositeRow, LayerRow, read_table, resolve

WORKERS = 2


class Encoder(Protocol):
    """What the cache needs of a teacher; `identity` tells it from any other and goes into the cache.

    `ground` is the colour that a foreground is put on, RGB in [0, 1]: the one that the teacher's normalisation
    turns to 0.
    """

    identity: dict[str, Any]
    prompts: list[str]

    @property
    def ground(self) -> tuple[float, ...]:
        """RGB in [0, 1]."""

    def prepare(self, image: Array) -> Tensor:
        """A whole image, H x W x 3 in [0, 1], resized for the teacher: 3 x S x S."""

    def patches(self, images: Tensor) -> Tensor:
        """B x 3 x S x S to B x D x Gh x Gw."""

    def text(self, phrases: Sequence[str]) -> Tensor:
        """Unit-length embeddings of phrases, K x D."""


@dataclass(frozen=True)
class Pictures:
    """The images of one kind of cache: rows of a table, in the cache's order."""

    table: Path
    rows: Sequence[CompositeRow] | Sequence[LayerRow]

    def load(self, number: int, ground: tuple[float, ...]) -> Array:
        """Image `number`, H x W x 3 in [0, 1]; a foreground layer lies on `ground`."""
        row = self.rows[number]
        image = load_image(resolve(self.table, row.image))
        if isinstance(row, CompositeRow) or not row.alpha:
            return image
        alpha = load_alpha(resolve(self.table, row.alpha))
        return composite(image, alpha, np.full_like(image, ground))


def read_pictures(data: Path, kinds: Sequence[Kind]) -> dict[Kind, Pictures]:
    """The training images of each of `kinds` below the project's folder `data`."""
    composites, layers = data / "composites/manifest.csv", data / "library/library.csv"
    return {
        kind: Pictures(composites, read_table(composites, CompositeRow, "train"))
        if kind == "composites"
        else Pictures(layers, read_table(layers, LayerRow, "train"))
        for kind in kinds
    }


@dataclass(frozen=True)
class _Batches(Dataset[Tensor]):
    """Prepared images, B x 3 x S x S, from each of `starts` on."""

    pictures: Pictures
    teacher: Encoder
    starts: Sequence[int]
    size: int

    def __len__(self) -> int:
        return len(self.starts)

    def __getitem__(self, place: int) -> Tensor:
        start = self.starts[place]
        numbers = range(start, min(start + self.size, len(self.pictures.rows)))
        return torch.stack(
            [self.teacher.prepare(self.pictures.load(number, self.teacher.ground)) for number in numbers]
        )


def write_features(
    folder: Path,
    kinds: Mapping[Kind, Pictures],
    teacher: Encoder,
    batch_size: int,
    device: str,
    scratch: Path,
) -> None:
    """Run `teacher` on every whole image of every kind and write the cache to `folder`.

    Row i of a kind's cache is its row i. `scratch` is a folder for what is finished so far; a later call with
    the same teacher, images and settings goes on there, and any other starts afresh. Every file of the cache
    is whole or absent, and `features.json` is the last: a cache that was interrupted is never taken for a
    complete one. Raises InputError where a kind has no images.
    """
    for kind, pictures in kinds.items():
        if not pictures.rows:
            raise InputError(f"{pictures.table}: no {kind} of the split `train` to compute features of")
    digests = {kind: images_digest(pictures.table, pictures.rows) for kind, pictures in kinds.items()}
    settings = {"batch_size": batch_size, "device": device, "threads": torch.get_num_threads()}
    _resume({"teacher": teacher.identity, "images": digests, **settings}, scratch)
    (folder / IDENTITY).unlink(missing_ok=True)
    for kind, pictures in kinds.items():
        _fill(scratch / f"{kind}.npy", pictures, teacher, batch_size, device, kind)
    text = teacher.text(teacher.prompts).cpu().numpy().astype(np.float32)
    facts = {}
    for kind, pictures in kinds.items():
        features = np.load(scratch / f"{kind}.npy", mmap_mode="r")
        facts[kind] = {
            "shape": list(features.shape),
            "images": digests[kind],
            "mean": [float(f"{value:.8g}") for value in mean_direction(features)],
        }
        with atomic(folder / f"{kind}.npy") as temporary:
            move(scratch / f"{kind}.npy", temporary)
        index = (f"{number},{name}\n" for number, name in enumerate(map(row_id, pictures.rows)))
        write_text("row,id\n" + "".join(index), folder / f"{kind}.csv")
    with atomic(folder / TEXT) as temporary:
        np.save(temporary, text)
    names = [TEXT, *(f"{kind}{suffix}" for kind in kinds for suffix in (".npy", ".csv"))]
    identity = {
        "teacher": teacher.identity,
        "prompts": teacher.prompts,
        "kinds": facts,
        "sha256": {name: sha256(folder / name) for name in names},
    }
    write_json(identity, folder / IDENTITY)


def mean_direction(features: NDArray[np.float16]) -> NDArray[np.float64]:
    """The mean of all cells (N x D x Gh x Gw) after each was scaled to unit length: D."""
    total = np.zeros(features.shape[1])
    for maps in features:
        cells = torch.from_numpy(maps.astype(np.float32))
        total += F.normalize(cells, dim=0).double().sum(dim=(1, 2)).numpy()
    return total / (len(features) * features.shape[2] * features.shape[3])


def _resume(plan: dict[str, Any], scratch: Path) -> None:
    """Keep what lies in `scratch` where it was made by the same plan; else empty it."""
    path = scratch / "plan.json"
    if path.is_file() and read_json(path) == plan:
        return
    if scratch.is_dir():
        rmtree(scratch)
    write_json(plan, path)


def _fill(path: Path, pictures: Pictures, teacher: Encoder, size: int, device: str, title: str) -> None:
    """Write the memory map of all features to `path`, from the first batch that is not in it yet."""
    marks = path.with_suffix(".done")
    done = int(marks.read_text()) if marks.is_file() and path.is_file() else 0
    count = len(pictures.rows)
    starts = range(0, count, size)
    waiting = starts[done:]
    batches = _prepared(_Batches(pictures, teacher, waiting, size))
    for start, images in progress(zip(waiting, batches, strict=True), f"features of {title}", len(waiting)):
        patches = teacher.patches(images.to(device)).float().cpu().numpy().astype(np.float16)
        if start == 0:
            store = np.lib.format.open_memmap(path, "w+", np.float16, (count, *patches.shape[1:]))
        else:
            store = np.lib.format.open_memmap(path, "r+")
        store[start : start + len(patches)] = patches
        store.flush()
        write_text(f"{start // size + 1}\n", marks)


def _prepared(batches: _Batches) -> Iterator[Tensor]:
    return iter(DataLoader(batches, batch_size=None, num_workers=WORKERS if len(batches) > 1 else 0))
