"""What the bootstrapped tower's network gives for every training image, computed once."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from erkd.io.images import load_alpha, load_image
from erkd.io.tables import CompositeRow, resolve
from erkd.runtime.parallel import progress
from erkd.teachers.bootstrap.readout import split_trunk
from erkd.teachers.teacher import Preprocessing, preprocessing_of

VIEWS = 2


@dataclass(frozen=True)
class Views:
    """What the network gave, view after view, for V views of N images.

    `maps` V N x C x G x G, float16, are what its last block is given, and `alphas` V N x G x G those of their cells;
    `features` V N x 1280 are what its head is given.
    """

    maps: Tensor
    alphas: Tensor
    features: Tensor

    def statistics(self) -> tuple[Tensor, Tensor]:
        """Mean and standard deviation of every channel over all cells of the images as they are: C each."""
        total, squares, count = torch.zeros(()), torch.zeros(()), 0
        for maps in self.maps[: len(self.maps) // VIEWS].split(64):
            cells = maps.double()
            total, squares = total + cells.sum((0, 2, 3)), squares + cells.square().sum((0, 2, 3))
            count += cells[:, 0].numel()
        mean = total / count
        deviation = (squares / count - mean.square()).clamp(min=0).sqrt().clamp(min=1e-3)
        return mean.float(), deviation.float()


@torch.no_grad()
def frozen_views(model: Any, table: Path, rows: Sequence[CompositeRow], seed: int, device: str) -> Views:
    """Run the network as ImageNet left it on every image as it is and on augmented views of it."""
    preprocessing, (front, end) = preprocessing_of(model), split_trunk(model.visual.trunk)
    images, alphas = _load(table, rows, preprocessing)
    maps, grids, features = [], [], []
    starts = range(0, VIEWS * len(rows), 16)
    for start in progress(starts, "features of the frozen blocks"):
        slots = range(start, min(start + 16, VIEWS * len(rows)))
        pairs = [
            _augment(images[slot % len(rows)], alphas[slot % len(rows)], slot // len(rows), [seed, 0, slot])
            for slot in slots
        ]
        batch = preprocessing.normalise(torch.stack([image for image, _ in pairs]).to(device))
        cells = front(batch.contiguous(memory_format=torch.channels_last))
        maps.append(cells.half().cpu().contiguous())
        features.append(end(cells).mean(dim=(2, 3)).cpu())
        opacities = torch.stack([alpha for _, alpha in pairs])
        grids.append(F.adaptive_avg_pool2d(opacities, (cells.shape[2], cells.shape[3]))[:, 0])
    return Views(torch.cat(maps), torch.cat(grids), torch.cat(features))


@torch.no_grad()
def word_codes(trunk: Any, maps: Tensor, words: Tensor) -> Tensor:
    """`words` (W x 1280) of the head's features, cell by cell, from what the last block is given: float16."""
    _, end = split_trunk(trunk)
    codes = []
    for batch in progress(maps.split(16), "words of the cells"):
        cells = end(batch.to(words.device, torch.float32).contiguous(memory_format=torch.channels_last))
        codes.append(torch.einsum("dc,bchw->bdhw", words, cells).half().cpu().contiguous())
    return torch.cat(codes)


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

    Others are cropped to 50-100 % of the side, flipped, and changed in gain, contrast and colour balance; in
    half of them the channels change places, since a material may have any colour.
    """
    picture, matte = image / 255, alpha / 255
    if view == 0:
        return picture, matte
    random = np.random.default_rng(seed)
    side = picture.shape[-1]
    crop = int(side * random.uniform(0.5, 1))
    top, left = random.integers(side - crop + 1, size=2)
    both = torch.cat([picture, matte])[None, :, top : top + crop, left : left + crop]
    both = F.interpolate(both, (side, side), mode="bilinear", align_corners=False)[0]
    if random.random() < 0.5:
        both = both.flip(-1)
    picture = both[:3]
    if random.random() < 0.5:
        picture = picture[torch.from_numpy(random.permutation(3))]
    drawn = random.uniform(0.8, 1.2) * random.uniform(0.85, 1.15, (3, 1, 1))
    gains = torch.tensor(drawn, dtype=torch.float32)
    picture = ((picture * gains - 0.5) * float(random.uniform(0.75, 1.25)) + 0.5).clamp(0, 1)
    return picture, both[3:]
