"""The feature cache: dense teacher features, computed once per image and read for almost nothing.

One folder: `composites.npy` (N x D x Gh x Gw, float16, memory-mapped), `composites.csv` (row, sample_id),
`text.npy` (K x D, float32: unit-length embeddings of the prompts), and `features.json`, written last: which
teacher, which images, and the hashes that a reader checks.
"""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from erkd.files import InputError, atomic, read_json, sha256, write_json, write_text
from erkd.images import Array, load_image
from erkd.parallel import progress
from erkd.tables import CompositeRow, LayerRow, resolve

KIND = "composites"
IDENTITY = "features.json"
MEND = "run `dvc repro features`"


class Encoder(Protocol):
    """What the cache needs of a teacher; `identity` tells it from any other and goes into the cache."""

    identity: dict[str, Any]
    prompts: list[str]

    def prepare(self, image: Array) -> Tensor:
        """A whole image, H x W x 3 in [0, 1], resized for the teacher: 3 x S x S."""

    def patches(self, images: Tensor) -> Tensor:
        """B x 3 x S x S to B x D x Gh x Gw."""

    def text(self, phrases: Sequence[str]) -> Tensor:
        """Unit-length embeddings of phrases, K x D."""


@dataclass(frozen=True)
class FeatureCache:
    """An open cache. `features` N x D x Gh x Gw (float16), `sample_ids` N, `text` K x D, `mean` D.

    Features are in the joint image-text space and not normalised. `mean` is that of all cells after each was
    scaled to unit length: what centring takes off.
    """

    features: NDArray[np.float16]
    sample_ids: list[str]
    prompts: list[str]
    text: Array
    mean: Array

    def sample(self, indices: Tensor, theta: Tensor, size: Sequence[int]) -> Tensor:
        """Targets for crops: B x D x h x w, float32, on `theta`'s device.

        `indices` B are rows of the cache; `theta` B x 2 x 3 maps a crop's normalised coordinates to the whole
        image's (as `affine_grid` reads it, align_corners=False); `size` is (h, w). Beyond the image its
        border repeats.
        """
        rows = torch.from_numpy(self.features[indices.cpu().numpy()]).to(theta.device, torch.float32)
        grid = F.affine_grid(theta.float(), [len(rows), rows.shape[1], *size], align_corners=False)
        return F.grid_sample(rows, grid, mode="bilinear", padding_mode="border", align_corners=False)


def write_features(
    folder: Path, table: Path, rows: Sequence[CompositeRow], teacher: Encoder, batch_size: int, device: str
) -> None:
    """Run `teacher` on the whole image of every row of `table` and write the cache to `folder`.

    Row i of the cache is `rows[i]`. Every file is whole or absent, and `features.json` is the last: a cache
    that was interrupted is never taken for a complete one. Raises InputError when there are no rows.
    """
    if not rows:
        raise InputError(f"{table}: no composites of the split `train`, so there are no features to compute")
    paths = [resolve(table, row.image) for row in rows]
    (folder / IDENTITY).unlink(missing_ok=True)
    data = folder / f"{KIND}.npy"
    with atomic(data) as temporary:
        shape, mean = _write_patches(temporary, paths, teacher, batch_size, device)
    lines = ["row,sample_id", *(f"{i},{row.sample_id}" for i, row in enumerate(rows))]
    write_text("\n".join(lines) + "\n", folder / f"{KIND}.csv")
    with atomic(folder / "text.npy") as temporary:
        np.save(temporary, teacher.text(teacher.prompts).cpu().numpy().astype(np.float32))
    identity = {
        "kind": KIND,
        "shape": list(shape),
        "teacher": teacher.identity,
        "prompts": teacher.prompts,
        "images": images_digest(table, rows),
        "sha256": {name: sha256(folder / name) for name in _names()},
        "mean": [float(f"{value:.8g}") for value in mean],
    }
    write_json(identity, folder / IDENTITY)


def open_features(
    folder: Path, teacher: dict[str, Any] | None = None, images: str | None = None
) -> FeatureCache:
    """Open a cache for reading; `features` stays on disk and is mapped into memory.

    Checks that every file is there, has the stored hash and the stored shape, and, where given, that the
    cache was made by the teacher of this identity from the images of this digest (`images_digest`). Raises
    InputError that names the file and what is wrong with it.
    """
    identity = read_json(folder / IDENTITY)
    try:
        kind, shape, hashes = identity["kind"], tuple(identity["shape"]), identity["sha256"]
        prompts, mean = identity["prompts"], np.array(identity["mean"], np.float32)
        made_by, made_from = identity["teacher"], identity["images"]
    except (KeyError, TypeError) as error:
        raise InputError(f"{folder / IDENTITY}: not the identity of a feature cache (no {error})") from None
    if kind != KIND:
        raise InputError(f"{folder / IDENTITY}: a cache of kind {kind!r}; expected {KIND!r}")
    if teacher is not None and teacher != made_by:
        changed = sorted(key for key in {*teacher, *made_by} if teacher.get(key) != made_by.get(key))
        raise InputError(f"{folder}: stale: made by another teacher ({', '.join(changed)} differ); {MEND}")
    if images is not None and images != made_from:
        raise InputError(f"{folder}: stale: the composites have changed since; {MEND}")
    for name in _names():
        _check_file(folder / name, hashes.get(name))
    features = np.load(folder / f"{KIND}.npy", mmap_mode="r")
    if features.shape != shape or features.dtype != np.float16:
        raise InputError(
            f"{folder / f'{KIND}.npy'}: {features.dtype} {features.shape}; expected float16 {shape}"
        )
    index = (folder / f"{KIND}.csv").read_text(encoding="utf-8").splitlines()[1:]
    if len(index) != shape[0]:
        raise InputError(f"{folder / f'{KIND}.csv'}: {len(index)} rows; expected {shape[0]}")
    return FeatureCache(
        features, [line.split(",", 1)[1] for line in index], prompts, np.load(folder / "text.npy"), mean
    )


def images_digest(table: Path, rows: Sequence[CompositeRow] | Sequence[LayerRow]) -> str:
    """A fingerprint of the rows and of their image files' sizes: cheap, and different when any was remade."""
    digest = hashlib.sha256()
    for row in rows:
        path = resolve(table, row.image)
        size = path.stat().st_size if path.is_file() else None
        digest.update(json.dumps([row.image, row.seed, row.height, row.width, size]).encode())
    return digest.hexdigest()


def _names() -> tuple[str, str, str]:
    return f"{KIND}.npy", f"{KIND}.csv", "text.npy"


def _check_file(path: Path, expected: str | None) -> None:
    if not path.is_file():
        raise InputError(f"{path}: no such file; {MEND}")
    if sha256(path) != expected:
        raise InputError(f"{path}: truncated or changed since it was written; {MEND}")


def _write_patches(
    path: Path, images: Sequence[Path], teacher: Encoder, batch_size: int, device: str
) -> tuple[tuple[int, ...], NDArray[np.float64]]:
    """Write the memory map; return its shape and the mean unit-length cell."""
    store = None
    total = np.zeros(0)
    for start in progress(range(0, len(images), batch_size), "teacher features"):
        batch = torch.stack(
            [teacher.prepare(load_image(path)) for path in images[start : start + batch_size]]
        )
        patches = teacher.patches(batch.to(device)).float().cpu()
        if store is None:
            shape = (len(images), *patches.shape[1:])
            store = np.lib.format.open_memmap(path, mode="w+", dtype=np.float16, shape=shape)
            total = np.zeros(patches.shape[1])
        store[start : start + len(batch)] = patches.numpy().astype(np.float16)
        total += F.normalize(patches, dim=1).double().sum(dim=(0, 2, 3)).numpy()
    assert store is not None
    store.flush()
    return store.shape, total / (store.shape[0] * store.shape[2] * store.shape[3])
