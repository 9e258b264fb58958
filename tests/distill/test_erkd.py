"""ERKD's losses: by hand, at equality, and what the gradients reach."""

import math
from dataclasses import fields
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch.nn.functional import normalize

from erkd.distill.erkd import edge_weight, text_divergence, text_logits, unknown_weight
from erkd.distill.targets import crop_targets, words
from erkd.features.cache import FeatureCache
from erkd.features.space import CentredSpace
from tests.support.students import (
    DIMENSION,
    edge_batch,
    kd_params,
    layered_batch,
    random_cache,
    small_methods,
    small_student,
)


def space(mean, basis=None):
    mean = np.array(mean, np.float32)
    empty = np.zeros((0, len(mean), 1, 1), np.float16)
    return CentredSpace(FeatureCache(empty, [], [], *[np.zeros((0, 2), np.float32)] * 2, mean, basis))


def test_cosine_distance_by_hand():
    a = torch.tensor([[1.0, 0.0]])[:, :, None, None]
    b = torch.tensor([[3.0, 3.0]])[:, :, None, None]
    plain = space([0, 0])
    assert plain.distance(a, b).item() == pytest.approx(1 - math.cos(math.pi / 4), abs=1e-6)
    assert plain.distance(a, 5 * a).item() == pytest.approx(0, abs=1e-6)
    # with (1, 0) / 2 taken off, (1, 0) keeps its direction and (0, 1) becomes (-0.5, 1)
    c = torch.tensor([[0.0, 1.0]])[:, :, None, None]
    assert space([0.5, 0]).distance(a, c).item() == pytest.approx(1 + 0.5 / math.sqrt(1.25), abs=1e-6)


def test_a_basis_of_all_directions_changes_nothing(rng):
    """Features projected on a full basis are compared, and meet the texts, as the features themselves."""
    basis, _ = np.linalg.qr(rng.normal(size=(DIMENSION, DIMENSION)))
    mean = rng.normal(size=DIMENSION) * 0.1
    plain, rotated = space(mean), space(mean, basis.astype(np.float32))
    ours, theirs = torch.from_numpy(rng.normal(size=(2, 3, DIMENSION, 4, 4)).astype(np.float32))
    stored = rotated.centre(theirs)
    torch.testing.assert_close(rotated.distance(ours, stored), plain.distance(ours, theirs), rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(rotated.direction(stored), plain.direction(theirs), rtol=1e-4, atol=1e-5)


def test_fewer_directions_lose_what_lies_outside_them():
    half = space([0, 0], np.array([[1, 0]], np.float32))
    slanted = torch.tensor([[0.6, 0.8]])[:, :, None, None]
    stored = half.centre(slanted)
    assert stored.flatten().tolist() == pytest.approx([0.6])
    assert half.direction(stored).flatten().tolist() == pytest.approx([0.6, 0])
    assert half.distance(slanted, stored).item() == pytest.approx(0, abs=1e-6)


def test_text_divergence_by_hand():
    teacher = torch.log(torch.tensor([0.75, 0.25]))[None, :, None, None]
    student = torch.log(torch.tensor([0.5, 0.5]))[None, :, None, None]
    expected = 0.75 * math.log(1.5) + 0.25 * math.log(0.5)
    assert text_divergence(student, teacher).item() == pytest.approx(expected, abs=1e-6)
    assert text_divergence(teacher, teacher).item() == pytest.approx(0, abs=1e-7)


def test_cells_that_touch_the_unknown_weigh_more():
    weight = unknown_weight(edge_batch(), 16, 3.0)  # unknown columns are 28 to 35 of 64
    assert weight[0, 0].tolist() == [[1, 3, 3, 1]] * 4


def test_the_student_that_agrees_with_the_teacher_pays_no_feature_and_text_loss():
    """The finer level is compared with the shallower features where the cache holds them."""
    student, batch, cache = small_student(), edge_batch(), random_cache(shallow=3)
    matte = student(batch.image, batch.trimap)
    matte.features[16] = normalize(crop_targets(cache, batch, 4), dim=1)
    method = small_methods(student, "erkd")["erkd"]
    losses = method(matte, batch, 0.0)
    assert losses["feature_16"].item() == pytest.approx(0, abs=1e-6)
    assert losses["text"].item() == pytest.approx(0, abs=1e-6)
    assert losses["feature_8"] > 0.01
    method = small_methods(student, "erkd", cache=cache)["erkd"]
    assert method.projector.out_channels == 3
    method.projector = torch.nn.Identity()
    matte.features[8] = crop_targets(cache.shallow, batch, 8)
    assert method(matte, batch, 0.0)["feature_8"].item() == pytest.approx(0, abs=1e-6)


class Unreadable(FeatureCache):
    def sample(self, *arguments):
        raise AssertionError("read")


def test_losses_of_weight_zero_are_not_computed():
    """Without features and texts the cache is not read."""
    student, batch = small_student(), edge_batch()
    matte, none = student(batch.image, batch.trimap), {"feature": 0.0, "text": 0.0, "edge": 0.0}
    unreadable = Unreadable(**{field.name: getattr(random_cache(), field.name) for field in fields(FeatureCache)})
    for kept, names, cache in (
        ({}, set(), unreadable),
        ({"edge": 0.5}, {"edge"}, unreadable),
        ({"text": 0.1}, {"text"}, None),
        ({"feature": 0.5}, {"feature_8", "feature_16"}, None),
    ):
        method = small_methods(student, "erkd", cache=cache, erkd=none | kept)["erkd"]
        assert set(method(matte, batch, 0.0)) == names


def test_the_edge_loss_falls_to_nothing():
    params = kd_params("erkd", erkd={"edge": 0.4, "edge_until": 0.5}).erkd
    assert [edge_weight(params, progress) for progress in (0, 0.25, 0.5, 0.75)] == [0.4, 0.2, 0, 0]
    assert edge_weight(kd_params("erkd", erkd={"edge": 0.4}).erkd, 0.99) == 0.4
    student, batch = small_student(), edge_batch()
    method = small_methods(student, "erkd", erkd={"edge_until": 0.5})["erkd"]
    assert "edge" not in method(student(batch.image, batch.trimap), batch, 0.5)


def test_the_text_loss_compares_over_the_vocabulary():
    features = torch.tensor([[0.6, 0.8]])[:, :, None, None]
    vocabulary = np.float32([[1, 0], [0, 1]])
    held = words(SimpleNamespace(text=vocabulary[:1], vocabulary=vocabulary))
    logits = text_logits(features, held, 0.2).flatten()
    assert logits.tolist() == pytest.approx([3, 4])
    torch.testing.assert_close(text_logits(features, held, 0.1).flatten(), 2 * logits)


@pytest.mark.parametrize("dictionary", ["text", "learned", "shuffled", "none"])
def test_gradients_reach_student_and_projector_and_never_the_dictionary(dictionary):
    """Controls read another dictionary, but the teacher says the same: else two things would be compared."""
    student, batch = small_student(dictionary=dictionary), edge_batch()
    method = small_methods(student, "erkd", erkd={"edge": 0.5})["erkd"]
    losses = method(student(batch.image, batch.trimap), batch, 0.0)
    assert set(losses) == {"feature_8", "feature_16", "text", "edge"}
    losses["text"].backward(retain_graph=True)
    assert student.fusion.project.weight.grad.abs().sum() > 0
    sum(losses.values()).backward()
    assert student.edge_reserved.predict[0].weight.grad.abs().sum() > 0
    assert method.projector.weight.grad.abs().sum() > 0
    assert student.fusion.dictionary.grad is None


def test_the_target_of_a_live_composite_mixes_its_layers():
    cache, batch = random_cache(), layered_batch()
    target = crop_targets(cache, batch, 4)
    features = torch.from_numpy(cache.features).float()
    # the leftmost cells are all foreground (image 0), the rightmost all background (image 2)
    torch.testing.assert_close(target[1, :, :, 0], features[0, :, :, 0])
    torch.testing.assert_close(target[1, :, :, 3], features[2, :, :, 3])
