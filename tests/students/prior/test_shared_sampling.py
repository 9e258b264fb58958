"""Colour sampling in the graph: rays, pairs and sharing with neighbours, against values by hand."""

import math

import pytest
import torch

from erkd.students.prior.shared_sampling import (
    COLOUR_POWER,
    ERROR_FLOOR,
    FAR,
    colour_cost,
    sample_pairs,
    sample_rays,
    shift,
    softmin,
)


def test_maps_move_and_what_comes_in_is_filled_and_softmin_is_a_softmax():
    maps = torch.arange(6.0).view(1, 1, 2, 3)
    assert shift(maps, 0, 1, -1)[0, 0].tolist() == [[1, 2, -1], [4, 5, -1]]
    assert shift(maps, -1, 0, -1)[0, 0].tolist() == [[-1, -1, -1], [0, 1, 2]]
    assert shift(maps, 5, 0, -1).eq(-1).all()
    cost = torch.randn(2, 5, 3, 3, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(softmin(cost), (-cost).softmax(1))


def one_known(down: int, right: int) -> tuple[torch.Tensor, torch.Tensor]:
    """16 x 16 cells, of which one is known foreground, red, and none background."""
    colours, known = torch.zeros(1, 2, 3, 16, 16), torch.zeros(1, 2, 16, 16)
    colours[0, 0, 0, down, right] = known[0, 0, down, right] = 1
    return colours, known


@pytest.mark.parametrize(
    ("cell", "length"),
    [((4, 15), 11), ((15, 4), 11), ((4, 5), 1), ((9, 9), math.hypot(5, 5)), ((0, 8), math.hypot(4, 4))],
)
def test_a_ray_finds_the_known_cell_and_its_distance(cell, length):
    """Rays along rows and columns for cells of odd number, diagonals for the others."""
    found, distances = sample_rays(*one_known(4, 4))
    ray = distances[0, 0, :, cell[0], cell[1]].argmin()
    assert distances[0, 0, ray, cell[0], cell[1]] == pytest.approx(length)
    assert found[0, 0, :, ray, cell[0], cell[1]].tolist() == [1, 0, 0]
    assert (distances[0, 1] >= FAR).all()  # no background anywhere


def test_the_first_of_two_on_a_ray_is_taken_and_images_of_a_batch_see_their_own_cells():
    one, (colours, known) = one_known(4, 4), one_known(4, 4)
    colours[0, 0, 1, 4, 8] = known[0, 0, 4, 8] = 1  # green
    found, distances = sample_rays(torch.cat([one[0], colours]), torch.cat([one[1], known]))
    torch.testing.assert_close(found[:1], sample_rays(*one)[0])
    assert distances[1, 0, :, 4, 11].amin() == 3
    assert found[1, 0, :, distances[1, 0, :, 4, 11].argmin(), 4, 11].tolist() == [0, 1, 0]


def test_the_cost_is_the_distance_to_the_segment():
    """At 0.3 from it beside, and at 0.2 beyond its end."""
    for foreground, background, squared in (([1.0, 0.3], [-1.0, 0.3], 0.09), ([0.5, 0.0], [0.2, 0.0], 0.04)):
        found = colour_cost(*(torch.tensor([*ends, 0.0])[None, :, None] for ends in (foreground, background)))
        assert found.item() == pytest.approx(COLOUR_POWER * math.log(squared + ERROR_FLOOR), abs=1e-3)


def test_the_pair_that_explains_a_cell_is_chosen():
    """Two foregrounds meet two backgrounds; a mixture of the second ones lies between."""
    image = torch.full((1, 3, 16, 16), 0.5)
    colours, share = torch.zeros(1, 2, 3, 16, 16), torch.zeros(1, 2, 16, 16)
    red, green, blue, black = [*torch.eye(3).tolist(), [0.0, 0.0, 0.0]]
    for side, columns, colour in ((0, 0, red), (0, 1, green), (1, 15, blue), (1, 14, black)):
        colours[0, side, :, :, columns] = torch.tensor(colour)[:, None]
        share[0, side, :, columns] = 1
        image[0, :, :, columns] = torch.tensor(colour)[:, None]
    # from the left the nearest foreground is green, from the right the nearest background black
    image[0, :, :, 2:14] = torch.tensor([0.0, 0.5, 0.0])[:, None, None]
    chosen, valid = sample_pairs(image, colours, share)
    assert valid.eq(1).all()
    middle = chosen[0, :, :, 8, 7]
    torch.testing.assert_close(middle, torch.tensor([green, black]), atol=0.02, rtol=0)
    chosen, valid = sample_pairs(image, *one_known(4, 4))  # no background, no pair
    assert valid.eq(0).all()
    assert chosen.isfinite().all()
