"""Two scores that look only at edges."""

import cv2
import numpy as np

from erkd.evaluation.metrics.gradients import gradient_magnitude, step_magnitude, stretch_of
from erkd.evaluation.metrics.inputs import Bytes, Pair, strips

EDGE_SHARE = 0.1  # an edge is where the gradient reaches this share of a full step's
EDGE_RADIUS = 2
BOUNDARY_TOLERANCE = 2


def edge_sad(both: Pair) -> float:
    """SAD, divided by 1000, over the unknown pixels at most 2 pixels away from an edge of `alpha_true`.

    An edge is where the gradient magnitude (as in `gradient_error`) reaches a tenth of a full step's.
    """
    stretch, least = stretch_of(both.alpha_true), EDGE_SHARE * step_magnitude()
    edges = [gradient_magnitude(both.alpha_true, rows, stretch) >= least for rows in strips(both.unknown.shape)]
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
