"""The feature cache: dense teacher features, computed once per image and read for almost nothing.

A cache is images and an index. One folder holds, for each kind of image, `KIND.npy` (N x D x Gh x Gw, float16,
memory-mapped) and `KIND.csv` (row, id); and for all of them `text.npy` (K x D, float32: unit-length embeddings
of the prompts) and `features.json`, written last: which teacher, which images, and the hashes that a reader
checks. The kinds are `composites`, as they are stored, and `layers`: each foreground on a neutral ground, and
each background. `KIND-shallow.npy` is a second level on a grid twice as fine, where the teacher has one.

With `features.pca` a file holds fewer channels: centred cells in the basis of `NAME.basis.npy`. The student stays
in the joint space and is projected by the same basis (`erkd/features/space.py`).
`erkd/features/precompute.py` writes the folder.
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
    """Features by row: a memory map, or a teacher that is run for them."""

    def __getitem__(self, rows: NDArray[Any], /) -> NDArray[np.float16]:
        """The maps of `rows`, B x C x Gh x Gw."""


@dataclass(frozen=True)
class FeatureCache:
    """An open cache. `features` N x C x Gh x Gw (float16), `sample_ids` N, `text` K x D, `mean` D.

    `mean` is that of all cells after each was scaled to unit length: what centring takes off. Without `basis`
    features are the teacher's D channels, in the joint image-text space and not normalised. With `basis`
    (C x D, orthonormal rows) they are unit-length cells less `mean`, projected. `shallow` is the second level;
    its channels are the tower's own. Of layers, `sample_ids` are the `layer_id`s.
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
        """Which row an image's features are in, by its id."""
        return {name: row for row, name in enumerate(self.sample_ids)}

    def sample(self, indices: Tensor, theta: Tensor, size: Sequence[int]) -> Tensor:
        """Targets for crops: B x C x h x w, float32, on `theta`'s device.

        `indices` B are rows of the cache; `theta` B x 2 x 3 maps a crop's normalised coordinates to the whole
        image's (as `affine_grid` reads it, align_corners=False); `size` is (h, w). Beyond the image its
        border repeats.
        """
        stored = torch.from_numpy(self.features[indices.cpu().numpy()]).to(theta.device, torch.float32)
        grid = F.affine_grid(theta.float(), [len(stored), stored.shape[1], *size], align_corners=False)
        return F.grid_sample(stored, grid, mode="bilinear", padding_mode="border", align_corners=False)


def open_features(
    folder: Path,
    kind: Kind = "composites",
    *,
    teacher: dict[str, Any] | None = None,
    images: str | None = None,
) -> FeatureCache:
    """Open the cache of one kind for reading; `features` stays on disk and is mapped into memory.

    Checks that every file is there, has the stored hash and the stored shape, and, where given, that the
    cache was made by the teacher of this identity from the images of this digest (`images_digest`). Raises
    InputError that names the file and what is wrong with it.
    """
    identity = read_record(folder / IDENTITY, MEND)
    try:
        kinds, prompts, made_by, hashes = (
            identity[name] for name in ("kinds", "prompts", "teacher", "sha256")
        )
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
            raise InputError(
                f"{folder / IDENTITY}: the levels {', '.join(facts) or 'none'} of {kind}; {MEND}"
            )
        index = folder / f"{kind}.csv"
        expected = {name: hashes.get(name) for name in (*arrays, index.name, TEXT)}
        if teacher is not None and teacher != made_by:
            changed = sorted(key for key in {*teacher, *made_by} if teacher.get(key) != made_by.get(key))
            raise InputError(
                f"{folder}: stale: made by another teacher ({', '.join(changed)} differ); {MEND}"
            )
    except (AttributeError, KeyError, TypeError, ValueError, OverflowError) as error:
        raise InputError(
            f"{folder / IDENTITY}: not the identity of a feature cache ({error!r}); {MEND}"
        ) from None
    if images is not None and images != made_from:
        raise InputError(f"{folder}: stale: the {kind} have changed since; {MEND}")
    for name, hash in expected.items():
        check_hash(folder / name, hash, MEND)
    lines = index.read_text(encoding="utf-8", errors="replace").splitlines()[1:]
    names = [line.partition(",")[2] for line in lines]
    text, cache = _loaded(folder / TEXT, np.float32, (len(prompts), None)), None
    for name, shape in reversed(shapes.items()):  # the shallow level first: the deep one holds it
        features = _mapped(folder / f"{name}.npy", np.float16, shape)
        if len(names) != shape[0]:
            raise InputError(f"{index}: {len(names)} rows; expected {shape[0]}; {MEND}")
        channels, basis = shape[1], None
        if f"{name}.basis.npy" in arrays:
            basis = _loaded(folder / f"{name}.basis.npy", np.float32, (shape[1], None))
            channels = basis.shape[1]
        if means[name].shape != (channels,):
            raise InputError(
                f"{folder / IDENTITY}: {name}: a mean of {means[name].shape}, not {channels}; {MEND}"
            )
        cache = FeatureCache(features, names, prompts, text, means[name], basis, cache)
    assert cache is not None
    return cache


def level_names(kind: Kind, levels: int) -> list[str]:
    """The names of a kind's levels, the teacher's patches first."""
    return [kind, f"{kind}-shallow"][:levels]


def array_names(levels: dict[str, Any]) -> list[str]:
    """The array files of levels, by what `features.json` says of each."""
    bases = [f"{name}.basis.npy" for name, level in levels.items() if level["basis"]]
    return [*(f"{name}.npy" for name in levels), *bases]


def row_id(row: CompositeRow | LayerRow) -> str:
    """The id that a cache's index knows an image by."""
    return row.sample_id if isinstance(row, CompositeRow) else row.layer_id


def images_digest(table: Path, rows: Sequence[CompositeRow] | Sequence[LayerRow]) -> str:
    """A fingerprint of the rows and of their image files' sizes: cheap, and different when any was remade."""
    digest = hashlib.sha256()
    for row in rows:
        path = resolve(table, row.image)
        size = path.stat().st_size if path.is_file() else None
        digest.update(json.dumps([row_id(row), row.image, row.seed, row.height, row.width, size]).encode())
    return digest.hexdigest()


def _mapped(path: Path, dtype: type, shape: tuple[int | None, ...]) -> NDArray[Any]:
    """A NumPy file of this type and shape (None is any length), mapped: an absurd header allocates nothing."""
    try:
        array = np.lib.format.open_memmap(path, mode="r")
    except Exception as error:  # of many classes; objects, which would be pickled, are refused too
        raise InputError(f"{path}: not a NumPy array ({str(error).splitlines()[0][:100]}); {MEND}") from None
    same = len(array.shape) == len(shape) and all(
        expected in (None, found) for found, expected in zip(array.shape, shape, strict=True)
    )
    if not same or array.dtype != dtype:
        raise InputError(f"{path}: {array.dtype} {array.shape}; expected {np.dtype(dtype)} {shape}; {MEND}")
    return array


def _loaded(path: Path, dtype: type, shape: tuple[int | None, ...]) -> Array:
    return np.array(_mapped(path, dtype, shape))
