"""Sampling of feature maps for crops: only the cells under a crop are read, and averaged where its own are wider.

Maps may differ in size. A cell of a crop is a weighted bag of its map's cells: bilinear at the cell's centre or,
where it is wider than 1.5 cells of the map, the mean over n x n points. Outside the image maps are mirrored, as live
composites are.
"""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import affine_grid, embedding_bag

from erkd.features.maps import Map


def sample_maps(maps: Sequence[Map], theta: Tensor, extents: Tensor, size: Sequence[int]) -> Tensor:
    """Sample a map for each of B crops: B x C x h x w, float32, on the CPU.

    Args:
        maps: B maps, each C x Gh x Gw; of a memory map no more than a window is read.
        theta: From crop to image coordinates, as `affine_grid` takes them with align_corners=False, B x 2 x 3.
        extents: Heights and widths of the images in cells of their maps, B x 2; a map covers at least its image.
        size: Cells of a crop (h, w).
    """
    counts = points_per_cell(theta, extents, size)
    sampled = torch.empty(len(maps), maps[0].shape[0], *size)
    for count in counts.unique().tolist():  # crops of equal n together
        chosen = torch.nonzero(counts == count)[:, 0]
        rows, columns = crop_points(theta[chosen], extents[chosen], size, count)
        sampled[chosen] = _averaged([maps[i] for i in chosen.tolist()], rows, columns, size, count)
    return sampled


def points_per_cell(theta: Tensor, extents: Tensor, size: Sequence[int]) -> Tensor:
    """n of each crop, B: how many cells of its map a cell of the crop spans along its longer side, rounded."""
    spans = theta[:, :, :2] * extents.flip(1)[:, :, None] / torch.tensor([size[1], size[0]])
    return spans.norm(dim=1).amax(1).round().clamp(min=1).long()


def crop_points(theta: Tensor, extents: Tensor, size: Sequence[int], count: int) -> tuple[Tensor, Tensor]:
    """Rows and columns of n x n points of each cell of crops, each B x n h x n w.

    They are counted in cells from the image's corner, and mirrored at its borders where they lie outside.
    """
    grid = affine_grid(theta, [len(theta), 1, count * size[0], count * size[1]], align_corners=False)
    height, width = extents[:, :, None, None].unbind(1)
    return _mirrored(grid[..., 1], height), _mirrored(grid[..., 0], width)


def _mirrored(points: Tensor, side: Tensor) -> Tensor:
    """Points of [-1, 1] and beyond, in [0, `side`]."""
    way = (points + 1) / 4  # 1 is there and back
    return side - ((way - way.floor()) * 2 - 1).abs() * side


def _averaged(maps: Sequence[Map], rows: Tensor, columns: Tensor, size: Sequence[int], count: int) -> Tensor:
    """Bilinear values of maps at points, averaged over n x n of them: B x C x h x w."""
    tops, heights, down = _window(rows, [found.shape[1] for found in maps])
    lefts, widths, across = _window(columns, [found.shape[2] for found in maps])
    frames = zip(maps, *(part.tolist() for part in (tops, heights, lefts, widths)), strict=True)
    windows = [
        np.ascontiguousarray(found[:, top : top + height, left : left + width].transpose(1, 2, 0))
        for found, top, height, left, width in frames
    ]
    starts = (heights * widths).cumsum(0) - heights * widths
    starts, widths = starts[:, None, None], widths[:, None, None]
    corners = [(starts + row * widths + column, v * h) for row, v in down for column, h in across]
    cells, weights = (by_cell(torch.stack(parts, -1), size, count) for parts in zip(*corners, strict=True))
    flat = np.concatenate([window.reshape(-1, window.shape[-1]) for window in windows])
    sampled = embedding_bag(cells, torch.from_numpy(flat).float(), mode="sum", per_sample_weights=weights / count**2)
    return sampled.unflatten(0, (len(maps), *size)).permute(0, 3, 1, 2)


def _window(points: Tensor, sides: Sequence[int]) -> tuple[Tensor, Tensor, list[tuple[Tensor, Tensor]]]:
    """Along one axis, for `points` B x n h x n w of maps of `sides` cells.

    Returns the first cell of each window and its length, each B, and both neighbours of the points, as a number of
    cells from the window's first and a weight.
    """
    beside = neighbours(points, torch.tensor(sides)[:, None, None] - 1)
    (before, _), (after, _) = beside
    first = before.flatten(1).amin(1)
    length = after.flatten(1).amax(1) - first + 1
    return first, length, [(cell - first[:, None, None], weight) for cell, weight in beside]


def neighbours(points: Tensor, last: Tensor) -> list[tuple[Tensor, Tensor]]:
    """Both cells beside points that are counted from the image's corner, and their bilinear weights."""
    centred = torch.minimum((points - 0.5).clamp(min=0), last)  # 0 is the first cell's centre
    before = centred.long()
    share = centred - before
    return [(before, 1 - share), (torch.minimum(before + 1, last), share)]


def by_cell(corners: Tensor, size: Sequence[int], count: int) -> Tensor:
    """Regroup corners of points, B x n h x n w x 4, by the crop's cells: B h w x 4 n n."""
    height, width = size
    regrouped = corners.reshape(-1, height, count, width, count, 4).transpose(2, 3)
    return regrouped.reshape(-1, 4 * count**2)
