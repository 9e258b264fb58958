"""Photos and their trimaps."""

from pathlib import Path

import numpy as np

from erkd.io.images import save_image


def photo(height: int = 70, width: int = 100, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """A photo of noise, and a trimap with an unknown ring."""
    image = np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)
    rows, columns = np.ogrid[:height, :width]
    radius = np.hypot(rows - height / 2, columns - width / 2) / height
    return image, np.select([radius < 0.2, radius > 0.35], [255, 0], 128).astype(np.uint8)


def photographs(folder: Path, count: int = 2) -> Path:
    """`count` photographs with measured alpha and two trimaps each, in the layout of alphamatting.com."""
    for seed in range(count):
        image, trimap = photo(64, 96, seed)
        files = {"input_training_lowres": image, "gt_training_lowres": trimap}
        for name, content in files.items():
            save_image(content, folder / name / f"GT{seed:02}.png")
        for group in ("Trimap1", "Trimap2"):
            save_image(trimap, folder / "trimap_training_lowres" / group / f"GT{seed:02}.png")
    return folder
