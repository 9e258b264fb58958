"""What every distillation method keeps to: gradients, one-region crops, the saved student."""

import pytest
import torch
from safetensors.torch import load_file

from erkd.io.files import InputError, read_json
from erkd.params import KdParams
from erkd.students.student import save_student
from erkd.training.loop import fit
from tests.support.students import (
    edge_batch,
    layered_batch,
    random_cache,
    small_methods,
    small_student,
    vertical_edge,
)
from tests.support.training_set import CPU, distill

METHODS = {name: [name] for name in ("erkd", "bcd", "frskd", "ffcl", "fb", "matting")} | {"layered": ["erkd"]}


@pytest.fixture(scope="module")
def teacher(tmp_path_factory):
    folder = tmp_path_factory.mktemp("teacher")
    save_student(small_student(seed=5, width=24), folder, {})
    return folder


@pytest.fixture(params=METHODS)
def build(request, teacher):
    """A function from a student to the methods of one name."""
    erkd = {"target": "layered" if request.param == "layered" else "mixed"}
    return lambda student: small_methods(
        student, *METHODS[request.param], erkd=erkd, matting={"teacher": str(teacher)}
    )


def all_losses(student, methods, batch, progress=1.0):
    matte = student(batch.image, batch.trimap)
    return {
        f"{name}_{part}": loss
        for name, method in methods.items()
        for part, loss in method(matte, batch, progress).items()
    }


def test_the_names_in_params_are_the_methods():
    assert {name for names in METHODS.values() for name in names} == set(
        KdParams.model_fields["methods"].annotation.__args__[0].__args__
    )


@pytest.mark.parametrize("changes", [{}, {"half": True}, {"half": True, "coarse": True}], ids=["", "half", "coarse"])
def test_gradients_reach_the_student_and_what_is_trained_with_it_and_never_a_teacher(build, changes):
    student = small_student(**changes).train()
    methods = build(student)
    sum(all_losses(student, methods, layered_batch()).values()).backward()
    assert student.encoder.trunk.model.conv_stem.weight.grad.abs().sum() > 0
    for name, parameter in methods.named_parameters():
        if name.startswith("matting.teacher"):
            assert not parameter.requires_grad, name
            assert parameter.grad is None, name
        elif parameter.requires_grad and "edge_reserved.predict" not in name:  # a peer's edges have no judge
            assert parameter.grad is not None, name
    assert not any(buffer.requires_grad for buffer in methods.buffers())


@pytest.mark.parametrize("name", ["erkd", "layered", "bcd"])
def test_clip_teaches_from_few_directions_and_two_levels_as_well(name):
    """`features.pca` 6 and `features.levels` 2."""
    student = small_student().train()
    methods = small_methods(
        student, *METHODS[name],
        cache=random_cache(directions=6, shallow=3),
        erkd={"target": "layered" if name == "layered" else "mixed"},
    )  # fmt: skip
    losses = all_losses(student, methods, layered_batch())
    assert all(torch.isfinite(loss) and loss > 0 for loss in losses.values())
    sum(losses.values()).backward()
    assert student.encoder.trunk.model.conv_stem.weight.grad.abs().sum() > 0
    assert all(p.grad.abs().sum() > 0 for p in methods.parameters())


@pytest.mark.parametrize("known", [0.0, 0.5, 1.0])
def test_crops_of_one_region_give_finite_losses_attached_to_the_graph(build, known):
    """Wholly background, wholly unknown, wholly foreground."""
    student = small_student().train()
    methods, (_, trimap, alpha) = build(student), vertical_edge()
    alpha = alpha if known == 0.5 else torch.full_like(alpha, known)
    batch = layered_batch(trimap=torch.full_like(trimap, known), alpha=alpha)
    losses = all_losses(student, methods, batch)
    assert all(loss.requires_grad for loss in losses.values())
    sum(losses.values()).backward()
    trained = [*student.parameters(), *methods.parameters()]
    finite = [*losses.values(), *(p.grad for p in trained if p.grad is not None)]
    assert all(torch.isfinite(values).all() for values in finite)


def test_every_loss_is_scaled_by_its_methods_weight(build):
    student, batch = small_student().train(), layered_batch()
    methods = build(student)
    once = all_losses(student, methods, batch)
    for method in methods.values():
        method.params = method.params.model_copy(update={"weight": 2 * method.params.weight})
    twice = all_losses(student, methods, batch)
    for name, loss in once.items():
        assert twice[name].item() == pytest.approx(2 * loss.item(), rel=1e-4), name
        assert loss.item() > 0, name


def test_the_saved_student_is_of_the_same_keys_shapes_and_size(build, monkeypatch, tmp_path):
    monkeypatch.setattr(
        "erkd.training.loop.training_batches", lambda batches, steps, workers: iter([layered_batch()] * len(steps))
    )
    shapes, records, params = [], [], distill(steps=2, batch_size=2, validate_every=2)
    for name in ("plain", "taught"):
        student = small_student()
        methods = build(student) if name == "taught" else small_methods(student)
        fitted = fit(student, methods, None, params, lambda _: 1.0, lambda _: {"sad": 1.0}, CPU, 0)
        save_student(fitted.student, tmp_path / name, {})
        weights = load_file(tmp_path / name / "student.safetensors")
        shapes.append({key: value.shape for key, value in weights.items()})
        records.append(read_json(tmp_path / name / "student.json"))
    assert shapes[0] == shapes[1]
    assert records[0]["parameters"] == records[1]["parameters"]
    assert records[0]["config"] == records[1]["config"]
    assert records[0]["sha256"] != records[1]["sha256"]


@pytest.mark.parametrize("name", ["layered", "fb"])
def test_methods_on_layers_refuse_stored_composites(name):
    student = small_student()
    methods = small_methods(student, *METHODS[name], erkd={"target": "layered"})
    with pytest.raises(InputError, match=r"set distill\.compositing to live"):
        all_losses(student, methods, edge_batch())
