"""Feature losses: by hand, at equality, between strangers."""

import math

import numpy as np
import pytest
import torch
from torch.nn.functional import normalize

from erkd.distill.feature_losses import LOSSES, MASKED, Generation
from erkd.params import ErkdParams
from tests.support.students import layered_batch, random_cache, small_methods, small_student


def test_the_names_in_params_are_the_losses():
    assert set(LOSSES) == set(ErkdParams.model_fields["loss"].annotation.__args__)


@pytest.mark.parametrize("name", LOSSES)
def test_equal_features_cost_nothing_and_strangers_about_one(name, rng):
    ours, theirs = (
        normalize(torch.from_numpy(rng.normal(size=(2, 64, 8, 8)).astype(np.float32)), dim=1) for _ in range(2)
    )
    weight = torch.ones(2, 1, 8, 8)
    weight[:, :, 2:5] = 3
    assert LOSSES[name](ours, ours, weight).item() == pytest.approx(0, abs=1e-5)
    assert LOSSES[name](ours, theirs, weight).item() == pytest.approx(1, abs=0.2)


def test_the_channel_loss_by_hand():
    """One channel, two cells: odds of 3 to 1 in the teacher, and none in the student."""
    theirs, ours = torch.tensor([[math.log(3), 0.0]])[:, None, None], torch.zeros(1, 1, 1, 2)
    expected = 0.75 * math.log(1.5) + 0.25 * math.log(0.5)
    assert LOSSES["channel"](ours, theirs, torch.ones(1, 1, 1, 2)).item() == pytest.approx(expected, abs=1e-6)
    weight = torch.tensor([1.0, 3.0])[None, None, None]  # (1/2, 1/2) against (1/4, 3/4)
    expected = 0.5 * math.log(2) + 0.5 * math.log(2 / 3)
    assert LOSSES["channel"](ours, theirs, weight).item() == pytest.approx(expected, abs=1e-6)


def test_the_relation_loss_is_of_weighted_correlations(rng):
    ours, theirs = rng.normal(size=(2, 5, 6)).astype(np.float32)  # channels x cells
    weight = np.float32([1, 3, 1, 3, 3, 1])
    of_cells = [np.corrcoef(ours[:, i], theirs[:, i])[0, 1] for i in range(6)]
    covariances = [np.cov(ours[c], theirs[c], aweights=weight) for c in range(5)]
    of_channels = [cov[0, 1] / np.sqrt(cov[0, 0] * cov[1, 1]) for cov in covariances]
    expected = (1 - np.average(of_cells, weights=weight)) / 2 + (1 - np.mean(of_channels)) / 2
    maps = (torch.from_numpy(part)[None, :, None] for part in (ours, theirs, weight[None]))
    assert LOSSES["relation"](*maps).item() == pytest.approx(expected, abs=1e-6)


def test_generation_sees_a_quarter_of_the_cells():
    generation = Generation(3)
    for layer in (generation.generate[0], generation.generate[2]):
        torch.nn.init.dirac_(layer.weight)
        torch.nn.init.zeros_(layer.bias)
    features = torch.rand(4, 3, 32, 32) + 0.1
    made = generation(features)
    kept = (made != 0).all(1, keepdim=True)
    assert torch.equal(made, features * kept)
    assert kept.float().mean().item() == pytest.approx(1 - MASKED, abs=0.03)
    assert not torch.equal(made, generation(features))


@pytest.mark.parametrize("name", ["channel", "masked", "relation"])
def test_each_teaches_the_student_and_what_is_trained_with_it(name):
    """From few directions and two levels, on crops of which one is flat."""
    student, batch = small_student().train(), layered_batch()
    batch.alpha[0] = 1
    method = small_methods(
        student, "erkd", cache=random_cache(directions=6, shallow=3), erkd={"loss": name, "text": 0.0, "edge": 0.0}
    )["erkd"]
    losses = method(student(batch.image, batch.trimap), batch, 0.0)
    assert set(losses) == {"feature_8", "feature_16"}
    sum(losses.values()).backward()
    assert all(p.grad.abs().sum() > 0 and p.grad.isfinite().all() for p in method.parameters())
    assert student.fusion.project.weight.grad.abs().sum() > 0
