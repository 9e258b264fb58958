"""A cache's maps in a GPU's memory, sampled there for all crops at once."""

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import embedding_bag

from erkd.features.maps import PackedMaps
from erkd.features.sampling import by_cell, crop_points, neighbours, points_per_cell

RESIDENT = 6_000_000_000  # bytes of features that are taken into a GPU's memory


@dataclass(frozen=True)
class ResidentMaps:
    """`PackedMaps` on a device.

    Attributes:
        cells: All cells, their number x C, float16.
        starts: The first cell of each image, N.
        grids: Rows and columns of each image, N x 2.
    """

    cells: Tensor
    starts: Tensor
    grids: Tensor

    @classmethod
    def of(cls, maps: PackedMaps, device: torch.device) -> "ResidentMaps | None":
        """The maps on `device`; None if they are larger than `RESIDENT`."""
        if maps.cells.nbytes > RESIDENT:
            return None
        starts, grids = (torch.from_numpy(part.copy()).to(device) for part in (maps.starts[:-1], maps.grids))
        return cls(torch.from_numpy(maps.cells[:]).to(device), starts, grids)

    def sample(self, index: Tensor, theta: Tensor, extents: Tensor, size: tuple[int, int]) -> Tensor:
        """`sampling.sample_maps` of the images `index` B: B x C x h x w, float32, on the device.

        `index`, `theta` and `extents` are on the CPU, so that nothing is waited for. Weights are rounded to float16.
        """
        device = self.cells.device
        counts = points_per_cell(theta, extents, size)
        sampled = torch.empty(len(index), self.cells.shape[1], *size, device=device)
        for count in counts.unique().tolist():  # crops of equal n together
            chosen = torch.nonzero(counts == count)[:, 0]
            there = index[chosen].to(device, non_blocking=True)
            own, inside = (part[chosen].to(device, non_blocking=True) for part in (theta, extents))
            rows, columns = crop_points(own, inside, size, count)
            height, width = self.grids[there][:, :, None, None].unbind(1)
            start = self.starts[there][:, None, None]
            corners = [
                (start + row * width + column, down * across)
                for row, down in neighbours(rows, height - 1)
                for column, across in neighbours(columns, width - 1)
            ]
            cells, weights = (by_cell(torch.stack(parts, -1), size, count) for parts in zip(*corners, strict=True))
            weights = (weights / count**2).to(self.cells.dtype)
            bags = embedding_bag(cells, self.cells, mode="sum", per_sample_weights=weights)
            sampled[chosen.to(device)] = bags.float().unflatten(0, (len(chosen), *size)).permute(0, 3, 1, 2)
        return sampled
