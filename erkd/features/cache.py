"""The feature cache: dense teacher features on disk, written by `precompute.py` and memory-mapped for training.

For each kind of image the folder holds `KIND.npy` (N x D x Gh x Gw, float16), its index `KIND.csv` (row, id) and,
with a second level, `KIND-shallow.npy` on a grid twice as fine. `text.npy` (K x D, float32) holds the unit-length
prompt embeddings. `features.json`, written last, identifies teacher and images and has the hashes that readers
check. Kinds are `composites`, as stored, and `layers`: each foreground on a neutral ground, and each background.

With `features.pca` the arrays hold unit-length, mean-centred features projected by `NAME.basis.npy`; student features
stay in the joint image-text space and are projected by the same basis (`space.py`).
"""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal, Protocol

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from erkd.io.files import InputError, check_hash, read_record
from erkd.io.images import Array
from erkd.io.tables import CompositeRow, LayerRow, resolve

Kind = Literal["composites", "layers"]
IDENTITY = "features.json"
TEXT = "text.npy"
MEND = "run `dvc repro features`"


class Maps(Protocol):
    """Feature maps by row: a memory map, or a teacher run on demand."""

    def __getitem__(self, rows: NDArray[Any], /) -> NDArray[np.float16]:
        """The maps of `rows`, B x C x Gh x Gw."""


@dataclass(frozen=True)
class FeatureCache:
    """An open cache.

    Attributes:
        features: N x C x Gh x Gw, float16: without `basis` the teacher's D channels in the joint image-text space,
            not normalised; with it, unit-length, mean-centred and projected to C channels.
        sample_ids: The images' ids by row (`layer_id`s for layers).
        prompts: The K prompts.
        text: Their unit-length embeddings, K x D.
        mean: Mean of all unit-length cells, D.
        basis: Orthonormal rows, C x D, or None.
        shallow: The second level, in the image tower's own channels, or None.
    """

    features: Maps
    sample_ids: list[str]
    prompts: list[str]
    text: Array
    mean: Array
    basis: Array | None = None
    shallow: "FeatureCache | None" = None

    @cached_property
    def rows(self) -> dict[str, int]:
        """The row of each image, by id."""
        return {name: row for row, name in enumerate(self.sample_ids)}

    def sample(self, indices: Tensor, theta: Tensor, size: Sequence[int]) -> Tensor:
        """Sample features of crops bilinearly, borders replicated: B x C x h x w, float32, on `theta`'s device.

        `indices` B are rows of the cache, `theta` B x 2 x 3 maps crop to image coordinates (`affine_grid`'s, with
        align_corners=False), and `size` is (h, w).
        """
        stored = torch.from_numpy(self.features[indices.cpu().numpy()]).to(theta.device, torch.float32)
        grid = F.affine_grid(theta.float(), [len(stored), stored.shape[1], *size], align_corners=False)
        return F.grid_sample(stored, grid, mode="bilinear", padding_mode="border", align_corners=False)


def open_features(
    folder: Path, kind: Kind = "composites", *, teacher: dict[str, Any] | None = None, images: str | None = None
) -> FeatureCache:
    """Open the cache of one kind, memory-mapped, after checking files, hashes and shapes.

    Args:
        folder: The cache's folder.
        kind: Kind of images.
        teacher: Identity that the cache must be made by, if given.
        images: `images_digest` of the images that it must be made from, if given.

    Raises:
        InputError: Names the file and what is wrong with it.
    """
    identity = read_record(folder / IDENTITY, MEND)
    try:
        kinds, prompts, made_by, hashes = (identity[name] for name in ("kinds", "prompts", "teacher", "sha256"))
        if kind not in kinds:
            raise InputError(
                f"{folder / IDENTITY}: no cache of the kind {kind!r}, only {', '.join(kinds) or 'none'}; "
                f"add it to features.kinds and {MEND}"
            )
        facts, made_from = kinds[kind]["levels"], kinds[kind]["images"]
        means = {name: np.array(level["mean"], np.float32) for name, level in facts.items()}
        shapes = {name: tuple(level["shape"]) for name, level in facts.items()}
        arrays = array_names(facts)
        if [*facts] != level_names(kind, len(facts)) or not facts:
            raise InputError(f"{folder / IDENTITY}: the levels {', '.join(facts) or 'none'} of {kind}; {MEND}")
        index = folder / f"{kind}.csv"
        expected = {name: hashes.get(name) for name in (*arrays, index.name, TEXT)}
        if teacher is not None and teacher != made_by:
            changed = sorted(key for key in {*teacher, *made_by} if teacher.get(key) != made_by.get(key))
            raise InputError(f"{folder}: stale: made by another teacher ({', '.join(changed)} differ); {MEND}")
    except (AttributeError, KeyError, TypeError, ValueError, OverflowError) as error:
        raise InputError(f"{folder / IDENTITY}: not the identity of a feature cache ({error!r}); {MEND}") from None
    if images is not None and images != made_from:
        raise InputError(f"{folder}: stale: the {kind} have changed since; {MEND}")
    for name, hash in expected.items():
        check_hash(folder / name, hash, MEND)
    lines = index.read_text(encoding="utf-8", errors="replace").splitlines()[1:]
    names = [line.partition(",")[2] for line in lines]
    text, cache = _loaded(folder / TEXT, np.float32, (len(prompts), None)), None
    for name, shape in reversed(shapes.items()):  # the shallow level first, as the deep one refers to it
        features = _mapped(folder / f"{name}.npy", np.float16, shape)
        if len(names) != shape[0]:
            raise InputError(f"{index}: {len(names)} rows; expected {shape[0]}; {MEND}")
        channels, basis = shape[1], None
        if f"{name}.basis.npy" in arrays:
            basis = _loaded(folder / f"{name}.basis.npy", np.float32, (shape[1], None))
            channels = basis.shape[1]
        if means[name].shape != (channels,):
            raise InputError(f"{folder / IDENTITY}: {name}: a mean of {means[name].shape}, not {channels}; {MEND}")
        cache = FeatureCache(features, names, prompts, text, means[name], basis, cache)
    assert cache is not None
    return cache


def level_names(kind: Kind, levels: int) -> list[str]:
    """File stems of a kind's levels, the deepest first."""
    return [kind, f"{kind}-shallow"][:levels]


def array_names(levels: dict[str, Any]) -> list[str]:
    """The array files of `levels`, an entry of `features.json`."""
    bases = [f"{name}.basis.npy" for name, level in levels.items() if level["basis"]]
    return [*(f"{name}.npy" for name in levels), *bases]


def row_id(row: CompositeRow | LayerRow) -> str:
    """The image's id in a cache's index."""
    return row.sample_id if isinstance(row, CompositeRow) else row.layer_id


def images_digest(table: Path, rows: Sequence[CompositeRow] | Sequence[LayerRow]) -> str:
    """SHA-256 over the rows and the sizes of their image files: cheap, and changes when any is remade."""
    digest = hashlib.sha256()
    for row in rows:
        path = resolve(table, row.image)
        size = path.stat().st_size if path.is_file() else None
        digest.update(json.dumps([row_id(row), row.image, row.seed, row.height, row.width, size]).encode())
    return digest.hexdigest()


def _mapped(path: Path, dtype: type, shape: tuple[int | None, ...]) -> NDArray[Any]:
    """Memory-map a NumPy file and check its type and shape (None: any length)."""
    try:
        array = np.lib.format.open_memmap(path, mode="r")
    except Exception as error:  # of many classes; refuses pickled objects, too
        raise InputError(f"{path}: not a NumPy array ({str(error).splitlines()[0][:100]}); {MEND}") from None
    same = len(array.shape) == len(shape) and all(
        expected in (None, found) for found, expected in zip(array.shape, shape, strict=True)
    )
    if not same or array.dtype != dtype:
        raise InputError(f"{path}: {array.dtype} {array.shape}; expected {np.dtype(dtype)} {shape}; {MEND}")
    return array


def _loaded(path: Path, dtype: type, shape: tuple[int | None, ...]) -> Array:
    return np.array(_mapped(path, dtype, shape))
