"""The training batch. Every crop is a function of (seed, step, position in the batch) only.

So training can resume at any step, and processes can share a batch.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset


@dataclass(frozen=True)
class Crops:
    """One layer's crops of a batch, as the feature cache needs them.

    Attributes:
        index: Rows of the cache, B.
        theta: Affine maps from the crop's to the whole image's normalised coordinates, as
            `torch.nn.functional.affine_grid` takes them, B x 2 x 3.
        share: The layer's contribution to each pixel, B x 1 x S x S in [0, 1]; over all layers it sums to 1.
    """

    index: Tensor
    theta: Tensor
    share: Tensor


@dataclass(frozen=True)
class Batch:
    """B training crops of S x S pixels.

    Attributes:
        image: B x 3 x S x S in [0, 1].
        trimap: B x 1 x S x S of 0, 0.5, 1.
        alpha: B x 1 x S x S in [0, 1].
        crops: One entry for stored composites; one per layer, the background last, for live ones.
        foreground: B x 3 x S x S in [0, 1], as `background`; None for stored composites.
    """

    image: Tensor
    trimap: Tensor
    alpha: Tensor
    crops: tuple[Crops, ...]
    foreground: Tensor | None = None
    background: Tensor | None = None

    @property
    def unknown(self) -> Tensor:
        """1 in the unknown region, else 0, B x 1 x S x S."""
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
    """Iterate over the batches of `steps`, prefetched by `workers` processes (their number does not change them)."""
    own = torch.Generator()  # else the loader draws its workers' seed from the global generator
    return iter(DataLoader(batches, batch_size=None, sampler=steps, num_workers=workers, generator=own))
