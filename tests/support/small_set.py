"""A few small composites with tables, as the stages composite and trimap leave them."""

import shutil
from types import SimpleNamespace

import numpy as np

from erkd.io.images import save_image, save_trimap
from erkd.io.tables import CompositeRow, TrimapRow, write_table
from tests.support import ROOT

HEIGHT, WIDTH = 24, 32


def write_small_set(root, splits=("test", "test", "test", "validation")):
    """Write params.yaml, data/composites and data/trimaps under `root`: soft discs, one for each of `splits`."""
    shutil.copy(ROOT / "params.yaml", root)
    composites, trimaps = root / "data/composites", root / "data/trimaps"
    rows, trimap_rows = [], []
    for number, split in enumerate(splits):
        sample_id = f"s{number}"
        alpha, trimap, image = soft_disc(number)
        save_image(image, composites / f"images/{sample_id}.png")
        save_image(alpha, composites / f"alphas/{sample_id}.png")
        save_trimap(trimap, trimaps / f"trimaps/{sample_id}.png")
        files = f"images/{sample_id}.png", f"alphas/{sample_id}.png"
        layers, phrases = (f"f{number}", f"b{number}", "disc"), ("a disc", "disc", "noise")
        row = (sample_id, split, "made here", "CC0", *layers, *files, HEIGHT, WIDTH, number, *phrases)
        rows.append(CompositeRow(*row))
        trimap_rows.append(TrimapRow(sample_id, split, f"trimaps/{sample_id}.png", 2, 2, 0.3, number))
    write_table(rows, composites / "manifest.csv")
    write_table(trimap_rows, trimaps / "trimaps.csv")


def soft_disc(seed):
    """Alpha, trimap and image of a red disc with a soft edge on a blue ground with noise."""
    rows, columns = np.mgrid[:HEIGHT, :WIDTH]
    radius = np.hypot(rows - HEIGHT / 2, columns - WIDTH / 2 - seed)
    alpha = np.clip((9 - radius) / (4 + seed / 4), 0, 1).astype(np.float32)
    trimap = np.select([radius < 4, radius > 10], [1.0, 0.0], 0.5).astype(np.float32)
    noise = np.random.default_rng(seed).random((HEIGHT, WIDTH, 3), np.float32) * 0.1
    foreground, background = np.float32([0.8, 0.1, 0.1]), np.float32([0.1, 0.1, 0.8])
    return alpha, trimap, alpha[..., None] * foreground + (1 - alpha[..., None]) * background + noise


class Answering:
    """A student that `predict` answers for, in the place of `Matter`; it notes the folders it is loaded from."""

    engine = SimpleNamespace(device="cpu")

    def __init__(self, predict):
        self.predict, self.folders = predict, []

    def load(self, folder, device, threads=0):
        self.folders.append(folder)
        return self

    def __call__(self, image, trimap):
        return self.predict(image, trimap)
