"""ERKD on layers: by hand, and at equality."""

import math

import pytest
import torch
from torch import nn

from erkd.distill.erkd import text_logits
from erkd.distill.erkd_layered import mixture_logits, regression_distance, unit_variance
from erkd.distill.targets import crop_targets, layer_targets
from erkd.features.space import CentredSpace
from erkd.students.multimodal_fusion import TEMPERATURE
from tests.support.students import DIMENSION, layered_batch, random_cache, small_methods, small_student


def column(*values):
    return torch.tensor(values)[None, :, None, None]


def test_regression_distance_by_hand():
    # at right angles: cosine 0; smooth L1 of 3 is 2.5 and of 0.5 is 0.125
    distance = regression_distance(column(3.0, 0.0), column(0.0, 0.5))
    assert distance.shape == (1, 1, 1, 1)
    assert distance.item() == pytest.approx(0.9 * 1 + 0.1 * (2.5 + 0.125) / 2)
    assert regression_distance(column(3.0, 4.0), column(3.0, 4.0)).item() == pytest.approx(0, abs=1e-6)


def test_the_mixture_of_two_distributions_and_unit_variance_by_hand():
    foreground, background = column(math.log(3), 0.0), column(0.0, math.log(4))  # 0.75, 0.25; 0.2, 0.8
    mixture = mixture_logits(torch.full((1, 1, 1, 1), 0.4), foreground, background)
    torch.testing.assert_close(mixture.exp(), column(0.4 * 0.75 + 0.6 * 0.2, 0.4 * 0.25 + 0.6 * 0.8))
    assert unit_variance(column(0.5, -0.5, 0.5, 0.5)).flatten().tolist() == [1, -1, 1, 1]


@pytest.mark.parametrize("directions", [None, DIMENSION])
def test_layers_are_described_each_by_itself_whatever_covers_them(directions):
    cache, batch = random_cache(directions=directions), layered_batch()
    targets = layer_targets(cache, batch, 4)
    foreground, background = (CentredSpace(cache).direction(target) for target in targets)
    features = nn.functional.normalize(torch.from_numpy(random_cache().features).float(), dim=1)
    torch.testing.assert_close(foreground[0, :, :, :2], features[0, :, :, :2], rtol=0, atol=2e-3)
    torch.testing.assert_close(background[0, :, :, 2:], features[2, :, :, 2:], rtol=0, atol=2e-3)
    # where no foreground is there is nothing to say of it
    assert targets[0][0, :, :, 3].abs().max() == 0


@pytest.mark.parametrize("directions", [None, 6])
def test_heads_that_agree_with_the_teacher_cost_nothing(directions):
    student, batch, cache = small_student(), layered_batch(), random_cache(directions=directions)
    method = small_methods(student, "erkd", cache=cache, erkd={"target": "layered", "edge": 0.5})["erkd"]
    matte, space = student(batch.image, batch.trimap), CentredSpace(cache)

    class Perfect(nn.Module):
        def forward(self, level):
            targets = layer_targets(cache, batch, level.shape[-1])
            return torch.cat([unit_variance(space.centre_target(target)) for target in targets], dim=1)

    assert method.heads[0].out_channels == 2 * (directions or DIMENSION)
    method.heads = nn.ModuleList([Perfect(), Perfect()])
    mixed = crop_targets(cache, batch, 4)
    losses = method(matte, batch, 0.0)
    assert set(losses) == {"feature_8", "feature_16", "text", "edge"}
    assert losses["feature_8"].item() == pytest.approx(0, abs=1e-6)
    assert losses["feature_16"].item() == pytest.approx(0, abs=1e-6)
    # of the text loss only the embedding's part is left
    assert losses["text"].item() > 0
    torch.testing.assert_close(
        method.logits(unit_variance(space.centre_target(mixed))),
        text_logits(space.direction(mixed), torch.from_numpy(cache.vocabulary), TEMPERATURE),
    )


def test_a_layer_weighs_as_much_as_can_be_seen_of_it():
    """All foreground: what the background's head says is free."""
    student, ones = small_student(), torch.ones(2, 1, 64, 64)
    method = small_methods(student, "erkd", erkd={"target": "layered"})["erkd"]
    batch = layered_batch(alpha=ones, trimap=0.5 * ones)
    matte = student(batch.image, batch.trimap)
    before = method(matte, batch, 0.0)["feature_8"].item()
    method.heads[0].weight.data[DIMENSION:] += 1.0
    assert method(matte, batch, 0.0)["feature_8"].item() == pytest.approx(before)
    method.heads[0].weight.data[:DIMENSION] += 1.0
    assert method(matte, batch, 0.0)["feature_8"].item() != pytest.approx(before)
