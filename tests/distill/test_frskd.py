"""Self-distillation: the pyramid's shapes, its fusion by hand, and when it teaches."""

import math

import pytest
import torch

from erkd.distill.frskd import Node, SelfTeacher
from erkd.distill.map_distances import activation, unit_distance
from erkd.students.losses import alpha_loss, charbonnier
from tests.support.students import edge_batch, small_methods, small_student


def test_every_level_of_the_self_teacher_is_twice_as_wide_and_sees_every_level_of_the_student():
    channels = [4, 6, 8, 10]
    self_teacher = SelfTeacher(channels).eval()
    for seen, width in enumerate(channels):
        levels = [torch.rand(2, c, 32 >> i, 32 >> i, requires_grad=True) for i, c in enumerate(channels)]
        refined = self_teacher(levels)[seen]
        assert refined.shape == (2, 2 * width, 32 >> seen, 32 >> seen)
        assert refined.min() >= 0
        refined.sum().backward()
        assert all(level.grad is not None and level.grad.abs().sum() > 0 for level in levels)


def test_nodes_take_the_weighted_mean_of_their_inputs():
    node = Node(3, 1)
    node.refine = torch.nn.Identity()
    node.weight.data = torch.tensor([1.0, 3.0, -2.0])  # a negative weight counts as 0
    parts = [torch.full((1, 1, 1, 1), value) for value in (4.0, 8.0, 100.0)]
    assert node(*parts).item() == pytest.approx(7, rel=1e-5)


def test_the_self_teacher_learns_from_the_start_and_teaches_later():
    student, batch = small_student().train(), edge_batch()
    method = small_methods(student, "frskd", frskd={"start": 0.5})["frskd"]
    matte = student(batch.image, batch.trimap)
    early, half, late = (method(matte, batch, progress) for progress in (0.4, 0.75, 1.0))
    assert early["alpha"] > 0
    assert early["response"] == early["attention"] == 0
    for part in ("response", "attention"):
        assert half[part].item() == pytest.approx(math.exp(-1.25) * late[part].item(), rel=1e-4)
        assert late[part] > 0


def test_the_losses_are_those_of_the_parts():
    student, batch = small_student().train(), edge_batch()
    method = small_methods(student, "frskd", frskd={"response": 2.0, "attention": 30.0})["frskd"].eval()
    matte = student(batch.image, batch.trimap)
    losses = method(matte, batch, 1.0)
    levels = list(matte.levels.values())
    refined = method.self_teacher(levels)
    alpha = method.head(refined[0], matte, batch)
    attention = sum(unit_distance(activation(f), activation(t)) for f, t in zip(levels, refined, strict=True))
    torch.testing.assert_close(losses["alpha"], alpha_loss(alpha, batch.alpha, batch.unknown, 0.2))
    torch.testing.assert_close(losses["response"], 2 * charbonnier(matte.alpha, alpha, batch.unknown))
    torch.testing.assert_close(losses["attention"], 30 * attention)


def test_only_its_own_alpha_loss_trains_the_self_teacher():
    student, batch = small_student().train(), edge_batch()
    method = small_methods(student, "frskd")["frskd"]
    losses = method(student(batch.image, batch.trimap), batch, 1.0)
    (losses["response"] + losses["attention"]).backward(retain_graph=True)
    assert all(p.grad is None for p in method.parameters())
    assert student.encoder.trunk.model.conv_stem.weight.grad.abs().sum() > 0
    losses["alpha"].backward()
    assert all(p.grad is not None for p in method.self_teacher.parameters())
