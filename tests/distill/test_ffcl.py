"""Peers and their fusion: by hand, and what each loss trains."""

import math

import pytest
import torch

from erkd.distill.ffcl import mutual_distance
from tests.support.students import edge_batch, small_methods, small_student


def flat(batch, value):
    return torch.full_like(batch.alpha, value)


def test_mutual_distance_by_hand():
    batch = edge_batch()
    # 0.7 to 0.4, 0.1 to 0.4, and 0.4 to their mean 0.4
    value = mutual_distance(flat(batch, 0.7), flat(batch, 0.1), flat(batch, 0.4), batch)
    assert value.item() == pytest.approx(0.3 + 0.3 + 0, abs=1e-5)
    alpha = flat(batch, 0.3)
    assert mutual_distance(alpha, alpha, alpha, batch).item() == pytest.approx(0, abs=1e-5)


def test_what_teaches_is_not_taught_by_its_pupils():
    batch = edge_batch()
    student, peer, fused = (flat(batch, value).requires_grad_() for value in (0.7, 0.2, 0.4))
    mutual_distance(student, peer, fused, batch).backward()
    unknown = batch.unknown.bool()
    share = 1 / batch.unknown.sum()
    # the mean of student and peer, 0.45, lies above the fused alpha, which is drawn up by that alone
    torch.testing.assert_close(fused.grad[unknown], -share.expand(int(unknown.sum())))
    torch.testing.assert_close(student.grad[unknown], share.expand(int(unknown.sum())))
    torch.testing.assert_close(peer.grad[unknown], -share.expand(int(unknown.sum())))


def test_the_peer_is_another_student_and_learns_from_the_start():
    student, batch = small_student().train(), edge_batch()
    method = small_methods(student, "ffcl", ffcl={"ramp": 0.5})["ffcl"]
    assert not torch.equal(student.fusion.project.weight, method.peer.fusion.project.weight)
    matte = student(batch.image, batch.trimap)
    first, half, full = (method(matte, batch, progress) for progress in (0.0, 0.25, 0.5))
    assert first["peer"] > 0
    assert first["fused"] > 0
    assert first["mutual"].item() == pytest.approx(math.exp(-5) * full["mutual"].item(), rel=0.05)
    assert half["mutual"].item() == pytest.approx(math.exp(-1.25) * full["mutual"].item(), rel=0.05)


def test_the_peers_own_loss_leaves_the_student_alone_and_the_fused_one_does_not():
    student, batch = small_student().train(), edge_batch()
    method = small_methods(student, "ffcl")["ffcl"]
    losses = method(student(batch.image, batch.trimap), batch, 0.0)
    losses["peer"].backward(retain_graph=True)
    assert all(p.grad is None for p in student.parameters())
    assert method.peer.head.out.weight.grad.abs().sum() > 0
    torch.nn.init.normal_(method.head.head.out.weight)
    losses = method(student(batch.image, batch.trimap), batch, 0.0)
    method.zero_grad()
    losses["fused"].backward()
    assert method.peer.decoder.fuse[0][0].weight.grad.abs().sum() > 0
    assert student.decoder.fuse[0][0].weight.grad.abs().sum() > 0
