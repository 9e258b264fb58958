"""Training batches cut from stored composites, on the CPU."""

from pathlib import Path

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch.utils.data import Dataset

from erkd.batches.batch import Batch, Crops
from erkd.batches.crops import Matrix, normalised, random_affine
from erkd.data.trimap_generation import draw_trimap
from erkd.io.images import Array, load_alpha, load_image
from erkd.io.tables import CompositeRow, read_table, resolve
from erkd.params import DistillParams, TrimapParams
from erkd.runtime.distributed import own_positions


class StoredBatches(Dataset[Batch]):
    """Item `step` is the batch of that step; arguments as of `LiveBatches`, `table` being `manifest.csv`."""

    def __init__(self, table: Path, trimap: TrimapParams, distill: DistillParams, seed: int) -> None:
        self.table = table
        self.rows = read_table(table, CompositeRow, "train")
        self.trimap = trimap
        self.distill = distill
        self.seed = seed
        self.positions = own_positions(distill.batch_size)

    def __len__(self) -> int:
        return self.distill.steps

    def __getitem__(self, step: int) -> Batch:
        """Make the batch of one step."""
        items = [self._crop(step, position) for position in self.positions]
        image, trimap, alpha, index, theta = (torch.from_numpy(np.stack(part)) for part in zip(*items, strict=True))
        crops = Crops(index, theta, torch.ones_like(alpha[:, None]))
        return Batch(image.permute(0, 3, 1, 2).contiguous(), trimap[:, None], (crops,), alpha[:, None])

    def _crop(self, step: int, position: int) -> tuple[Array, Array, Array, NDArray[np.int64], Array]:
        rng = np.random.default_rng([self.seed, step, position])
        index = int(rng.integers(len(self.rows)))
        row = self.rows[index]
        image = load_image(resolve(self.table, row.image))
        alpha = load_alpha(resolve(self.table, row.alpha))
        trimap, *_ = draw_trimap(alpha, self.trimap, rng)
        rows, columns = np.nonzero(trimap == 0.5)
        pick = int(rng.integers(len(rows)))
        crop = self.distill.crop
        to_image = random_affine(rng, (int(rows[pick]), int(columns[pick])), alpha.shape, crop)
        image, alpha = (cut(whole, to_image, crop, cv2.INTER_LINEAR) for whole in (image, alpha))
        trimap = cut(trimap, to_image, crop, cv2.INTER_NEAREST)
        theta = normalised(to_image, crop, row.height, row.width)
        return jitter(image, rng), trimap, alpha, np.array(index), theta


def cut(whole: Array, to_image: Matrix, crop: int, interpolation: int) -> Array:
    """Warp H x W (x 3) to a square crop by the crop-to-image matrix `to_image`, borders replicated.

    `crop` is its side in pixels, `interpolation` an OpenCV flag.
    """
    flags = interpolation | cv2.WARP_INVERSE_MAP
    piece = cv2.warpAffine(whole, to_image, (crop, crop), flags=flags, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(piece, np.float32)


def jitter(image: Array, rng: np.random.Generator) -> Array:
    """Jitter exposure, colour balance and gamma of an image H x W x 3, and add noise to some."""
    gain = rng.uniform(0.8, 1.2) * rng.uniform(0.95, 1.05, 3)
    gamma = np.exp(rng.uniform(-0.25, 0.25))
    noise = rng.normal(0, rng.uniform(0, 0.02), image.shape) if rng.random() < 0.3 else 0.0
    return (np.clip(image * gain, 0, 1) ** gamma + noise).clip(0, 1).astype(np.float32)
