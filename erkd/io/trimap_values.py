"""What the greys of a trimap mean: one rule for files, arrays, the page, the served model and data.

0 is background, 128 unknown, 255 foreground. JPEG, resizing and other programs give values near them: up to 25 counts
as background and from 230 as foreground, as in PyMatting; every grey between is unknown.
"""

import warnings

import cv2
import numpy as np
from numpy.typing import NDArray

from erkd.io.files import InputError, InputWarning

Bytes = NDArray[np.uint8]
TRIMAP_FILE_VALUES = BACKGROUND, UNKNOWN, FOREGROUND = 0, 128, 255
NEAR = 25  # of 255; PyMatting's thresholds are 0.1 and 0.9
MIDDLE = 32  # greys so near 128 are usual for unknown
# share of the greys between: trimaps, as JPEG or resized, have 0.78 and more, masks 0.55 at most
LEAST_MIDDLE = 2 / 3
KINDS = np.array([0] * (NEAR + 1) + [UNKNOWN] * (FOREGROUND - 2 * NEAR - 1) + [FOREGROUND] * (NEAR + 1), np.uint8)


class TrimapWarning(InputWarning):
    """A trimap leaves so much open that alpha is a guess."""


def count_greys(values: Bytes) -> NDArray[np.float32]:
    """How many pixels have each of 0..255; unlike `np.unique`, without a sorted copy."""
    return np.asarray(cv2.calcHist([values], [0], None, [256], [0, 256]), np.float32).ravel()


def between_and_middle(counts: NDArray[np.float32]) -> tuple[float, float]:
    """Of `count_greys`: pixels near neither 0 nor 255, and those near 128. Their ratio tells trimaps from masks."""
    return counts[NEAR + 1 : FOREGROUND - NEAR].sum(), counts[UNKNOWN - MIDDLE : UNKNOWN + MIDDLE + 1].sum()


def snap_trimap(values: Bytes, name: object) -> Bytes:
    """H x W greys as exactly 0, 128 and 255, by the rule above.

    Raises InputError, which calls the trimap `name`, for one that is as good as black, and where most greys between
    are far from 128: so look masks, alphas and photographs.
    """
    counts = count_greys(values)
    found = np.flatnonzero(counts)
    if np.isin(found, TRIMAP_FILE_VALUES).all():
        return values
    if found[-1] <= NEAR:  # labels 0, 1, 2, or 8 bits in a file of 16
        raise InputError(
            f"{name}: its values go up to {found[-1]} of 255; a trimap holds 0 (background), 128 (unknown) and 255 "
            "(foreground)"
        )
    between, middle = between_and_middle(counts)
    if middle < LEAST_MIDDLE * between:
        raise InputError(
            f"{name}: a mask, an alpha or a photo, no trimap: of its greys between 0 (background) and 255 "
            f"(foreground) {1 - middle / between:.0%} are far from 128 (unknown); give a mask or an alpha as the mask"
        )
    return np.asarray(cv2.LUT(values, KINDS), np.uint8)


def missing_kinds(trimap: Bytes) -> str:
    """What a trimap of 0, 128 and 255 lacks, in words for its user; empty where it has foreground and background."""
    kinds = {BACKGROUND: "background (0)", FOREGROUND: "foreground (255)"}
    lacking = [words for value, words in kinds.items() if not (trimap == value).any()]
    return f"no pixel is {' or '.join(lacking)}, so alpha is a guess; paint some" if lacking else ""


def warn_of_missing(trimap: Bytes, name: object) -> None:
    """Warn, as TrimapWarning, of a trimap without foreground or without background."""
    if lacking := missing_kinds(trimap):
        warnings.warn(f"{name}: {lacking}", TrimapWarning, stacklevel=3)
