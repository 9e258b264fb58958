"""Training batches, fixed by (seed, step, position) alone.

A batch does not depend on what was drawn before it, so training can resume at any step and be shared out
among processes.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset


@dataclass(frozen=True)
class Crops:
    """Where a batch's crops lie in cached images, and how much of what the crop shows comes from them.

    `index` B: each crop's image among the cached ones; `theta` B x 2 x 3: from the crop's normalised
    coordinates to the whole image's, as `torch.nn.functional.affine_grid` reads it; `share` B x 1 x S x S in
    [0, 1]. The shares of a batch add up to 1.
    """

    index: Tensor
    theta: Tensor
    share: Tensor


@dataclass(frozen=True)
class Batch:
    """B crops of S x S pixels.

    `image` B x 3 x S x S in [0, 1]; `trimap` B x 1 x S x S of 0, 0.5, 1; `alpha` B x 1 x S x S in [0, 1];
    `crops` has one entry for a stored composite, and one for each layer of a live one, the background last;
    `foreground` and `background` B x 3 x S x S in [0, 1] are known for live composites alone.
    """

    image: Tensor
    trimap: Tensor
    alpha: Tensor
    crops: tuple[Crops, ...]
    foreground: Tensor | None = None
    background: Tensor | None = None

    @property
    def unknown(self) -> Tensor:
        """1 in the unknown region, B x 1 x S x S."""
        return (self.trimap == 0.5).to(self.image.dtype)

    def to(self, device: torch.device) -> "Batch":
        """The same batch on `device`."""

        def move(part: Tensor) -> Tensor:
            return part.to(device, non_blocking=True)

        return replace(
            self,
            image=move(self.image),
            trimap=move(self.trimap),
            alpha=move(self.alpha),
            crops=tuple(Crops(move(v.index), move(v.theta), move(v.share)) for v in self.crops),
            foreground=None if self.foreground is None else move(self.foreground),
            background=None if self.background is None else move(self.background),
        )


def training_batches(batches: Dataset[Batch], steps: range, workers: int) -> Iterator[Batch]:
    """The batches of `steps` in their order, made ahead by `workers` processes; their number changes nothing."""
    own = torch.Generator()  # the loader's seed for its workers, which draw nothing from it
    return iter(DataLoader(batches, batch_size=None, sampler=steps, num_workers=workers, generator=own))
