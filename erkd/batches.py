"""Training batches from stored composites, fixed by (seed, step, position) alone.

A batch does not depend on what was drawn before it, so training can resume at any step and be shared out
among processes.
"""

from collections.abc import Iterator
from dataclasses import dataclass, fields, replace
from pathlib import Path

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from erkd.images import Array, load_alpha, load_image
from erkd.params import DistillParams, TrimapParams
from erkd.tables import CompositeRow, read_table, resolve
from erkd.trimap import draw_trimap


@dataclass(frozen=True)
class Batch:
    """Crops of B composites.

    `image` B x 3 x S x S in [0, 1]; `trimap` B x 1 x S x S of 0, 0.5, 1; `alpha` B x 1 x S x S in [0, 1];
    `index` B: each crop's row among the training composites; `theta` B x 2 x 3: from the crop's normalised
    coordinates to the whole image's, as `torch.nn.functional.affine_grid` reads it.
    """

    image: Tensor
    trimap: Tensor
    alpha: Tensor
    index: Tensor
    theta: Tensor

    @property
    def unknown(self) -> Tensor:
        """1 in the unknown region, B x 1 x S x S."""
        return (self.trimap == 0.5).to(self.image.dtype)

    def to(self, device: torch.device) -> "Batch":
        """The same batch on `device`."""
        moved = {
            field.name: getattr(self, field.name).to(device, non_blocking=True) for field in fields(self)
        }
        return replace(self, **moved)


class Crops(Dataset[Batch]):
    """Batch number `step` is item `step`."""

    def __init__(self, manifest: Path, trimap: TrimapParams, distill: DistillParams, seed: int) -> None:
        self.manifest = manifest
        self.rows = read_table(manifest, CompositeRow, "train")
        self.trimap = trimap
        self.distill = distill
        self.seed = seed

    def __len__(self) -> int:
        return self.distill.steps

    def __getitem__(self, step: int) -> Batch:
        """The batch of one step."""
        items = [self._crop(step, position) for position in range(self.distill.batch_size)]
        image, trimap, alpha, index, theta = (
            torch.from_numpy(np.stack(part)) for part in zip(*items, strict=True)
        )
        return Batch(image.permute(0, 3, 1, 2).contiguous(), trimap[:, None], alpha[:, None], index, theta)

    def _crop(self, step: int, position: int) -> tuple[Array, Array, Array, NDArray[np.int64], Array]:
        rng = np.random.default_rng([self.seed, step, position])
        index = int(rng.integers(len(self.rows)))
        row = self.rows[index]
        image = load_image(resolve(self.manifest, row.image))
        alpha = load_alpha(resolve(self.manifest, row.alpha))
        trimap, *_ = draw_trimap(alpha, self.trimap, rng)
        crop = self.distill.crop
        to_image = random_affine(rng, trimap == 0.5, crop)
        image, alpha = (cut(whole, to_image, crop, cv2.INTER_LINEAR) for whole in (image, alpha))
        trimap = cut(trimap, to_image, crop, cv2.INTER_NEAREST)
        theta = normalised(to_image, crop, row.height, row.width)
        return jitter(image, rng), trimap, alpha, np.array(index), theta


def random_affine(rng: np.random.Generator, unknown: NDArray[np.bool_], crop: int) -> NDArray[np.float64]:
    """A 2 x 3 matrix from crop pixels to image pixels: zoom 0.6-1.5, rotation, flip, around an unknown pixel.

    Pixel centres have whole coordinates, as in OpenCV.
    """
    height, width = unknown.shape
    rows, columns = np.nonzero(unknown)
    pick = int(rng.integers(len(rows)))
    centre = np.array([columns[pick], rows[pick]], float)
    span = crop / np.exp(rng.uniform(np.log(0.6), np.log(1.5)))
    angle = np.deg2rad(rng.uniform(-20, 20)) if rng.random() < 0.5 else 0.0
    scale = span / crop
    flip = -1.0 if rng.random() < 0.5 else 1.0
    linear = scale * np.array([[flip * np.cos(angle), -np.sin(angle)], [flip * np.sin(angle), np.cos(angle)]])
    centre = centre + rng.uniform(-0.4, 0.4, 2) * span
    # keep the crop inside the image where it fits
    half = np.minimum(span / 2, np.array([width, height]) / 2)
    centre = np.clip(centre, half, np.array([width, height]) - half) - 0.5
    offset = centre - linear @ np.full(2, (crop - 1) / 2)
    return np.hstack([linear, offset[:, None]])


def cut(whole: Array, to_image: NDArray[np.float64], crop: int, interpolation: int) -> Array:
    """The crop that `to_image` describes; beyond the image its border repeats."""
    flags = interpolation | cv2.WARP_INVERSE_MAP
    piece = cv2.warpAffine(whole, to_image, (crop, crop), flags=flags, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(piece, np.float32)


def normalised(to_image: NDArray[np.float64], crop: int, height: int, width: int) -> Array:
    """A crop-to-image pixel matrix in the [-1, 1] coordinates of `affine_grid` with align_corners=False."""
    linear, offset = to_image[:, :2], to_image[:, 2]
    size = np.array([width, height], float)
    centre = linear @ np.full(2, (crop - 1) / 2) + offset  # pixel at the crop's centre
    scaled = linear * crop / size[:, None]
    return np.hstack([scaled, ((2 * centre + 1) / size - 1)[:, None]]).astype(np.float32)


def jitter(image: Array, rng: np.random.Generator) -> Array:
    """Change exposure, contrast, colour balance and gamma a little; leaves alpha and features as they are."""
    gain = rng.uniform(0.8, 1.2) * rng.uniform(0.95, 1.05, 3)
    gamma = np.exp(rng.uniform(-0.25, 0.25))
    noise = rng.normal(0, rng.uniform(0, 0.02), image.shape) if rng.random() < 0.3 else 0.0
    return (np.clip(image * gain, 0, 1) ** gamma + noise).clip(0, 1).astype(np.float32)


def training_batches(crops: Crops, workers: int) -> Iterator[Batch]:
    """Batches in order of step, made ahead by `workers` processes; their number changes nothing."""
    return iter(DataLoader(crops, batch_size=None, num_workers=workers))
