"""Sampling of feature maps: where points lie, what cells a crop reads, and what they are averaged to."""

import numpy as np
import pytest
import torch
from torch.nn.functional import affine_grid, avg_pool2d, grid_sample

from erkd.batches.crops import normalised, random_affine
from erkd.features.sampling import crop_points, points_per_cell, sample_maps

IDENTITY = torch.eye(2, 3)[None]


def coordinates(height, width, channels=2):
    """A map whose cells hold their own row and column, then noise."""
    noise = np.random.default_rng(0).normal(size=(channels - 2, height, width))
    return np.concatenate([np.indices((height, width)), noise]).astype(np.float16)


def test_cells_of_a_crop_read_their_own_place():
    """The right lower quarter of a map of 6 x 8 cells, and a smaller map at a quarter of its cells, mirrored."""
    theta = torch.tensor([[[0.5, 0, 0.5], [0, 0.5, 0.5]], [[-1.0, 0, 0], [0, 1, 0]]])
    maps, extents = [coordinates(6, 8), coordinates(4, 4)], torch.tensor([[6.0, 8], [4, 4]])
    sampled = sample_maps(maps, theta, extents, (3, 4))
    torch.testing.assert_close(sampled[0, :, 0, 0], torch.tensor([3.0, 4.0]))
    torch.testing.assert_close(sampled[0, :, 2, 3], torch.tensor([5.0, 7.0]))
    torch.testing.assert_close(sampled[1, 1, 0], torch.tensor([3.0, 2, 1, 0]))
    middle = IDENTITY * 0.5  # 4 x 4 cells in 1 x 2, of which each is the mean of 4 x 2
    coarse = sample_maps([coordinates(8, 8)], middle, torch.tensor([[8.0, 8]]), (1, 2))
    torch.testing.assert_close(coarse[0], torch.tensor([[[3.5, 3.5]], [[2.5, 4.5]]]))


def test_points_are_counted_in_cells_of_the_image_and_mirrored_at_its_border():
    """An image of 2.5 columns, of which a crop takes the right half and as much beyond."""
    extents, theta = torch.tensor([[2.0, 2.5]]), torch.tensor([[[1.0, 0, 1], [0, 1, 0]]])
    rows, columns = crop_points(theta, extents, (1, 5), 1)
    torch.testing.assert_close(columns[0, 0], torch.tensor([1.5, 2.0, 2.5, 2.0, 1.5]))
    assert rows[0, 0].tolist() == [1.0] * 5


@pytest.mark.parametrize(("scale", "count"), [(0.3, 1), (1.4, 1), (1.6, 2), (3, 3)])
def test_a_cell_takes_as_many_points_as_it_spans_cells(scale, count):
    theta = IDENTITY * torch.tensor([[[0.5], [1.0]]])  # half as wide
    assert points_per_cell(theta, torch.tensor([[4.0, 4.0]]) * scale, (4, 4)).tolist() == [count]


def test_windows_give_what_whole_maps_give(rng):
    """Crops as training draws them, of maps of several sizes: also where they reach beyond the image."""
    maps = [coordinates(height, width, 5) for height, width in ((40, 40), (27, 40), (12, 30), (5, 6))] * 3
    sizes = [(16 * found.shape[1], 16 * found.shape[2]) for found in maps]
    drawn = [random_affine(rng, (0, int(rng.integers(width))), (height, width), 96) for height, width in sizes]
    theta = torch.from_numpy(np.stack([normalised(a, 96, *size) for a, size in zip(drawn, sizes, strict=True)]))
    extents = torch.tensor([found.shape[1:] for found in maps]).float()
    sampled, counts = sample_maps(maps, theta, extents, (6, 6)), points_per_cell(theta, extents, (6, 6))
    assert counts.unique().tolist() == [1, 2]
    for found, own, count, result in zip(maps, theta, counts.tolist(), sampled, strict=True):
        grid = affine_grid(own[None], [1, 1, 6 * count, 6 * count], align_corners=False)
        whole = torch.from_numpy(found.astype(np.float32))[None]
        expected = grid_sample(whole, grid, padding_mode="reflection", align_corners=False)
        torch.testing.assert_close(result, avg_pool2d(expected, count)[0], rtol=1e-4, atol=1e-4)


def test_a_crop_does_not_depend_on_those_beside_it(rng):
    maps, extents = [coordinates(30, 20, 4)] * 6, torch.tensor([[30.0, 20]]).repeat(6, 1)
    theta = torch.from_numpy(rng.uniform(-0.7, 0.7, (6, 2, 3)).astype(np.float32))
    together = sample_maps(maps, theta, extents, (8, 8))
    for row in range(6):
        alone = sample_maps(maps[:1], theta[row : row + 1], extents[:1], (8, 8))
        assert torch.equal(alone[0], together[row])


def test_cells_away_from_a_crop_are_not_read():
    """A crop of the cells 4 to 7 of 16 x 16, moved by less than a cell."""
    found = np.full((1, 16, 16), np.nan, np.float16)
    found[:, 4:9, 4:9] = 1
    theta = torch.tensor([[[0.25, 0, -0.25 + 0.25 / 8], [0, 0.25, -0.25]]])
    assert sample_maps([found], theta, torch.tensor([[16.0, 16]]), (4, 4)).unique().tolist() == [1]
