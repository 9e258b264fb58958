"""PCA of unit-length, mean-centred feature cells, the vectors whose cosines training compares."""

from collections.abc import Sequence

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray

from erkd.features.maps import Map
from erkd.io.images import Array

IMAGES = 256  # sample for the decomposition
SIZES = (8, 16, 32, 64, 128, 256, 512)  # numbers of components to report

Features = Sequence[Map]  # N maps, each C x Gh x Gw


def unit_cells(maps: Map) -> NDArray[np.float64]:
    """Normalise the cells of one image, D x Gh x Gw, to unit length: (Gh Gw) x D."""
    return F.normalize(torch.from_numpy(maps.astype(np.float32)), dim=0).flatten(1).T.double().numpy()


def mean_direction(features: Features) -> Array:
    """Mean of all unit-length cells: D."""
    count = sum(maps.shape[1] * maps.shape[2] for maps in features)
    return (sum(unit_cells(maps).sum(axis=0) for maps in features) / count).astype(np.float32)


def principal_directions(features: Features, mean: Array, seed: int = 0) -> tuple[Array, dict[str, float]]:
    """Return all D principal directions (orthonormal rows, by falling variance) and the cosines kept by `SIZES`.

    Directions are fitted to one half of a seeded sample of images. The cosine is between a centred cell of the other
    half and its projection, averaged over cells.
    """
    order = np.random.default_rng(seed).permutation(len(features))[:IMAGES].tolist()
    scatter = np.zeros((len(mean), len(mean)))
    for row in sorted(order[::2]):
        cells = unit_cells(features[row]) - mean
        scatter += cells.T @ cells
    _, vectors = np.linalg.eigh(scatter)
    directions = vectors[:, ::-1].T
    directions *= np.sign(directions[np.arange(len(directions)), np.abs(directions).argmax(axis=1)])[:, None]
    cosines, count = np.zeros(len(mean)), 0
    for row in sorted(order[1::2] or order):
        shares = np.cumsum(((unit_cells(features[row]) - mean) @ directions.T) ** 2, axis=1)
        cosines += np.sqrt(shares / np.maximum(shares[:, -1:], 1e-12)).sum(axis=0)
        count += len(shares)
    sizes = [size for size in SIZES if size < len(mean)]
    return directions.astype(np.float32), {str(size): round(float(cosines[size - 1] / count), 4) for size in sizes}


def project(features: Features, mean: Array, basis: Array, store: Features) -> None:
    """Fill `store`, of K channels, with `features`, unit-length, centred by `mean`, projected by `basis` K x D."""
    for maps, projected in zip(features, store, strict=True):
        projected[:] = ((unit_cells(maps) - mean) @ basis.T).T.reshape(projected.shape)
