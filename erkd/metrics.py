"""The four official matting metrics, exact and fast, and two that look only at edges.

The definitions are those of the MATLAB code that came with Composition-1k (Xu et al. 2017, "Deep Image
Matting"; Rhemann et al. 2009 for Grad and Conn): the prediction is 8-bit and its known regions are
overwritten from the trimap first. Each metric is given over the unknown region, which is what papers
print, and over the whole image.
"""

from dataclasses import dataclass
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from erkd.files import InputError
from erkd.gradients import gradient_magnitude, step_magnitude, stretch_of
from erkd.images import Array, to_bytes

Bytes = NDArray[np.uint8]
STRIP = 256  # rows worked on at a time, so that time per pixel and memory do not grow with the image
LEVELS = 10  # Conn's thresholds are 1/10, 2/10, ... 1
EDGE_SHARE = 0.1  # an edge is where the gradient reaches this share of a full step's
EDGE_RADIUS = 2
BOUNDARY_TOLERANCE = 2


class Regions(NamedTuple):
    """One metric over the unknown region and over the whole image."""

    unknown: float
    whole: float


@dataclass(frozen=True)
class Pair:
    """A prediction ready to score: both alphas as 0..255, `unknown` as 0 and 1, all H x W uint8."""

    alpha_pred: Bytes
    alpha_true: Bytes
    unknown: Bytes


@dataclass(frozen=True)
class Scores:
    """All scores of one prediction.

    SAD, Grad and Conn are sums divided by 1000, MSE is a plain mean. No suffix: over the unknown region;
    `_whole`: over the whole image. `sad_edge`: SAD in the band of `edge_sad`; `boundary_f`: see
    `boundary_f_score`, the one score of which more is better.
    """

    sad: float
    mse: float
    grad: float
    conn: float
    sad_whole: float
    mse_whole: float
    grad_whole: float
    conn_whole: float
    sad_edge: float
    boundary_f: float


def score(alpha_pred: Array, alpha_true: Array, trimap: Array) -> Scores:
    """Score one prediction. Arrays and errors as for `pair`."""
    both = pair(alpha_pred, alpha_true, trimap)
    values: dict[str, float] = {}
    for name, metric in (
        ("sad", sad),
        ("mse", mse),
        ("grad", gradient_error),
        ("conn", connectivity_error),
    ):
        regions = metric(both)
        values |= {name: regions.unknown, f"{name}_whole": regions.whole}
    return Scores(**values, sad_edge=edge_sad(both), boundary_f=boundary_f_score(both))


def pair(alpha_pred: Array, alpha_true: Array, trimap: Array) -> Pair:
    """Round both alphas to 8 bits and overwrite the prediction where the trimap is known.

    `alpha_pred` and `alpha_true` are H x W floats in [0, 1], `trimap` H x W of exactly 0, 0.5 and 1 with
    at least one unknown pixel. Anything else raises InputError that names the array.
    """
    arrays = {"alpha_pred": alpha_pred, "alpha_true": alpha_true, "trimap": trimap}
    for name, array in arrays.items():
        _check(name, array)
    if not alpha_pred.shape == alpha_true.shape == trimap.shape:
        sizes = ", ".join(f"{name} {array.shape[0]} x {array.shape[1]}" for name, array in arrays.items())
        raise InputError(f"sizes differ (height x width): {sizes}; all three must be of one size")
    unknown = trimap == 0.5
    foreground = trimap == 1
    if not (unknown | foreground | (trimap == 0)).all():
        raise InputError("trimap holds values other than 0 (background), 0.5 (unknown) and 1 (foreground)")
    if not unknown.any():
        raise InputError("trimap has no unknown pixel, so there is nothing to score")
    prediction = to_bytes(alpha_pred)
    prediction[~unknown] = 0
    prediction[foreground] = 255
    return Pair(prediction, to_bytes(alpha_true), unknown.astype(np.uint8))


def _check(name: str, array: Array) -> None:
    """Refuse what is not a non-empty H x W float array of finite values in [0, 1]."""
    if not isinstance(array, np.ndarray) or not np.issubdtype(array.dtype, np.floating):
        found = getattr(array, "dtype", type(array).__name__)
        raise InputError(f"{name} must be a float array in [0, 1]; found {found}")
    if array.ndim != 2 or array.size == 0:
        raise InputError(f"{name} must be height x width, not empty; found the shape {array.shape}")
    low, high = array.min(), array.max()  # NaN anywhere makes both NaN
    if np.isnan(low):
        raise InputError(f"{name} holds NaN")
    if low < 0 or high > 1:
        raise InputError(f"{name} must lie in [0, 1]; found {low:g} to {high:g}")


def sad(both: Pair) -> Regions:
    """Sum of absolute differences, divided by 1000."""
    unknown, whole = _difference_counts(both)
    difference = np.arange(256)
    return Regions(int(unknown @ difference) / 255_000, int(whole @ difference) / 255_000)


def mse(both: Pair) -> Regions:
    """Mean of squared differences over the region's own pixels."""
    unknown, whole = _difference_counts(both)
    squared = np.arange(256) ** 2
    return Regions(
        int(unknown @ squared) / (255**2 * int(unknown.sum())),
        int(whole @ squared) / (255**2 * int(whole.sum())),
    )


def _difference_counts(both: Pair) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """How often each absolute difference 0..255 occurs in the unknown region and in the whole image."""
    difference = cv2.absdiff(both.alpha_pred, both.alpha_true)
    unknown = np.bincount(difference[both.unknown.view(bool)], minlength=256)
    return unknown, np.bincount(difference.ravel(), minlength=256)


def gradient_error(both: Pair) -> Regions:
    """Sum of squared differences of gradient magnitudes, divided by 1000 (Grad, Rhemann et al. 2009).

    Each alpha is first stretched to [0, 1] by its own minimum and maximum. Gradients are Gaussian
    derivatives of sigma 1.4 on 9 x 9 pixels, scaled to unit L2 norm, with the border repeated.
    """
    stretch_pred, stretch_true = stretch_of(both.alpha_pred), stretch_of(both.alpha_true)
    sums = np.zeros(2)
    for rows in _strips(both):
        pred = gradient_magnitude(both.alpha_pred, rows, stretch_pred)
        true = gradient_magnitude(both.alpha_true, rows, stretch_true)
        sums += (
            cv2.norm(pred, true, cv2.NORM_L2SQR, both.unknown[rows]),
            cv2.norm(pred, true, cv2.NORM_L2SQR),
        )
    return Regions(*(float(value) / 1000 for value in sums))


def _strips(both: Pair) -> list[slice]:
    height = len(both.unknown)
    return [slice(top, min(top + STRIP, height)) for top in range(0, height, STRIP)]


def connectivity_error(both: Pair) -> Regions:
    """Sum of absolute differences of connectedness, divided by 1000 (Conn, Rhemann et al. 2009).

    A pixel is connected up to the last threshold k/10 at which it has stayed in the largest 4-connected
    component of "both alphas at least k/10"; its alpha counts as unconnected by what lies above that level,
    where this is 0.15 or more. Of equally large components the first in column-major order is taken.
    Thresholds are compared in integers: in floats, 153/255 and 6 x 0.1 would differ.
    """
    lower = cv2.min(both.alpha_pred, both.alpha_true)
    connected = np.ones(lower.shape, bool)
    level = np.zeros(lower.shape, np.uint8)
    labels = np.empty(lower.shape, np.int32)
    for step in range(1, LEVELS + 1):
        connected &= _largest_component(lower >= -(-255 * step // LEVELS), labels)
        if not connected.any():
            break
        level += connected
    # in units of 1/510 both alphas and levels are whole numbers, so the sums are exact
    distance = 2 * np.arange(256) - 51 * np.arange(LEVELS + 1)[:, None]
    unconnected = np.where(distance >= 0.15 * 510, distance, 0)
    differs = np.flatnonzero(both.alpha_pred != both.alpha_true)
    levels = level.ravel()[differs]
    error = np.abs(
        unconnected[levels, both.alpha_pred.ravel()[differs]]
        - unconnected[levels, both.alpha_true.ravel()[differs]]
    )
    return Regions(int(error @ both.unknown.ravel()[differs]) / 510_000, int(error.sum()) / 510_000)


def _largest_component(region: NDArray[np.bool_], labels: NDArray[np.int32]) -> NDArray[np.bool_]:
    """The largest 4-connected component of a region; of equal ones the first in column-major order.

    `labels` is room to work in, H x W; a new array at each threshold would cost more than the labelling.
    """
    count, _ = cv2.connectedComponents(region.view(np.uint8), labels, connectivity=4)
    if count == 1:
        return region
    areas = np.zeros(count, np.int64)
    piece = max(2**16, count)  # pieces that stay in the cache
    for start in range(0, labels.size, piece):
        areas += np.bincount(labels.ravel()[start : start + piece], minlength=count)
    areas[0] = 0  # label 0 is what lies outside the region
    largest = areas == areas.max()
    if largest.sum() > 1:
        first = np.argmax(largest[labels].T)
        return labels == labels.T.flat[first]
    return labels == np.argmax(areas)


def edge_sad(both: Pair) -> float:
    """SAD, divided by 1000, over the unknown pixels at most 2 pixels away from an edge of `alpha_true`.

    An edge is where the gradient magnitude (as in `gradient_error`) reaches a tenth of a full step's.
    """
    stretch, least = stretch_of(both.alpha_true), EDGE_SHARE * step_magnitude()
    edges = [gradient_magnitude(both.alpha_true, rows, stretch) >= least for rows in _strips(both)]
    band = _grow(np.concatenate(edges).view(np.uint8), EDGE_RADIUS) & both.unknown
    difference = cv2.absdiff(both.alpha_pred, both.alpha_true)
    return int(difference[band.view(bool)].sum(dtype=np.int64)) / 255_000


def boundary_f_score(both: Pair) -> float:
    """F-score in [0, 1] of the boundary at alpha 0.5, matched within 2 pixels (as in Perazzi et al. 2016).

    Precision is the share of the predicted boundary near the true one, recall the reverse; 0 where only one
    of the alphas has a boundary. Where neither has, it is 1 for the same side of 0.5 everywhere, else 0.
    """
    inside_pred, inside_true = both.alpha_pred >= 128, both.alpha_true >= 128
    pred, true = _boundary(inside_pred.view(np.uint8)), _boundary(inside_true.view(np.uint8))
    if not pred.any() or not true.any():
        return float(np.array_equal(inside_pred, inside_true))
    precision = (pred & _grow(true, BOUNDARY_TOLERANCE)).sum() / pred.sum()
    recall = (true & _grow(pred, BOUNDARY_TOLERANCE)).sum() / true.sum()
    return float(2 * precision * recall / (precision + recall)) if precision + recall else 0.0


def _boundary(inside: Bytes) -> Bytes:
    """The pixels inside with a 4-neighbour outside, as 0 and 1."""
    cross = cv2.getStructuringElement(cv2.MORPH_CROSS, (3, 3))
    return inside - np.asarray(cv2.erode(inside, cross), np.uint8)


def _grow(region: Bytes, radius: int) -> Bytes:
    """The pixels at most `radius` away from a region, as 0 and 1."""
    offsets = np.arange(-radius, radius + 1)
    disk = (offsets**2 + offsets[:, None] ** 2 <= radius**2).astype(np.uint8)
    return np.asarray(cv2.dilate(region, disk), np.uint8)
