"""ERKD's losses: by hand, at equality, and what the gradients reach."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from students import DIMENSION, PROMPTS, edge_batch, random_text, small_student, vertical_edge
from torch.nn.functional import normalize

from erkd.centring import CentredSpace
from erkd.distill import build_methods
from erkd.distill.erkd import alpha_gradient, edge_l1, mixed_target, text_divergence
from erkd.features import FeatureCache
from erkd.params import ErkdParams, KdParams

PARAMS = ErkdParams(weight=1.0, feature=1.0, text=1.0, edge=1.0, unknown_gain=3.0)
KD = KdParams(methods=["erkd"], weight=1.0, erkd=PARAMS)


def cache(rng):
    features = rng.normal(size=(2, DIMENSION, 4, 4)).astype(np.float16)
    mean = np.zeros(DIMENSION, np.float32)
    return FeatureCache(features, ["a", "b"], [str(i) for i in range(PROMPTS)], random_text().numpy(), mean)


def space(mean, basis=None):
    mean = np.array(mean, np.float32)
    empty = np.zeros((0, len(mean), 1, 1), np.float16)
    return CentredSpace(FeatureCache(empty, [], [], np.zeros((0, 2), np.float32), mean, basis))


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
    torch.testing.assert_close(
        rotated.distance(ours, stored), plain.distance(ours, theirs), rtol=1e-4, atol=1e-5
    )
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


def test_edges_equal_to_the_alpha_gradient_cost_nothing():
    batch = edge_batch()
    perfect = {stride: alpha_gradient(batch.alpha, stride) for stride in (2, 4)}
    assert edge_l1(perfect, batch) == 0
    off = {stride: edges + 0.5 for stride, edges in perfect.items()}
    assert edge_l1(off, batch) == pytest.approx(0.5)
    # alpha falls from left to right, and is flat from top to bottom
    assert perfect[2][:, 0, :, 15:17].max() < 0
    assert perfect[2][:, 1].abs().max() < 1e-6


def test_gradients_reach_student_and_projector_and_never_the_teacher(rng):
    student = small_student()
    methods = build_methods(student, cache(rng), KD)
    batch = edge_batch()
    losses = methods["erkd"](student(batch.image, batch.trimap), batch)
    assert set(losses) == {"feature_8", "feature_16", "text", "edge"}
    sum(losses.values()).backward()
    assert student.fusion.project.weight.grad.abs().sum() > 0
    assert student.edge_reserved.predict[0].weight.grad.abs().sum() > 0
    assert methods["erkd"].projector.weight.grad.abs().sum() > 0
    assert student.fusion.dictionary.grad is None
    assert not any(buffer.requires_grad for buffer in methods.buffers())


def test_the_student_that_agrees_with_the_teacher_pays_no_feature_and_text_loss(rng):
    student = small_student()
    methods = build_methods(student, cache(rng), KD)
    batch = edge_batch()
    matte = student(batch.image, batch.trimap)
    target = mixed_target(methods["erkd"].cache, batch, 4)
    matte.features[16] = normalize(target, dim=1)
    matte.logits = torch.einsum("bdhw,kd->bkhw", matte.features[16], random_text()) / 0.1
    losses = methods["erkd"](matte, batch)
    assert losses["feature_16"].item() == pytest.approx(0, abs=1e-6)
    assert losses["text"].item() == pytest.approx(0, abs=1e-6)
    assert losses["feature_8"] > 0.1


@pytest.mark.parametrize("known", [0.0, 0.5, 1.0])
def test_crops_of_one_region_give_finite_losses_attached_to_the_graph(rng, known):
    student = small_student()
    methods = build_methods(student, cache(rng), KD)
    _, trimap, _ = vertical_edge()
    batch = edge_batch(trimap=torch.full_like(trimap, known))
    total = sum(methods["erkd"](student(batch.image, batch.trimap), batch).values())
    total.backward()
    assert torch.isfinite(total)
    assert all(torch.isfinite(p.grad).all() for p in student.parameters() if p.grad is not None)


def test_the_methods_own_weight_scales_all_its_losses(rng):
    student, batch, shared = small_student(), edge_batch(), cache(rng)
    full, half = (
        build_methods(
            student, shared, KD.model_copy(update={"erkd": PARAMS.model_copy(update={"weight": w})})
        )
        for w in (1.0, 0.5)
    )
    half.load_state_dict(full.state_dict())
    matte = student(batch.image, batch.trimap)
    expected, found = full["erkd"](matte, batch), half["erkd"](matte, batch)
    assert all(found[name].item() == pytest.approx(0.5 * value.item()) for name, value in expected.items())


def test_a_shallow_level_is_the_target_of_the_shallower_features(rng):
    student, batch = small_student(), edge_batch()
    shallow = FeatureCache(
        rng.normal(size=(2, 3, 8, 8)).astype(np.float16), ["a", "b"], [], random_text().numpy(),
        np.zeros(3, np.float32),
    )  # fmt: skip
    methods = build_methods(student, replace(cache(rng), shallow=shallow), KD)
    assert methods["erkd"].projector.out_channels == 3
    matte = student(batch.image, batch.trimap)
    methods["erkd"].projector = torch.nn.Identity()
    matte.features[8] = mixed_target(shallow, batch, 8)
    losses = methods["erkd"](matte, batch)
    assert losses["feature_8"].item() == pytest.approx(0, abs=1e-6)
    assert losses["feature_16"] > 0.1


def test_no_method_is_plain_training(rng):
    assert len(build_methods(small_student(), cache(rng), KD.model_copy(update={"methods": []}))) == 0
