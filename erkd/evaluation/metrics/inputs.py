"""A prediction, its truth and its trimap, checked and made ready to score."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from erkd.io.files import InputError
from erkd.io.images import Array, to_bytes

Bytes = NDArray[np.uint8]
STRIP = 2**16  # pixels worked on together


@dataclass(frozen=True)
class Pair:
    """A prediction ready to score: both alphas as 0..255, `unknown` as 0 and 1, all H x W uint8."""

    alpha_pred: Bytes
    alpha_true: Bytes
    unknown: Bytes


def strips(shape: tuple[int, ...]) -> list[slice]:
    """Rows to work on together: so few that they stay in the cache, whatever the image's size."""
    height, width = shape
    rows = max(STRIP // width, 32)
    return [slice(top, min(top + rows, height)) for top in range(0, height, rows)]


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
    prediction = _rounded(alpha_pred)
    prediction[~unknown] = 0
    prediction[foreground] = 255
    return Pair(prediction, _rounded(alpha_true), unknown.astype(np.uint8))


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


def _rounded(alpha: Array) -> Bytes:
    """An alpha as a file would keep it."""
    result = np.empty(alpha.shape, np.uint8)
    for rows in strips(alpha.shape):
        result[rows] = to_bytes(alpha[rows])
    return result
