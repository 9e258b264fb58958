"""Seconds of the four official metrics, unknown region and whole image, on one core.

`python -m benchmarks.metrics [--alpha FILE --trimap FILE]` scores a pair of alphas resized to 1 and 20
megapixels, and as many pixels of noise. The last line is a JSON object: `seconds_1mp`, `seconds_20mp`, and
`linearity`, the second per megapixel over the first (1 is linear).
"""

import argparse
import json
import time
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np

from erkd.evaluation.metrics.official import connectivity_error, gradient_error, mse, pair, sad
from erkd.io.images import Array, load_alpha, load_trimap

SIDES = {1: 1000, 20: 4472}


def drawn(side: int) -> tuple[Array, Array]:
    """An alpha with a soft body and fine hairs, and its trimap, side x side."""
    rows, columns = np.mgrid[:side, :side].astype(np.float32) / side
    radius = np.hypot(rows - 0.55, columns - 0.5)
    body = np.clip((0.3 - radius) * 60, 0, 1)
    hairs = np.clip(np.cos(700 * np.arctan2(rows - 0.55, columns - 0.5)) * 1.5, 0, 1) * (radius < 0.42)
    alpha = np.maximum(body, 0.8 * hairs)
    return alpha, np.select([radius < 0.27, radius > 0.45], [1.0, 0.0], 0.5).astype(np.float32)


def loaded(alpha: Path, trimap: Path, side: int) -> tuple[Array, Array]:
    """An alpha file and its trimap, resized."""
    size = (side, side)
    resized = np.asarray(cv2.resize(load_alpha(alpha), size), np.float32)
    return resized, np.asarray(
        cv2.resize(load_trimap(trimap), size, interpolation=cv2.INTER_NEAREST), np.float32
    )


def four_metrics(alpha_pred: Array, alpha_true: Array, trimap: Array) -> None:
    """What is timed: the checks and the four metrics."""
    both = pair(alpha_pred, alpha_true, trimap)
    for metric in (sad, mse, gradient_error, connectivity_error):
        metric(both)


def fastest(function: Callable[..., None], *arguments: Array, repeats: int) -> float:
    """CPU seconds of the fastest of several runs, all threads together: what else runs counts little."""
    times = []
    for _ in range(repeats):
        start = time.process_time()
        function(*arguments)
        times.append(time.process_time() - start)
    return min(times)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--alpha", type=Path)
    parser.add_argument("--trimap", type=Path)
    arguments = parser.parse_args()
    cv2.setNumThreads(1)
    rng = np.random.default_rng(0)
    seconds: dict[str, float] = {}
    for megapixels, side in SIDES.items():
        files = arguments.alpha, arguments.trimap
        alpha_true, trimap = loaded(*files, side) if arguments.alpha else drawn(side)
        error = rng.normal(0, 0.05, alpha_true.shape).astype(np.float32)
        alpha_pred = np.clip(alpha_true + cv2.GaussianBlur(error, (0, 0), 1.5) * 4, 0, 1)
        noise, unknown = rng.random((2, side, side), np.float32), np.full_like(trimap, 0.5)
        repeats = 15 if megapixels == 1 else 3
        seconds[f"seconds_{megapixels}mp"] = fastest(
            four_metrics, alpha_pred, alpha_true, trimap, repeats=repeats
        )
        seconds[f"seconds_{megapixels}mp_noise"] = fastest(four_metrics, *noise, unknown, repeats=repeats)
    seconds["linearity"] = seconds["seconds_20mp"] / 20 / seconds["seconds_1mp"]
    print(json.dumps({name: round(value, 4) for name, value in seconds.items()}))


if __name__ == "__main__":
    main()
