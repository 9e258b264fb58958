"""Boundary and context distillation: by hand, at equality, and what it does not see."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch

from erkd.distill.bcd import boundary_distance, boundary_map, context_divergence
from erkd.distill.map_distances import cosines, unit_distance
from tests.support.students import DIMENSION, edge_batch, random_cache, small_methods, small_student


def test_boundaries_are_where_the_activation_leaves_its_surroundings():
    features = torch.zeros(1, 2, 4, 4)
    features[0, :, 1, 1] = torch.tensor([3.0, 1.0])  # activation (9 + 1) / 2 = 5
    found = boundary_map(features)[0, 0]
    assert found[1, 1].item() == pytest.approx(5 - 5 / 9)
    assert found[2, 2].item() == pytest.approx(5 / 9)
    assert found[0, 0].item() == pytest.approx(5 / 4)  # of the four cells that a corner has around it
    assert found[3].abs().max() == 0
    assert boundary_map(torch.ones(1, 3, 4, 4)).abs().max().item() == pytest.approx(0, abs=1e-6)


def test_unit_distance_and_context_divergence_by_hand():
    first, second = torch.tensor([[3.0, 4.0]])[None, None], torch.tensor([[1.0, 0.0]])[None, None]
    assert unit_distance(first, second).item() == pytest.approx(((0.6 - 1) ** 2 + 0.8**2) / 2)
    assert unit_distance(first, 7 * first).item() == pytest.approx(0, abs=1e-12)
    for side, cells in ((40, 400), (32, 1024)):  # large maps are pooled before all cells are compared
        assert cosines(torch.rand(1, 4, side, side)).shape == (1, cells, cells)
    # two cells, alike for the teacher (cosine 1) and at right angles for the student
    teacher = torch.tensor([[1.0, 1.0], [0.0, 0.0]])[None, :, None, :]
    student = torch.tensor([[1.0, 0.0], [0.0, 1.0]])[None, :, None, :]
    other, own = 1 / (1 + math.e), math.e / (1 + math.e)
    expected = 0.5 * math.log(0.5 / own) + 0.5 * math.log(0.5 / other)
    assert context_divergence(student, teacher, 1.0).item() == pytest.approx(expected, abs=1e-6)


def test_equal_maps_cost_nothing_and_neither_does_another_basis():
    features = torch.randn(2, 6, 8, 8, generator=torch.Generator().manual_seed(0))
    turned = torch.einsum("cd,bdhw->bchw", torch.linalg.qr(torch.randn(6, 6))[0], features)
    for teacher in (features, turned, 3 * features):
        assert boundary_distance(features, teacher).item() == pytest.approx(0, abs=1e-10)
        assert context_divergence(features, teacher, 0.1).item() == pytest.approx(0, abs=1e-4)
    other = torch.randn(2, 9, 8, 8, generator=torch.Generator().manual_seed(1))
    assert boundary_distance(features, other) > 1e-4
    assert context_divergence(features, other, 0.1) > 0.1


def test_it_does_not_matter_in_which_basis_a_cache_is_stored():
    turned = random_cache(directions=DIMENSION)
    plain = np.einsum("cd,nchw->ndhw", turned.basis, turned.features.astype(np.float32)).astype(np.float16)
    unturned = replace(turned, features=plain, basis=np.eye(DIMENSION, dtype=np.float32))
    student, batch = small_student(), edge_batch()
    matte = student(batch.image, batch.trimap)
    first, second = (
        small_methods(student, "bcd", cache=cache)["bcd"](matte, batch, 0.0) for cache in (turned, unturned)
    )
    for name, loss in first.items():
        assert second[name].item() == pytest.approx(loss.item(), rel=1e-3), name
