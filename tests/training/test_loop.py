"""The training loop learns, repeats itself, and keeps the best student."""

from dataclasses import replace

import pytest
import torch
from torch import nn

from erkd.batches.batch import Crops, Inputs
from erkd.io.files import InputError
from erkd.params import load_params
from erkd.training import loop as fit_module
from erkd.training.loop import fit, total_loss, update_average
from erkd.training.train import build_batches
from tests.support import ROOT
from tests.support.students import edge_batch, layered_batch, small_methods, small_student
from tests.support.training_set import CPU, distill, same

PARAMS = distill(compositing="stored", steps=12, batch_size=2, learning_rate=3e-3)


@pytest.fixture
def one_batch(monkeypatch):
    """Every step trains on the same batch: the loop is under test, not the data."""
    monkeypatch.setattr(
        fit_module, "training_batches", lambda batches, steps, workers: iter([edge_batch()] * len(steps))
    )


def run(validate=lambda _: {"sad": 1.0}, seed=0, log=lambda *_: None, methods=(), kd_weight=lambda _: 1.0, **changes):
    student, params = small_student(seed), PARAMS.model_copy(update=changes)
    return fit(student, nn.ModuleDict(methods), None, params, kd_weight, validate, CPU, 0, log)


def test_the_loss_falls_and_every_step_is_recorded(one_batch):
    logged = []
    fitted = run(log=lambda step, record: logged.append((step, record["loss"])))
    losses = [record["loss"] for record in fitted.history]
    assert losses[-1] < 0.7 * losses[0]
    assert [record["step"] for record in fitted.history] == list(range(1, 13))
    assert logged == [(record["step"], record["loss"]) for record in fitted.history]
    assert [record["step"] for record in fitted.history if "validation_sad" in record] == [4, 8, 12]


def test_the_same_seed_gives_the_same_weights(one_batch):
    first, second, other = (run(steps=3, seed=seed) for seed in (0, 0, 1))
    assert same(first, second)
    assert not same(first, other)


def test_a_loss_that_is_no_number_ends_the_training(monkeypatch):
    spoilt = edge_batch()
    spoilt.image[0, 0, 0, 0] = torch.nan
    monkeypatch.setattr(fit_module, "training_batches", lambda *_: iter([edge_batch(), spoilt, *[spoilt] * 10]))
    logged = []
    with pytest.raises(InputError, match=r"step 2: not finite: loss, alpha, laplacian.*learning_rate"):
        run(log=lambda step, record: logged.append(step))
    assert logged == [1]


def test_the_best_validation_is_kept(one_batch):
    scores, seen = iter([2.0, 1.0, 3.0]), []

    def validate(student):
        seen.append({name: value.clone() for name, value in student.state_dict().items()})
        return {"sad": next(scores)}

    fitted = run(validate)
    assert fitted.best == {"step": 8, "sad": 1.0}
    assert all(torch.equal(value, seen[1][name]) for name, value in fitted.student.state_dict().items())


def test_the_weight_average_moves_by_one_minus_decay():
    slow, fast = nn.Linear(1, 1, bias=False), nn.Linear(1, 1, bias=False)
    slow.weight.data.fill_(0)
    fast.weight.data.fill_(1)
    update_average(slow, fast, 0.75, step=1000)
    assert slow.weight.item() == pytest.approx(0.25)


def test_methods_are_told_how_far_training_is_and_weighed_accordingly(one_batch):
    told = []

    class Told(nn.Module):
        def forward(self, matte, batch, progress):
            told.append(progress)
            return {"part": matte.alpha.mean() * 0 + 1.0}

    fitted = run(methods={"told": Told()}, kd_weight=lambda progress: 1 - progress, steps=4)
    assert told == [0, 0.25, 0.5, 0.75]
    assert [record["told_part"] for record in fitted.history] == pytest.approx([1 - p for p in told])
    assert [record["alpha"] for record in fitted.history] == [record["alpha"] for record in run(steps=4).history]


def test_what_a_method_learns_does_not_shorten_the_students_steps(one_batch):
    class Steep(nn.Module):
        def __init__(self):
            super().__init__()
            self.weight = nn.Parameter(torch.ones(1))

        def forward(self, matte, batch, progress):
            return {"part": 1e4 * self.weight.sum()}

    alone, beside = run(steps=3), run(steps=3, methods={"steep": Steep()})
    assert same(alone, beside)


def test_photographs_are_taught_by_erkd_alone_and_weigh_as_composites_do():
    """One crop beside two equal ones: half of what they cost together, and no alpha of its own."""
    student, batch = small_student().train(), layered_batch()
    methods = small_methods(student, "erkd", "bcd")
    crops = tuple(Crops(*(part[:1] for part in vars(layer).values())) for layer in batch.crops)
    one = Inputs(batch.image[:1], batch.trimap[:1], crops)
    matte = student(batch.image, batch.trimap)
    plain = total_loss(matte, student, methods, batch, PARAMS, 3.0, 0.0)
    measured = {name: value.clone() for name, value in student.named_buffers()}
    student.describe(1 - one.image, one.trimap)
    assert all(torch.equal(value, measured[name]) for name, value in student.named_buffers())
    both = total_loss(matte, student, methods, replace(batch, photographs=one), PARAMS, 3.0, 0.0)
    extra = {name: both.pop(name) for name in [*both] if "photographs" in name}
    assert all(torch.equal(both[name], plain[name]) for name in plain)
    assert [*extra] == [f"erkd_photographs_{name}" for name in ("feature_8", "feature_16", "text")]
    for name, loss in extra.items():
        torch.testing.assert_close(loss, plain[name.replace("photographs_", "")] / 2)


@pytest.mark.parametrize(
    ("distill_changes", "target", "said"),
    [
        ({"compositing": "stored"}, "mixed", "photographs come from the library's layers; set distill.compositing"),
        ({}, "layered", "photographs have no foreground for kd.erkd.target layered; set it to mixed"),
    ],
)
def test_photographs_are_refused_where_nothing_can_be_said_of_them(tmp_path, distill_changes, target, said):
    params = load_params(ROOT / "params.yaml")
    kd = params.kd.model_copy(update={"erkd": params.kd.erkd.model_copy(update={"target": target})})
    params = params.model_copy(update={"distill": distill(photographs=2, **distill_changes), "kd": kd})
    with pytest.raises(InputError, match=rf"distill\.photographs 2: {said}"):
        build_batches(tmp_path, params, CPU)
