"""What the frozen part of the bootstrapped tower gives, computed once: a training step then runs the rest alone."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from erkd.images import load_alpha, load_image
from erkd.parallel import progress
from erkd.tables import CompositeRow, resolve
from erkd.teachers.teacher import Preprocessing, preprocessing_of

LEARNING_BLOCKS = (
    3  # inverted residuals at the trunk's end that learn; those before stay as ImageNet left them
)
VIEWS = 2


@dataclass(frozen=True)
class Views:
    """What the frozen blocks gave, view after view: `maps` V N x C x G x G, float16; `alphas` V N x G x G."""

    maps: Tensor
    alphas: Tensor


def split_trunk(trunk: Any) -> tuple[nn.Sequential, nn.Sequential]:
    """The trunk up to the learning blocks, and from them to its last map."""
    blocks = [block for stage in trunk.blocks for block in stage]
    frozen, learning = blocks[:-LEARNING_BLOCKS], blocks[-LEARNING_BLOCKS:]
    return (
        nn.Sequential(trunk.conv_stem, trunk.bn1, *frozen),
        nn.Sequential(*learning, trunk.conv_head, trunk.bn2),
    )


def learned_patches(model: Any, maps: Tensor) -> Tensor:
    """Patches B x D x G x G from what the frozen part gave."""
    cells = split_trunk(model.visual.trunk)[1](maps)
    return torch.einsum("bchw,dc->bdhw", cells, model.visual.head.proj.weight)


@torch.no_grad()
def frozen_views(model: Any, table: Path, rows: Sequence[CompositeRow], seed: int, device: str) -> Views:
    """Run the frozen part on every image as it is and on augmented views of it."""
    preprocessing, frozen = preprocessing_of(model), split_trunk(model.visual.trunk)[0]
    images, alphas = _load(table, rows, preprocessing)
    maps, grids = [], []
    starts = range(0, VIEWS * len(rows), 16)
    for start in progress(starts, "features of the frozen blocks"):
        slots = range(start, min(start + 16, VIEWS * len(rows)))
        pairs = [
            _augment(images[slot % len(rows)], alphas[slot % len(rows)], slot // len(rows), [seed, 0, slot])
            for slot in slots
        ]
        batch = preprocessing.normalise(torch.stack([image for image, _ in pairs]).to(device))
        cells = frozen(batch.contiguous(memory_format=torch.channels_last))
        maps.append(cells.half().cpu())
        grids.append(
            F.adaptive_avg_pool2d(
                torch.stack([alpha for _, alpha in pairs]), (cells.shape[2], cells.shape[3])
            )[:, 0]
        )
    return Views(torch.cat(maps), torch.cat(grids))


def _load(table: Path, rows: Sequence[CompositeRow], preprocessing: Preprocessing) -> tuple[Tensor, Tensor]:
    """Images (N x 3 x S x S, 8-bit to save memory) and alphas (N x 1 x S x S, 8-bit)."""
    images, alphas = [], []
    for row in progress(rows, "composites"):
        image = preprocessing.prepare(load_image(resolve(table, row.image)))
        alpha = preprocessing.prepare(load_alpha(resolve(table, row.alpha))[:, :, None].repeat(3, axis=2))[:1]
        images.append((image * 255).round().byte())
        alphas.append((alpha * 255).round().byte())
    return torch.stack(images), torch.stack(alphas)


def _augment(image: Tensor, alpha: Tensor, view: int, seed: list[int]) -> tuple[Tensor, Tensor]:
    """A view of an 8-bit image and its alpha in [0, 1]; view 0 is the image itself.

    Others are cropped to 60-100 % of the side, flipped, and changed in gain, contrast and colour balance.
    """
    picture, matte = image / 255, alpha / 255
    if view == 0:
        return picture, matte
    random = np.random.default_rng(seed)
    side = picture.shape[-1]
    crop = int(side * random.uniform(0.6, 1))
    top, left = random.integers(side - crop + 1, size=2)
    both = torch.cat([picture, matte])[None, :, top : top + crop, left : left + crop]
    both = F.interpolate(both, (side, side), mode="bilinear", align_corners=False)[0]
    if random.random() < 0.5:
        both = both.flip(-1)
    gains = torch.tensor(random.uniform(0.8, 1.2) * random.uniform(0.9, 1.1, (3, 1, 1)), dtype=torch.float32)
    contrast_gain = float(random.uniform(0.8, 1.2))
    picture = ((both[:3] * gains - 0.5) * contrast_gain + 0.5).clamp(0, 1)
    return picture, both[3:]
