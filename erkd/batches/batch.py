"""The training batch. Every crop is a function of (seed, step, position in the batch) only.

So training can resume at any step, and processes can share a batch.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any, Self, TypeVar

import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

Item = TypeVar("Item")


@dataclass(frozen=True)
class Crops:
    """One layer's crops of a batch, as the feature cache needs them; `index` and `theta` stay on the CPU.

    Attributes:
        index: Rows of the cache, B.
        theta: Affine maps from the crop's to the whole image's normalised coordinates, as
            `torch.nn.functional.affine_grid` takes them, B x 2 x 3.
        share: The layer's contribution to each pixel, B x 1 x S x S in [0, 1]; over all layers it sums to 1.
    """

    index: Tensor
    theta: Tensor
    share: Tensor

    def to(self, device: torch.device) -> Self:
        """The same crops with their shares on `device`."""
        return replace(self, share=self.share.to(device, non_blocking=True))


@dataclass(frozen=True)
class Inputs:
    """B training crops of S x S pixels as the student sees them, and where the teacher's features of them are.

    Attributes:
        image: B x 3 x S x S in [0, 1].
        trimap: B x 1 x S x S of 0, 0.5, 1.
        crops: One entry for stored composites and photographs; one per layer, the background last, for live ones.
    """

    image: Tensor
    trimap: Tensor
    crops: tuple[Crops, ...]

    @property
    def unknown(self) -> Tensor:
        """1 in the unknown region, else 0, B x 1 x S x S."""
        return (self.trimap == 0.5).to(self.image.dtype)

    def to(self, device: torch.device) -> Self:
        """The same crops on `device`."""
        moved: dict[str, Any] = {"crops": tuple(crops.to(device) for crops in self.crops)}
        for name, part in vars(self).items():
            if isinstance(part, Tensor):
                moved[name] = part.to(device, non_blocking=True)
            elif isinstance(part, Inputs):
                moved[name] = part.to(device)
        return replace(self, **moved)


@dataclass(frozen=True)
class Batch(Inputs):
    """B training crops with their alpha, and possibly further crops without.

    Attributes:
        alpha: B x 1 x S x S in [0, 1].
        foreground: B x 3 x S x S in [0, 1], as `background`; None for stored composites.
        photographs: Crops of photographs, which have no alpha, in any number; None without.
    """

    alpha: Tensor
    foreground: Tensor | None = None
    background: Tensor | None = None
    photographs: Inputs | None = None


def loader(items: Dataset[Item], steps: range, workers: int) -> Iterable[Item]:
    """The items of `steps`, prefetched by `workers` processes (their number does not change them)."""
    own = torch.Generator()  # else the loader draws its workers' seed from the global generator
    return DataLoader(items, batch_size=None, sampler=steps, num_workers=workers, generator=own)
