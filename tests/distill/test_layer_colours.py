"""The control that regresses colours: by hand, and at equality."""

from dataclasses import replace

import pytest
import torch
from torch import nn

from erkd.distill.layer_colours import coarse_colours
from tests.support.students import layered_batch, small_methods, small_student


def test_coarse_colours_are_means_under_the_share():
    colours = torch.zeros(1, 3, 8, 16)
    colours[:, 0, :, 4:8] = 0.6
    colours[:, 1, 0, 0] = 0.9
    share = torch.zeros(1, 1, 8, 16)
    share[..., 2:6] = 1  # half without colour, half with
    found = coarse_colours(colours, share)
    assert found.shape == (1, 3, 1, 2)
    assert found[0, :, 0, 0].tolist() == pytest.approx([0.3, 0, 0])
    assert found[0, :, 0, 1].tolist() == [0, 0, 0]


class Constant(nn.Module):
    """Heads that say the same everywhere."""

    def __init__(self, *colours):
        super().__init__()
        self.colours = torch.tensor(colours)[None, :, None, None]

    def forward(self, level):
        return self.colours.expand(len(level), 6, *level.shape[-2:])


def test_the_loss_is_the_mean_distance_of_the_colours():
    student, batch = small_student(), layered_batch()  # flat layers: 0.9, 0.1, 0.2 and 0.1, 0.3, 0.8
    method = small_methods(student, "fb")["fb"]
    matte = student(batch.image, batch.trimap)
    method.heads = Constant(0.9, 0.1, 0.2, 0.1, 0.3, 0.8)
    assert all(loss.item() == pytest.approx(0, abs=1e-6) for loss in method(matte, batch, 0.0).values())
    method.heads = Constant(0.9, 0.1, 0.5, 0.1, 0.9, 0.8)
    losses = method(matte, batch, 0.0)
    assert losses["foreground"].item() == pytest.approx(0.5 * 0.3 / 3, rel=1e-4)
    assert losses["background"].item() == pytest.approx(0.5 * 0.6 / 3, rel=1e-4)


def test_unknown_cells_gain():
    """Foreground colours are wrong by 0.3 in one channel in the column of cells that touches the unknown, 4 of 8."""
    student, batch = small_student(), layered_batch()
    colours = batch.foreground.clone()
    colours[:, 2, :, 24:32] += 0.3
    batch = replace(batch, foreground=colours)
    method = small_methods(student, "fb", fb={"unknown_gain": 3.0})["fb"]
    method.heads = Constant(0.9, 0.1, 0.2, 0.1, 0.3, 0.8)
    found = method(student(batch.image, batch.trimap), batch, 0.0)["foreground"].item()
    # shares of alpha: 1 in three columns of known cells; 24 to 31 hold alpha 1 in 28 pixels of 32 ...
    alpha = batch.alpha[0, 0, 0]
    inner, outer = alpha[24:32].mean().item(), alpha[32:40].mean().item()
    expected = 0.5 * 0.1 * 3 * inner / (3 * 1 + 3 * inner + 3 * outer)
    assert found == pytest.approx(expected, rel=1e-4)
