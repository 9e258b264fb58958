"""A photo and its trimap."""

import numpy as np


def photo(height: int = 70, width: int = 100, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """A photo of noise, and a trimap with an unknown ring."""
    image = np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)
    rows, columns = np.ogrid[:height, :width]
    radius = np.hypot(rows - height / 2, columns - width / 2) / height
    return image, np.select([radius < 0.2, radius > 0.35], [255, 0], 128).astype(np.uint8)
