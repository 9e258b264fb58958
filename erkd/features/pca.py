"""Principal directions of feature cells: how few channels keep how much of what training compares.

Training compares directions after the mean is taken off, so that is what is decomposed: cells of unit length
less their mean.
"""

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray

from erkd.io.images import Array

IMAGES = 256  # at most so many are sampled
SIZES = (8, 16, 32, 64, 128, 256, 512)

Features = NDArray[np.float16]


def unit_cells(maps: Features) -> NDArray[np.float64]:
    """The cells of one image (D x Gh x Gw), each of unit length: Gh Gw x D."""
    return F.normalize(torch.from_numpy(maps.astype(np.float32)), dim=0).flatten(1).T.double().numpy()


def mean_direction(features: Features) -> Array:
    """The mean of all unit-length cells of N x D x Gh x Gw: D."""
    return np.mean([unit_cells(maps).mean(axis=0) for maps in features], axis=0).astype(np.float32)


def principal_directions(features: Features, mean: Array, seed: int = 0) -> tuple[Array, dict[str, float]]:
    """All D directions by falling variance (rows, orthonormal), and the cosine kept with the first 8, 16, ...

    Directions come from one half of a seeded sample of images, cosines from the other: the mean over its cells
    of the cosine between a centred cell and what the first directions keep of it.
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
    """Fill `store` (N x K x Gh x Gw) with the centred unit-length cells of `features` in `basis` (K x D)."""
    for number, maps in enumerate(features):
        store[number] = ((unit_cells(maps) - mean) @ basis.T).T.reshape(store.shape[1:])
