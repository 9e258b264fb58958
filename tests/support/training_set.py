"""Small data to train on: layers for live batches, composites for stored ones."""

import numpy as np
import torch

from erkd.batches.live import LiveBatches
from erkd.batches.stored import StoredBatches
from erkd.io.images import save_image
from erkd.io.tables import CompositeRow, LayerRow, write_table
from erkd.params import DistillParams, TrimapParams

CPU = torch.device("cpu")


def distill(**changes) -> DistillParams:
    settings = {
        "init_from": None, "compositing": "live", "steps": 3, "batch_size": 4, "photographs": 0, "crop": 64,
        "second_foreground": 0.5, "linear_light": 0.5, "highlights": 0.5, "defocus": 0.5, "laplacian": 0.2,
        "warmup": 0.1, "learning_rate": 1e-3, "weight_decay": 0.0, "ema_decay": 0.5, "validate_every": 4,
    }  # fmt: skip
    return DistillParams(**settings | changes)


def disc(height: int, width: int, radius: float) -> np.ndarray:
    y, x = np.mgrid[:height, :width].astype(np.float32)
    return np.clip((radius - np.hypot(y - height / 2, x - width / 2)) / 8 + 0.5, 0, 1)


def live_batches(folder, **changes) -> LiveBatches:
    """Two foregrounds, red and green, and two backgrounds of noise, the second called a photograph.

    One test layer must not be used.
    """
    rng, rows = np.random.default_rng(0), []
    for i, kind in enumerate(["foreground", "foreground", "background", "background", "foreground"]):
        height, width, alpha = 120 + 10 * i, 100, ""
        if kind == "foreground":
            image, alpha = np.zeros((height, width, 3)), f"{i}a.png"
            image[:, :, i % 2] = 0.8
            save_image(disc(height, width, 30), folder / alpha)
        else:
            image = rng.random((height, width, 3), np.float32)
        save_image(image, folder / f"{i}.png")
        split, material = "train" if i < 4 else "test", "picture" if i == 3 else ""
        rows.append(LayerRow(str(i), kind, split, "", "", material, f"{i}.png", alpha, height, width, i, ""))
    write_table(rows, folder / "library.csv")
    trimap = TrimapParams(min_radius=10, max_radius=60, whole_object=0.25, whole_flat=0.5)
    return LiveBatches(folder / "library.csv", trimap, distill(**changes), seed=1, device=CPU)


def stored_batches(folder, **changes) -> StoredBatches:
    """Two composites whose image repeats alpha in every channel."""
    rows = []
    y, x = np.mgrid[:80, :100].astype(np.float32)
    for i, name in enumerate("ab"):
        alpha = np.clip((30 - np.hypot(y - 40, x - 40 - 10 * i)) / 10, 0, 1)
        paths = (f"images/{name}.png", f"alphas/{name}.png")
        save_image(np.repeat(alpha[:, :, None], 3, axis=2), folder / paths[0])
        save_image(alpha, folder / paths[1])
        rows.append(CompositeRow(name, "train", "", "", "", "", "", *paths, 80, 100, i, "", "", ""))
    write_table(rows, folder / "manifest.csv")
    trimap = TrimapParams(min_radius=5, max_radius=30, whole_object=0.0, whole_flat=0.5)
    return StoredBatches(folder / "manifest.csv", trimap, distill(**changes), seed=3)


def same(first, second) -> bool:
    """Whether two trainings ended with the same weights, bit for bit."""
    ours, theirs = first.student.state_dict(), second.student.state_dict()
    return ours.keys() == theirs.keys() and all(torch.equal(ours[name], theirs[name]) for name in ours)
