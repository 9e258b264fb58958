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

from erkd.evaluation.metrics.edges import boundary_f_score, edge_sad
from erkd.evaluation.metrics.gradients import gradient_magnitude, stretch_of
from erkd.evaluation.metrics.inputs import Bytes, Pair, pair, strips
from erkd.io.images import Array

LEVELS = 10  # Conn's thresholds are 1/10, 2/10, ... 1


class Regions(NamedTuple):
    """One metric over the unknown region and over the whole image."""

    unknown: float
    whole: float


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
    for name, metric in (("sad", sad), ("mse", mse), ("grad", gradient_error), ("conn", connectivity_error)):
        regions = metric(both)
        values |= {name: regions.unknown, f"{name}_whole": regions.whole}
    return Scores(**values, sad_edge=edge_sad(both), boundary_f=boundary_f_score(both))


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
        int(unknown @ squared) / (255**2 * int(unknown.sum())), int(whole @ squared) / (255**2 * int(whole.sum()))
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
    for rows in strips(both.unknown.shape):
        pred = gradient_magnitude(both.alpha_pred, rows, stretch_pred)
        true = gradient_magnitude(both.alpha_true, rows, stretch_true)
        sums += (cv2.norm(pred, true, cv2.NORM_L2SQR, both.unknown[rows]), cv2.norm(pred, true, cv2.NORM_L2SQR))
    return Regions(*(float(value) / 1000 for value in sums))


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
    # room to work in: new arrays at each threshold would cost large images more than what is done with them
    region, component = np.empty((2, *lower.shape), bool)
    labels = np.empty(lower.shape, np.int32)
    for step in range(1, LEVELS + 1):
        np.greater_equal(lower, -(-255 * step // LEVELS), out=region)
        connected &= _largest_component(region, labels, component)
        if not connected.any():
            break
        level += connected.view(np.uint8)
    sums = np.zeros(2, np.int64)
    for rows in strips(both.unknown.shape):
        error = np.abs(
            _unconnected(both.alpha_pred[rows], level[rows]) - _unconnected(both.alpha_true[rows], level[rows])
        )
        sums += (error * both.unknown[rows]).sum(dtype=np.int64), error.sum(dtype=np.int64)
    return Regions(*(int(value) / 510_000 for value in sums))


def _unconnected(alpha: Bytes, level: Bytes) -> NDArray[np.int16]:
    """What of an alpha lies above its level of k/10, if 0.15 or more, exactly: in units of 1/510."""
    above = alpha.astype(np.int16) * 2 - level.astype(np.int16) * 51
    above *= above >= 0.15 * 510
    return above


def _largest_component(
    region: NDArray[np.bool_], labels: NDArray[np.int32], component: NDArray[np.bool_]
) -> NDArray[np.bool_]:
    """The largest 4-connected component of a region; of equal ones the first in column-major order.

    All are H x W; `labels` and `component` are room to work in, and the result may be `component`.
    """
    count, _ = cv2.connectedComponents(region.view(np.uint8), labels, connectivity=4)
    if count == 1:
        return region
    # mostly one component holds more than half, and a thin sample tells which; counting all takes longer
    sample = labels[::8, ::8]
    guess = int(np.bincount(sample[sample > 0], minlength=2).argmax())
    if guess:  # label 0 is what lies outside the region
        np.equal(labels, guess, out=component)
        if 2 * np.count_nonzero(component) > np.count_nonzero(region):
            return component
    areas = np.bincount(labels.ravel(), minlength=count)
    areas[0] = 0
    largest = areas == areas.max()
    first = labels.T.flat[np.argmax(largest[labels].T)] if largest.sum() > 1 else np.argmax(largest)
    return np.equal(labels, first, out=component)
