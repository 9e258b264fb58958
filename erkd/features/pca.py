"""PCA of unit-length, mean-centred feature cells, the vectors whose cosines training compares."""

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray

from erkd.io.images import Array

IMAGES = 256  # sample for the decomposition
SIZES = (8, 16, 32, 64, 128, 256, 512)  # numbers of components to report

Features = NDArray[np.float16]


def unit_cells(maps: Features) -> NDArray[np.float64]:
    """Normalise the cells of one image, D x Gh x Gw, to unit length: (Gh Gw) x D."""
    return F.normalize(torch.from_numpy(maps.astype(np.float32)), dim=0).flatten(1).T.double().numpy()


def mean_direction(features: Features) -> Array:
    """Mean of all unit-length cells of N x D x Gh x Gw: D."""
    return np.mean([unit_cells(maps).mean(axis=0) for maps in features], axis=0).astype(np.float32)


def principal_directions(features: Features, mean: Array, seed: int = 0) -> tuple[Array, dict[str, float]]:
    """Return all D principal directions (orthonormal rows, by falling variance) and the cosines kept by `SIZES`.

    Directions are fitted to one half of a seeded sample of images. The cosine is between a centred cell of the other
    half and its projection, averaged over cells.
    """
    order = np.random.default_rng(seed).permutation(len(features))[:IMAGES]
    fitted, kept = (
        np.concatenate([unit_cells(features[i]) for i in sorted(half)]) - mean
        for half in (order[::2], order[1::2] if len(order) > 1 else order)
    )
    _, vectors = np.linalg.eigh(fitted.T @ fitted)
    directions = vectors[:, ::-1].T
    directions *= np.sign(directions[np.arange(len(directions)), np.abs(directions).argmax(axis=1)])[:, None]
    shares = np.cumsum((kept @ directions.T) ** 2, axis=1)
    cosines = np.sqrt(shares / np.maximum(shares[:, -1:], 1e-12)).mean(axis=0)
    sizes = [size for size in SIZES if size < len(mean)]
    return directions.astype(np.float32), {str(size): round(float(cosines[size - 1]), 4) for size in sizes}


def project(features: Features, mean: Array, basis: Array, store: Features) -> None:
    """Fill `store` N x K x Gh x Gw with `features`, unit-length, centred by `mean`, projected by `basis` K x D."""
    for number, maps in enumerate(features):
        store[number] = ((unit_cells(maps) - mean) @ basis.T).T.reshape(store.shape[1:])
