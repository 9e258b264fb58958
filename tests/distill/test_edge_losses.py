"""Edge losses: by hand, at equality, and what each of their forms leaves free."""

import math

import pytest
import torch
from torch.nn.functional import avg_pool2d

from erkd.distill.edge_losses import alpha_gradient, edge_direction, edge_loss
from tests.support.students import edge_batch, small_methods, small_student, vertical_edge

COARSE = {stride: lambda alpha, stride=stride: alpha_gradient(avg_pool2d(alpha, stride)) for stride in (2, 4)}
PLAIN = {stride: lambda alpha, stride=stride: avg_pool2d(alpha_gradient(alpha), stride) for stride in (2, 4)}


@pytest.mark.parametrize(("form", "true"), [("alpha", PLAIN), ("coarse", COARSE)])
def test_edges_equal_to_the_alpha_gradient_cost_nothing(form, true):
    batch = edge_batch()
    perfect = {stride: gradient(batch.alpha) for stride, gradient in true.items()}
    assert edge_loss(perfect, batch, form) == 0
    off = {stride: edges + 0.5 for stride, edges in perfect.items()}
    assert edge_loss(off, batch, form) == pytest.approx(0.5)
    # alpha falls from left to right, and is flat from top to bottom
    assert perfect[2][:, 0, :, 15:17].max() < 0
    assert perfect[2][:, 1].abs().max() < 1e-6


def test_only_direction_counts_and_long_gradients_count_more():
    true = torch.tensor([[3.0, 0.0], [0.0, 1.0], [0.0, 0.0]]).T[None, :, :, None]  # the last cell is flat
    touched = torch.ones(1, 1, 3, 1)
    predicted = torch.tensor([[1.0, 1.0], [0.0, -2.0], [5.0, 5.0]]).T[None, :, :, None]
    expected = (3 * (1 - math.cos(math.pi / 4)) + 1 * 2) / 4
    assert edge_direction(predicted, true, touched).item() == pytest.approx(expected, abs=1e-6)
    assert edge_direction(0.1 * true, true, touched).item() == pytest.approx(0, abs=1e-6)
    touched[:, :, 1] = 0
    assert edge_direction(predicted, true, touched).item() == pytest.approx(1 - math.cos(math.pi / 4), abs=1e-6)


@pytest.mark.parametrize("stride", [2, 4])
def test_a_coarse_target_says_less_of_how_sharp_an_edge_is(stride):
    """The height of an edge three cells wide over that of a sharp one."""
    sharp, soft = (vertical_edge(count=1, soft=width)[2] for width in (1, 3 * stride))
    plain, coarse = (true[stride](soft).abs().max() / true[stride](sharp).abs().max() for true in (PLAIN, COARSE))
    assert plain < 0.7
    assert coarse > 0.8


@pytest.mark.parametrize("form", ["alpha", "coarse", "direction"])
def test_every_form_trains_the_edge_module_alone_and_stays_finite_without_edges(form):
    student, batch = small_student().train(), edge_batch()
    alone = {"edge_target": form, "edge": 0.5, "feature": 0.0, "text": 0.0}
    method = small_methods(student, "erkd", erkd=alone)["erkd"]
    method(student(batch.image, batch.trimap), batch, 0.0)["edge"].backward()
    reached = {name.split(".")[0] for name, p in student.named_parameters() if p.grad is not None and p.grad.any()}
    assert reached == {"edge_reserved"}
    flat = edge_batch(alpha=torch.ones_like(batch.alpha))
    edges = {2: torch.zeros(2, 2, 32, 32, requires_grad=True)}
    loss = edge_loss(edges, flat, form)
    loss.backward()
    assert loss.item() == pytest.approx(0, abs=1e-6)
    assert edges[2].grad.isfinite().all()
