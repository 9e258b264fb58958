"""Seconds of the four official metrics, unknown region and whole image, on one core.

`python -m benchmarks.metrics` scores a pair of drawn alphas of 1 and of 20 megapixels, and as many pixels of noise.
The last line is a JSON object: `seconds_1mp`, `seconds_20mp`, and
`linearity`, the second per megapixel over the first (1 is linear).
"""

import json
import time

import cv2
import numpy as np

from erkd.evaluation.metrics.official import connectivity_error, gradient_error, mse, pair, sad
from erkd.io.images import Array

SIDES = {1: 1000, 20: 4472}


def drawn(side: int) -> tuple[Array, Array]:
    """An alpha with a soft body and fine hairs, and its trimap, side x side."""
    rows, columns = np.mgrid[:side, :side].astype(np.float32) / side
    radius = np.hypot(rows - 0.55, columns - 0.5)
    body = np.clip((0.3 - radius) * 60, 0, 1)
    hairs = np.clip(np.cos(700 * np.arctan2(rows - 0.55, columns - 0.5)) * 1.5, 0, 1) * (radius < 0.42)
    alpha = np.maximum(body, 0.8 * hairs)
    return alpha, np.select([radius < 0.27, radius > 0.45], [1.0, 0.0], 0.5).astype(np.float32)


def fastest(arrays: tuple[Array, Array, Array], repeats: int) -> float:
    """CPU seconds of checks and metrics, the fastest of several runs, all threads together.

    `arrays` are prediction, truth and trimap.
    """
    times = []
    for _ in range(repeats):
        start = time.process_time()
        both = pair(*arrays)
        for metric in (sad, mse, gradient_error, connectivity_error):
            metric(both)
        times.append(time.process_time() - start)
    return min(times)


def main() -> None:
    """Measure and print."""
    cv2.setNumThreads(1)
    rng = np.random.default_rng(0)
    seconds: dict[str, float] = {}
    for megapixels, side in SIDES.items():
        alpha_true, trimap = drawn(side)
        error = rng.normal(0, 0.05, alpha_true.shape).astype(np.float32)
        alpha_pred = np.clip(alpha_true + cv2.GaussianBlur(error, (0, 0), 1.5) * 4, 0, 1)
        noise, unknown = rng.random((2, side, side), np.float32), np.full_like(trimap, 0.5)
        repeats = 15 if megapixels == 1 else 3
        seconds[f"seconds_{megapixels}mp"] = fastest((alpha_pred, alpha_true, trimap), repeats)
        seconds[f"seconds_{megapixels}mp_noise"] = fastest((*noise, unknown), repeats)
    seconds["linearity"] = seconds["seconds_20mp"] / 20 / seconds["seconds_1mp"]
    print(json.dumps({name: round(value, 4) for name, value in seconds.items()}))


if __name__ == "__main__":
    main()
