"""What is drawn for a live batch: random numbers on the CPU that say everything about it, before a pixel is touched.

Every number is a function of a crop's own generator, so that draws need no order among crops. Strengths are one
number per crop, 0 where nothing is to be done.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from erkd.batches import photometry
from erkd.batches.crops import normalised, random_affine, zoom_of
from erkd.batches.layers import Layers
from erkd.batches.trimaps import TrimapPlan, plan_trimaps
from erkd.data.compositing import SHIFTED
from erkd.data.lens import Lens, draw_lens
from erkd.io.tables import FLAT
from erkd.params import DistillParams, TrimapParams

BLURRED_BACKGROUNDS = 0.3  # share of the backgrounds without a lens's defocus that a Gaussian blurs
WIDEST = 8  # the largest radius of a lens's defocus is the crop's side divided by this
FINE = 0.6  # zoom below which a layer is average-pooled first, against aliasing
SHADED = 0.5  # share of layers under uneven light
GAMMAS = (1.2, 2.4)  # range of encoding gammas for mixing in linear light

Generators = Sequence[np.random.Generator]


@dataclass(frozen=True)
class Noise:
    """Smooth noise: `strength` B, `cells` along an image's side B, and its `corner` in the stored grain B x 2."""

    strength: Tensor
    cells: Tensor
    corner: Tensor


@dataclass(frozen=True)
class Cuts:
    """A crop of a layer for each position of the batch.

    Attributes:
        index: Rows of the layers, B.
        theta: Affine maps from the crop's to the layer's normalised coordinates, B x 2 x 3.
        halved: Whether the layer is average-pooled first, B.
        sides: The layers' longer sides in crop pixels, B.
        gain: Of the colours, B x 3.
        gamma: Of the colours, B.
        shade: Uneven light.
    """

    index: Tensor
    theta: Tensor
    halved: list[bool]
    sides: list[float]
    gain: Tensor
    gamma: Tensor
    shade: Noise


@dataclass(frozen=True)
class Scene:
    """What happens to backgrounds: Gaussian `blur` B (pixels), lenses, and the `shift` of their mean colour B."""

    blur: Tensor
    lenses: list[Lens | None]
    shift: Tensor


@dataclass(frozen=True)
class Camera:
    """What happens to composites, in this order: each B, `gain` B x 3, the grain's `corner` B x 2."""

    blur: Tensor
    gain: Tensor
    gamma: Tensor
    sharpen: Tensor
    noise: Tensor
    corner: Tensor
    quality: Tensor


@dataclass(frozen=True)
class PhotographPlan:
    """Crops of photographs, and of the foregrounds whose trimaps they get."""

    image: Cuts
    shape: Cuts
    trimaps: TrimapPlan
    camera: Camera


@dataclass(frozen=True)
class Plan:
    """A whole batch.

    Attributes:
        layers: Crops of the first foreground, the second, and the background.
        merged: 1 where the second foreground is there, B.
        gamma: Of the light that is mixed, B.
        highlights: On foregrounds; None without.
        scene: The background's.
        camera: The composite's.
        trimaps: The trimaps'.
        doubted: 1 where a foreground, the first and the second, is unknown as a whole, each B; None without any.
        photographs: Further crops; None without.
    """

    layers: tuple[Cuts, Cuts, Cuts]
    merged: Tensor
    gamma: Tensor
    highlights: Noise | None
    scene: Scene
    camera: Camera
    trimaps: TrimapPlan
    doubted: tuple[Tensor, Tensor] | None
    photographs: PhotographPlan | None


class Planner:
    """Draws plans; arguments as of `LiveBatches`, `foregrounds`, `backgrounds` and `photographs` being rows."""

    def __init__(
        self,
        layers: Layers,
        foregrounds: Sequence[int],
        backgrounds: Sequence[int],
        photographs: Sequence[int],
        trimap: TrimapParams,
        distill: DistillParams,
    ) -> None:
        self.layers = layers
        self.foregrounds, self.backgrounds, self.photographs = foregrounds, backgrounds, photographs
        self.trimap, self.distill = trimap, distill

    def draw(self, rngs: Generators, photograph_rngs: Generators) -> Plan:
        """Draw a batch of as many crops as there are generators, and photographs likewise."""
        first, second = self._cuts(rngs, self.foregrounds), self._cuts(rngs, self.foregrounds)
        background = self._cuts(rngs, self.backgrounds)
        merged = _flag(rngs, self.distill.second_foreground)
        linear = _flag(rngs, self.distill.linear_light) > 0
        gamma = torch.where(linear, _draw(rngs, lambda rng: rng.uniform(*GAMMAS)), 1)
        return Plan(
            (first, second, background),
            merged,
            gamma,
            self._highlights(rngs) if self.distill.highlights else None,
            self._scene(rngs),
            self._camera(rngs),
            plan_trimaps(self.trimap, rngs, first.sides, self.distill.crop),
            self._doubted(rngs, first, second, merged) if self.trimap.whole_flat else None,
            self._photographs(photograph_rngs) if photograph_rngs else None,
        )

    def _cuts(self, rngs: Generators, indices: Sequence[int]) -> Cuts:
        crop, chosen, thetas, halved, sides = self.distill.crop, [], [], [], []
        for rng in rngs:
            index = indices[int(rng.integers(len(indices)))]
            pixels, points = self.layers[index]
            height, width = pixels.shape[1:]
            row, column = points[int(rng.integers(len(points)))]
            to_layer = random_affine(rng, (int(row), int(column)), (height, width), crop)
            zoom = zoom_of(to_layer)
            chosen.append(index)
            thetas.append(normalised(to_layer, crop, height, width))
            halved.append(zoom < FINE)
            sides.append(zoom * max(height, width))
        gain = _draw(rngs, lambda rng: rng.uniform(0.7, 1.3) * rng.uniform(0.9, 1.1, 3))
        gamma = _draw(rngs, lambda rng: rng.uniform(0.75, 1.33))
        strength = _strength(rngs, SHADED, 0.1, 0.5)
        shade = Noise(strength, _cells(rngs, 2, crop / 8), _corner(rngs))
        return Cuts(torch.tensor(chosen), torch.from_numpy(np.stack(thetas)), halved, sides, gain, gamma, shade)

    def _highlights(self, rngs: Generators) -> Noise:
        """From the scale of a hair to that of a lock."""
        strength, crop = _strength(rngs, self.distill.highlights, 0.5, 2.5), self.distill.crop
        return Noise(strength, _cells(rngs, crop / 24, crop / 3), _corner(rngs))

    def _scene(self, rngs: Generators) -> Scene:
        blur, lenses = _strength(rngs, BLURRED_BACKGROUNDS, 1, 6), [self._lens(rng) for rng in rngs]
        sharp = torch.tensor([lens is None for lens in lenses])
        return Scene(blur * sharp, lenses, _strength(rngs, SHIFTED, 0.3, 0.95))

    def _lens(self, rng: np.random.Generator) -> Lens | None:
        """A lens for a background with probability `defocus`."""
        if not self.distill.defocus:
            return None
        drawn = draw_lens(rng, self.distill.crop / WIDEST)
        return drawn if rng.random() < self.distill.defocus else None

    def _camera(self, rngs: Generators) -> Camera:
        return Camera(
            blur=_strength(rngs, 0.2, 0.3, 0.8),
            gain=_draw(rngs, lambda rng: rng.uniform(0.85, 1.15) * rng.uniform(0.95, 1.05, 3)),
            gamma=_draw(rngs, lambda rng: rng.uniform(0.85, 1.18)),
            sharpen=_strength(rngs, 0.2, 0.2, 0.8),
            noise=_strength(rngs, 0.4, 0.003, 0.03),
            corner=_corner(rngs),
            quality=_flag(rngs, 0.25) * _draw(rngs, lambda rng: rng.integers(60, 97)),
        )

    def _doubted(self, rngs: Generators, first: Cuts, second: Cuts, merged: Tensor) -> tuple[Tensor, Tensor] | None:
        flag = _flag(rngs, self.trimap.whole_flat)
        both = flag * self._is_flat(first), flag * merged * self._is_flat(second)
        return both if any(part.any() for part in both) else None

    def _is_flat(self, cuts: Cuts) -> Tensor:
        """1 for layers of a flat material, else 0: B."""
        flat = [self.layers.rows[i].material in FLAT for i in cuts.index.tolist()]
        return torch.tensor(flat, dtype=torch.float32)

    def _photographs(self, rngs: Generators) -> PhotographPlan:
        image, shape = self._cuts(rngs, self.photographs), self._cuts(rngs, self.foregrounds)
        trimaps = plan_trimaps(self.trimap, rngs, shape.sides, self.distill.crop)
        return PhotographPlan(image, shape, trimaps, self._camera(rngs))


def _draw(rngs: Generators, one: Callable[[np.random.Generator], Any]) -> Tensor:
    """One draw per generator as float32, B or B x 3."""
    return torch.tensor(np.stack([one(rng) for rng in rngs]), dtype=torch.float32)


def _flag(rngs: Generators, probability: float) -> Tensor:
    """1 with this probability, else 0, per generator."""
    return _draw(rngs, lambda rng: rng.random() < probability)


def _strength(rngs: Generators, probability: float, low: float, high: float) -> Tensor:
    """One strength per generator: uniform in [`low`, `high`] with this probability, else 0."""
    return _flag(rngs, probability) * _draw(rngs, lambda rng: rng.uniform(low, high))


def _cells(rngs: Generators, low: float, high: float) -> Tensor:
    """Cells of noise along an image's side, log-uniform whole numbers."""
    return _draw(rngs, lambda rng: round(np.exp(rng.uniform(np.log(low), np.log(high)))))


def _corner(rngs: Generators) -> Tensor:
    """Corners of the pieces of stored noise, B x 2."""
    return torch.from_numpy(np.stack([rng.integers(photometry.GRAIN_SIDE, size=2) for rng in rngs]))
