"""Training batches composited live from the library's layers.

Augmentation after GCA-Matting (Li & Lu, AAAI 2020): a second foreground with some probability, random affine crops
around edges, photometric changes per layer, a new trimap, then camera effects. It runs in torch on the layers'
device.
"""

from collections.abc import Callable, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import affine_grid, avg_pool2d, grid_sample
from torch.utils.data import Dataset

from erkd.batches import photometry
from erkd.batches.batch import Batch, Crops, Inputs
from erkd.batches.crops import normalised, random_affine, zoom_of
from erkd.batches.trimaps import doubt, draw_trimaps
from erkd.data.compositing import SHIFTED, training_size
from erkd.data.lens import Lens, draw_lens
from erkd.io.files import InputError
from erkd.io.images import load_alpha, load_image, resize_area, to_bytes
from erkd.io.tables import FLAT, PHOTOGRAPH, LayerRow, read_table, resolve
from erkd.params import DistillParams, TrimapParams
from erkd.runtime.distributed import own_positions

KEPT = 1024  # size of the LRU cache, layers
POINTS = 4096  # edge pixels kept per layer
BLURRED_BACKGROUNDS = 0.3  # share of the backgrounds without a lens's defocus that a Gaussian blurs
WIDEST = 8  # the largest radius of a lens's defocus is the crop's side divided by this
FINE = 0.6  # zoom below which a layer is average-pooled first, against aliasing
SHADED = 0.5  # share of layers under uneven light
GAMMAS = (1.2, 2.4)  # range of encoding gammas for mixing in linear light

Generators = Sequence[np.random.Generator]


class LiveBatches(Dataset[Batch]):
    """Item `step` is the batch of that step; of several processes each gets its own positions.

    Args:
        table: `library.csv`; the training layers are used.
        trimap: How trimaps are drawn.
        distill: Batch size, crop size and the probabilities of the augmentation.
        seed: Seed of all batches.
        device: Where layers are kept and composited; on CUDA use no worker processes.
    """

    def __init__(
        self, table: Path, trimap: TrimapParams, distill: DistillParams, seed: int, device: torch.device
    ) -> None:
        self.table = table
        self.rows = read_table(table, LayerRow, "train")
        self.foregrounds = [i for i, row in enumerate(self.rows) if row.kind == "foreground"]
        self.backgrounds = [i for i, row in enumerate(self.rows) if row.kind == "background"]
        self.flat = torch.tensor([float(row.material in FLAT) for row in self.rows], device=device)
        self.trimap = trimap
        self.distill = distill
        self.seed = seed
        self.device = device
        self.positions = own_positions(distill.batch_size)
        self.photographs = [i for i in self.backgrounds if self.rows[i].material == PHOTOGRAPH]
        if distill.photographs and not self.photographs:
            raise InputError(
                f"{table}: distill.photographs {distill.photographs}: no training background is a photograph; set "
                f"data.photographs or data.backgrounds_root to a folder of some, or distill.photographs to 0"
            )
        self.photograph_positions = own_positions(distill.photographs, "distill.photographs")
        self.load = lru_cache(maxsize=KEPT)(self._load)

    def __len__(self) -> int:
        return self.distill.steps

    def __getitem__(self, step: int) -> Batch:
        """Make the batch of one step."""
        rngs = [np.random.default_rng([self.seed, step, position]) for position in self.positions]
        first, first_alpha, first_crops, sides = self._draw_crops(rngs, self.foregrounds)
        second, second_alpha, second_crops, _ = self._draw_crops(rngs, self.foregrounds)
        background, _, background_crops, _ = self._draw_crops(rngs, self.backgrounds)
        merged = self._draw_flag(rngs, self.distill.second_foreground)[:, None, None, None]
        shares = over(first_alpha, second_alpha * merged)
        alpha = shares[0] + shares[1]
        of_first = torch.where(alpha > 0, shares[0] / alpha.clamp(min=1e-6), 1)
        gamma = torch.where(
            self._draw_flag(rngs, self.distill.linear_light) > 0,
            self._draw(rngs, lambda rng: rng.uniform(*GAMMAS)),
            1,
        )
        foreground = photometry.mix(first, of_first, second, gamma)
        if self.distill.highlights:
            foreground = self._add_highlights(rngs, foreground)
        background = self._vary_background(rngs, background, foreground, alpha)
        image = self._camera_effects(rngs, photometry.mix(foreground, alpha, background, gamma))
        trimap = draw_trimaps(alpha, self.trimap, rngs, sides)
        if self.trimap.whole_flat:
            covered = sum(
                share * self.flat[index][:, None, None, None]
                for share, (index, _) in zip(shares, (first_crops, second_crops), strict=True)
            )
            trimap = doubt(trimap, covered * self._draw_flag(rngs, self.trimap.whole_flat)[:, None, None, None])
        crops = tuple(
            Crops(index, theta, share)
            for (index, theta), share in zip(
                (first_crops, second_crops, background_crops), (*shares, 1 - alpha), strict=True
            )
        )
        return Batch(image, trimap, crops, alpha, foreground, background, self._draw_photographs(step))

    def _draw_photographs(self, step: int) -> Inputs | None:
        """Draw crops of photographs under trimaps of foregrounds that are not in them; None where none are asked for.

        So trimaps are distributed as those of composites, and tell nothing of what the image is.
        """
        first = self.distill.batch_size
        rngs = [np.random.default_rng([self.seed, step, first + position]) for position in self.photograph_positions]
        if not rngs:
            return None
        image, _, (index, theta), _ = self._draw_crops(rngs, self.photographs)
        _, alpha, _, sides = self._draw_crops(rngs, self.foregrounds)
        trimap = draw_trimaps(alpha, self.trimap, rngs, sides)
        return Inputs(self._camera_effects(rngs, image), trimap, (Crops(index, theta, torch.ones_like(alpha)),))

    def _load(self, index: int) -> tuple[Tensor, NDArray[np.int32]]:
        """Load a layer: RGBA, uint8 4 x H x W on the device, and up to `POINTS` edge pixels (row, column)."""
        row = self.rows[index]
        image = load_image(resolve(self.table, row.image))
        alpha = load_alpha(resolve(self.table, row.alpha)) if row.alpha else np.ones_like(image[:, :, 0])
        whole = np.dstack([image, alpha])
        if (size := training_size(*alpha.shape)) != alpha.shape:
            whole = resize_area(whole, *size)
        pixels = to_bytes(whole)
        levels = pixels[:, :, 3]
        soft = cv2.dilate(levels, np.ones((3, 3))) - cv2.erode(levels, np.ones((3, 3))) > 2
        points = np.argwhere(soft if soft.any() else np.ones_like(soft)).astype(np.int32)
        points = np.random.default_rng(index).choice(points, min(POINTS, len(points)), replace=False)
        return torch.from_numpy(pixels).permute(2, 0, 1).contiguous().to(self.device), points

    def _draw_crops(
        self, rngs: Generators, indices: Sequence[int]
    ) -> tuple[Tensor, Tensor, tuple[Tensor, Tensor], list[float]]:
        """Draw a crop per generator: colours, alpha, (index, theta), and the layer's longer side in crop pixels."""
        crop, chosen, thetas, sides, pieces = self.distill.crop, [], [], [], []
        for rng in rngs:
            index = indices[int(rng.integers(len(indices)))]
            layer, points = self.load(index)
            height, width = layer.shape[1:]
            row, column = points[int(rng.integers(len(points)))]
            to_image = random_affine(rng, (int(row), int(column)), (height, width), crop)
            theta = torch.from_numpy(normalised(to_image, crop, height, width)).to(self.device)
            zoom = zoom_of(to_image)
            source = layer[None].float()
            if zoom < FINE:
                source = avg_pool2d(source, 2)
            grid = affine_grid(theta[None], [1, 4, crop, crop], align_corners=False)
            pieces.append(grid_sample(source, grid, mode="bilinear", padding_mode="reflection", align_corners=False))
            chosen.append(index)
            thetas.append(theta)
            sides.append(zoom * max(height, width))
        pixels = torch.cat(pieces) / 255
        gain = self._draw(rngs, lambda rng: rng.uniform(0.7, 1.3) * rng.uniform(0.9, 1.1, 3))
        colours = photometry.tone(pixels[:, :3], gain, self._draw(rngs, lambda rng: rng.uniform(0.75, 1.33)))
        strength = self._draw_strength(rngs, SHADED, 0.1, 0.5)
        cells = self._draw(rngs, lambda rng: round(np.exp(rng.uniform(np.log(2), np.log(crop / 8)))))
        colours = photometry.shade(colours, strength, cells, self._draw_corner(rngs))
        crops = torch.tensor(chosen, device=self.device), torch.stack(thetas)
        return colours, pixels[:, 3:], crops, sides

    def _add_highlights(self, rngs: Generators, foreground: Tensor) -> Tensor:
        """Add highlights to some foregrounds, from the scale of a hair to that of a lock."""
        strength = self._draw_strength(rngs, self.distill.highlights, 0.5, 2.5)
        crop = self.distill.crop
        cells = self._draw(rngs, lambda rng: round(np.exp(rng.uniform(np.log(crop / 24), np.log(crop / 3)))))
        return photometry.highlights(foreground, strength, cells, self._draw_corner(rngs))

    def _vary_background(self, rngs: Generators, background: Tensor, foreground: Tensor, alpha: Tensor) -> Tensor:
        """Put some backgrounds out of focus, and shift the mean colour of some towards the foreground's."""
        sigma = self._draw_strength(rngs, BLURRED_BACKGROUNDS, 1, 6)
        if self.distill.defocus:
            lenses = [self._draw_lens(rng) for rng in rngs]
            sharp = torch.tensor([lens is None for lens in lenses], device=self.device)
            background = photometry.defocus(photometry.blur(background, sigma * sharp), lenses)
        else:
            background = photometry.blur(background, sigma)
        strength = self._draw_strength(rngs, SHIFTED, 0.3, 0.95)
        target = (foreground * alpha).sum((2, 3)) / alpha.sum((2, 3)).clamp(min=1e-6)
        shift = strength[:, None] * (target - background.mean((2, 3)))
        return (background + shift[:, :, None, None]).clamp(0, 1)

    def _draw_lens(self, rng: np.random.Generator) -> Lens | None:
        """A lens for a background with probability `defocus`."""
        drawn = draw_lens(rng, self.distill.crop / WIDEST)
        return drawn if rng.random() < self.distill.defocus else None

    def _camera_effects(self, rngs: Generators, image: Tensor) -> Tensor:
        """Apply blur, gain and gamma, sharpening, noise and JPEG, most of them to a part of the images."""
        image = photometry.blur(image, self._draw_strength(rngs, 0.2, 0.3, 0.8))
        gain = self._draw(rngs, lambda rng: rng.uniform(0.85, 1.15) * rng.uniform(0.95, 1.05, 3))
        image = photometry.tone(image, gain, self._draw(rngs, lambda rng: rng.uniform(0.85, 1.18)))
        image = photometry.sharpen(image, self._draw_strength(rngs, 0.2, 0.2, 0.8))
        sigma = self._draw_strength(rngs, 0.4, 0.003, 0.03)
        image = photometry.add_noise(image, sigma, self._draw_corner(rngs))
        quality = self._draw_flag(rngs, 0.25) * self._draw(rngs, lambda rng: rng.integers(60, 97))
        return photometry.compress(image, quality)

    def _draw(self, rngs: Generators, one: Callable[[np.random.Generator], Any]) -> Tensor:
        """One draw per generator as float32, B or B x 3."""
        return torch.tensor(np.stack([one(rng) for rng in rngs]), dtype=torch.float32, device=self.device)

    def _draw_strength(self, rngs: Generators, probability: float, low: float, high: float) -> Tensor:
        """One strength per generator: uniform in [`low`, `high`] with this probability, else 0."""
        return self._draw_flag(rngs, probability) * self._draw(rngs, lambda rng: rng.uniform(low, high))

    def _draw_corner(self, rngs: Generators) -> Tensor:
        """Corners of the pieces of stored noise, B x 2."""
        return torch.from_numpy(np.stack([rng.integers(photometry.GRAIN_SIDE, size=2) for rng in rngs]))

    def _draw_flag(self, rngs: Generators, probability: float) -> Tensor:
        """1 with this probability, else 0, per generator."""
        return self._draw(rngs, lambda rng: rng.random() < probability)


def over(first: Tensor, second: Tensor) -> tuple[Tensor, Tensor]:
    """Contributions a1 and (1 - a1) a2 of two foregrounds, the first in front (Porter-Duff over)."""
    return first, (1 - first) * second
