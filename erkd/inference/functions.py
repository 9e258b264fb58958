"""`estimate_alpha` and `estimate_foreground` for arrays, called as PyMatting's functions are.

Programs written for `pymatting.estimate_alpha_cf` and `estimate_foreground_ml` work with these instead: arguments,
types, ranges and ValueError are the same. The settings of PyMatting's solvers are taken and have no effect.
"""

from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from erkd.inference import cutouts
from erkd.inference.matter import Matter, check_image, check_range, check_size, trimap_kinds
from erkd.io.files import InputError
from erkd.io.images import Array
from erkd.io.trimap_values import UNKNOWN, missing_kinds


def estimate_alpha(
    image: NDArray[Any],
    trimap: NDArray[Any],
    preconditioner: Any = None,
    laplacian_kwargs: Any = None,
    cg_kwargs: Any = None,
    *,
    quality: str | None = None,
) -> NDArray[Any]:
    """Estimate alpha by a student that ships; `erkd.Matter` has others, devices and tiles.

    Args:
        image: H x W x 3, RGB, floating in [0, 1] or uint8.
        trimap: H x W; 0 background, 1 foreground (uint8: 255), between them unknown.
        preconditioner: No effect, as the two that follow.
        laplacian_kwargs: No effect.
        cg_kwargs: No effect.
        quality: fast, balanced (the default) or best.

    Returns:
        H x W in [0, 1], of the trimap's type if that is floating, else float64. Known pixels are exactly 0 and 1.

    Raises:
        ValueError: For another shape, type or range, a trimap without foreground or without background, and a quality
            whose student is not in the package.
    """
    try:
        kinds = trimap_kinds(trimap, check_image(image).shape)
        if lacking := missing_kinds(kinds):
            raise InputError(f"trimap: {lacking}")
        matter = _shipped(quality)
    except InputError as error:
        raise ValueError(str(error)) from None
    alpha = (kinds / 255).astype(trimap.dtype if trimap.dtype.kind == "f" else np.float64)
    if (kinds == UNKNOWN).any():
        matter.write(image, kinds, alpha)
    return alpha


def estimate_foreground(
    image: NDArray[Any],
    alpha: NDArray[Any],
    regularization: float = 1e-5,
    n_small_iterations: int = 10,
    n_big_iterations: int = 2,
    small_size: int = 32,
    return_background: bool = False,
    gradient_weight: float = 1.0,
) -> Array | tuple[Array, Array]:
    """Estimate the foreground's own colours, as `--cutout` does (`cutouts.estimate_foreground`).

    Args:
        image: H x W x 3, RGB, floating in [0, 1] or uint8.
        alpha: H x W, floating in [0, 1] or uint8.
        regularization: No effect, as the three that follow and the last.
        n_small_iterations: No effect.
        n_big_iterations: No effect.
        small_size: No effect.
        return_background: Return the background's colours too.
        gradient_weight: No effect.

    Returns:
        Foreground, or foreground and background, each H x W x 3, float32 in [0, 1].

    Raises:
        ValueError: For another shape, type or range.
    """
    try:
        check_image(image)
        check_size(alpha, image.shape, "alpha")
        check_range(alpha, "alpha")
    except InputError as error:
        raise ValueError(str(error)) from None
    foreground = cutouts.estimate_foreground(image, alpha)
    if not return_background:
        return foreground
    opposite = 255 - alpha if alpha.dtype == np.uint8 else 1 - alpha
    return foreground, cutouts.estimate_foreground(image, opposite)  # both are estimated alike


@lru_cache(maxsize=3)
def _shipped(quality: str | None) -> Matter:
    return Matter.load(quality=quality)
