"""The feature cache: dense teacher features on disk, written by `precompute.py` and memory-mapped for training.

For each kind of image the folder holds `KIND.npy` (all cells of all images, each image's row by row: cells x C,
float16), its index `KIND.csv` (each image's rows and columns of cells, its height and width in cells, its id) and,
with a second level, `KIND-shallow.npy` on a grid twice as fine. `text.npy` (K x D, float32) holds the unit-length
prompt embeddings, `vocabulary.npy` (V x D) those of the teacher's vocabulary. `features.json`, written last,
identifies teacher, images and settings and has the hashes that readers check. Kinds are `composites`, as stored, and
`layers`: each foreground on a neutral ground, and each background.

With `features.resolution: own` an image's cells are `Teacher.cell` pixels of the image (of its half, third, ... where
it is larger than training uses it), and the last ones may reach beyond it; with `teacher` the image was squashed to
the teacher's square input, and all grids are alike.

With `features.pca` the arrays hold unit-length, mean-centred features projected by `NAME.basis.npy`; student features
stay in the joint image-text space and are projected by the same basis (`space.py`).
"""

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from erkd.features.maps import Maps, PackedMaps
from erkd.features.resident import ResidentMaps
from erkd.features.sampling import sample_maps
from erkd.io.files import InputError, check_hash, read_record
from erkd.io.images import Array
from erkd.io.tables import CompositeRow, LayerRow, resolve
from erkd.params import FeaturesParams

Kind = Literal["composites", "layers"]
IDENTITY = "features.json"
TEXT = "text.npy"
VOCABULARY = "vocabulary.npy"
INDEX = "row,rows,columns,height,width,id"
MEND = "run `dvc repro features`"


@dataclass(frozen=True)
class FeatureCache:
    """An open cache.

    Attributes:
        features: By row, each C x Gh x Gw, float16: without `basis` the teacher's D channels in the joint image-text
            space, not normalised; with it, unit-length, mean-centred and projected to C channels.
        sample_ids: The images' ids by row (`layer_id`s for layers).
        prompts: The K prompts.
        text: Their unit-length embeddings, K x D.
        vocabulary: Unit-length embeddings of the teacher's vocabulary, V x D.
        mean: Mean of all unit-length cells, D.
        basis: Orthonormal rows, C x D, or None.
        shallow: The second level, in the image tower's own channels, or None.
        extents: Heights and widths of the images in cells, N x 2, where maps reach beyond them; None: as the maps.
        resident: `features` in a GPU's memory, or None.
    """

    features: Maps
    sample_ids: list[str]
    prompts: list[str]
    text: Array
    vocabulary: Array
    mean: Array
    basis: Array | None = None
    shallow: "FeatureCache | None" = None
    extents: Array | None = None
    resident: ResidentMaps | None = None

    @cached_property
    def rows(self) -> dict[str, int]:
        """The row of each image, by id."""
        return {name: row for row, name in enumerate(self.sample_ids)}

    def on(self, device: torch.device) -> "FeatureCache":
        """The same cache with both levels in the memory of `device`, as far as they fit in."""
        maps = self.features
        resident = ResidentMaps.of(maps, device) if isinstance(maps, PackedMaps) else None
        return replace(self, resident=resident, shallow=self.shallow and self.shallow.on(device))

    def sample(self, indices: Tensor, theta: Tensor, size: Sequence[int]) -> Tensor:
        """Sample features of crops: B x C x h x w, float32, on the CPU, or where the cache is `on`.

        Bilinear, averaged where a crop's cells are wider than the cache's, mirrored outside the image; only the cells
        under the crop are read. `indices` B are rows of the cache, `theta` B x 2 x 3 maps crop to image coordinates
        (`affine_grid`'s, with align_corners=False), and `size` is (h, w).
        """
        rows, theta = indices.tolist(), theta.float()
        maps = [self.features[row] for row in rows]
        sizes = [found.shape[1:] for found in maps] if self.extents is None else self.extents[rows]
        extents = torch.tensor(np.array(sizes, np.float32))
        if self.resident is not None:
            return self.resident.sample(indices, theta, extents, (size[0], size[1]))
        return sample_maps(maps, theta, extents, size)


def open_features(
    folder: Path,
    kind: Kind = "composites",
    *,
    teacher: dict[str, Any] | None = None,
    images: str | None = None,
    params: FeaturesParams | None = None,
) -> FeatureCache:
    """Open the cache of one kind, memory-mapped, after checking files, hashes and shapes.

    Args:
        folder: The cache's folder.
        kind: Kind of images.
        teacher: Identity that the cache must be made by, if given.
        images: `images_digest` of the images that it must be made from, if given.
        params: Settings that it must be made with, if given.

    Raises:
        InputError: Names the file and what is wrong with it.
    """
    identity = read_record(folder / IDENTITY, MEND)
    try:
        kinds, made_by, made_with, hashes = (identity[name] for name in ("kinds", "teacher", "settings", "sha256"))
        phrases = {TEXT: identity["prompts"], VOCABULARY: identity["vocabulary"]}
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
        expected = {name: hashes.get(name) for name in (*arrays, index.name, *phrases)}
        if teacher is not None and teacher != made_by:
            differ = sorted(key for key in {*teacher, *made_by} if teacher.get(key) != made_by.get(key))
            raise InputError(f"{folder}: stale: made by another teacher ({', '.join(differ)} differ); {MEND}")
        wanted = {} if params is None else settings_of(params)
        changed = [name for name in wanted if made_with[name] != wanted[name]]
        if changed:
            found = (f"features.{name} {made_with[name]}, not {wanted[name]}" for name in changed)
            raise InputError(f"{folder}: stale: made with {', '.join(found)}; {MEND}".replace("None", "null"))
    except (AttributeError, KeyError, TypeError, ValueError, OverflowError) as error:
        raise InputError(f"{folder / IDENTITY}: not the identity of a feature cache ({error!r}); {MEND}") from None
    if images is not None and images != made_from:
        raise InputError(f"{folder}: stale: the {kind} have changed since; {MEND}")
    for name, hash in expected.items():
        check_hash(folder / name, hash, MEND)
    grids, extents, names = _read_index(index)
    text, vocabulary = (_loaded(folder / name, np.float32, (len(phrases[name]), None)) for name in phrases)
    if vocabulary.shape[1] != text.shape[1]:
        raise InputError(f"{folder / VOCABULARY}: {vocabulary.shape[1]} channels, not {text.shape[1]}; {MEND}")
    cache = None
    for level, (name, shape) in reversed([*enumerate(shapes.items())]):  # the deep level refers to the shallow one
        cells = _mapped(folder / f"{name}.npy", np.float16, shape)
        maps = PackedMaps(cells, grids * 2**level)
        if maps.starts[-1] != shape[0]:
            raise InputError(f"{index}: grids of {maps.starts[-1]} cells; {name}.npy has {shape[0]}; {MEND}")
        channels, basis = shape[1], None
        if f"{name}.basis.npy" in arrays:
            basis = _loaded(folder / f"{name}.basis.npy", np.float32, (shape[1], None))
            channels = basis.shape[1]
        if means[name].shape != (channels,):
            raise InputError(f"{folder / IDENTITY}: {name}: a mean of {means[name].shape}, not {channels}; {MEND}")
        cache = FeatureCache(
            maps, names, phrases[TEXT], text, vocabulary, means[name], basis, cache, extents * 2**level
        )
    assert cache is not None
    return cache


def settings_of(params: FeaturesParams) -> dict[str, Any]:
    """What a cache is made with and its readers rely on."""
    return params.model_dump(include={"resolution", "levels", "pca"})


def index_lines(grids: NDArray[np.int64], extents: Array, names: Sequence[str]) -> Iterator[str]:
    """The lines of an index of `PackedMaps.grids`, `FeatureCache.extents` and `FeatureCache.sample_ids`."""
    yield INDEX
    for row, (grid, extent, name) in enumerate(zip(grids, extents, names, strict=True)):
        yield ",".join([str(row), *(f"{value:g}" for value in (*grid, *extent)), name])


def _read_index(path: Path) -> tuple[NDArray[np.int64], Array, list[str]]:
    lines = [line.split(",", 5)[1:] for line in path.read_text(encoding="utf-8", errors="replace").splitlines()[1:]]
    try:
        numbers = np.array([line[:4] for line in lines], np.float32).reshape(-1, 4)
        names = [line[4] for line in lines]
    except (IndexError, ValueError):
        raise InputError(f"{path}: not the index of a feature cache ({INDEX}); {MEND}") from None
    grids, extents = numbers[:, :2].astype(np.int64), numbers[:, 2:]
    if not ((extents > 0) & (extents <= grids)).all():
        raise InputError(f"{path}: an image of no cells, or of more than its grid has; {MEND}")
    return grids, extents, names


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
