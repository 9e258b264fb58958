"""A training that ends early goes on to the same weights, bit for bit."""

import os
import random
import signal
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from erkd.io.files import InputError, read_json
from erkd.runtime.signals import OutOfTime, Stopped
from erkd.training import checkpoint as module
from erkd.training.loop import fit
from tests.support.students import random_cache, small_methods, small_student
from tests.support.training_set import CPU, live_batches, same, stored_batches

STEPS = 7
SETTINGS = {"steps": STEPS, "batch_size": 2, "validate_every": 2, "weight_decay": 0.01}


class Drawn(nn.Module):
    """A loss that rests on every random generator there is."""

    def forward(self, matte, batch, progress):
        draw = torch.rand(()) + np.random.random() + random.random()  # noqa: NPY002
        return {"part": draw * matte.alpha.mean()}


class Died(Exception):
    pass


def train(batches, unfinished, workers=0, log=lambda step, record: None, minutes=None, **changes):
    """A new process would start like this: other weights, other random numbers, nothing remembered."""
    done, cache = steps_done(unfinished), random_cache()
    student = small_student(seed=int.from_bytes(os.urandom(2)) if done else 0)
    cache = replace(cache, features=np.concatenate([cache.features] * 2))
    methods = small_methods(student, "erkd", "ffcl", cache=cache)
    methods["drawn"] = Drawn()
    if not done:
        torch.manual_seed(0)
        np.random.seed(0)  # noqa: NPY002
        random.seed(0)
    params = batches.distill.model_copy(update=changes)
    scores = iter([3.0, 1.0, 2.0, 4.0][done // 2 :])
    return fit(
        student, methods, batches, params, lambda _: 1.0, lambda _: {"sad": next(scores)}, CPU, workers, log,
        unfinished, minutes,
    )  # fmt: skip


def steps_done(folder):
    latest = folder and folder / module.LATEST
    return read_json(latest)["step"] if latest and latest.is_file() else 0


def die_at(last):
    def log(step, record):
        if step == last:
            raise Died

    return log


@pytest.fixture(scope="module")
def batches(tmp_path_factory):
    return stored_batches(tmp_path_factory.mktemp("data"), **SETTINGS)


@pytest.fixture(scope="module")
def calm(batches):
    """What a training that nobody disturbs ends with."""
    return train(batches, None)


@pytest.fixture
def every_step(monkeypatch):
    monkeypatch.setattr(module, "SECONDS", 0)


@pytest.mark.parametrize(
    ("make", "lasts"), [pytest.param(live_batches, (2, 5), marks=pytest.mark.slow), (stored_batches, (7,))]
)
def test_resumed_weights_are_those_of_an_undisturbed_training(make, lasts, every_step, tmp_path):
    batches = make(tmp_path / "data", **SETTINGS)
    calm = train(batches, None)
    for last in lasts:
        unfinished = tmp_path / str(last)
        with pytest.raises(Died):
            train(batches, unfinished, log=die_at(last))
        assert steps_done(unfinished) == last - 1
        rough = train(batches, unfinished, workers=last % 3)
        assert same(rough, calm), last
        assert rough.history == calm.history
        assert rough.best == calm.best == {"step": 4, "sad": 1.0}


@pytest.mark.parametrize("number", [pytest.param(signal.SIGTERM, marks=pytest.mark.slow), signal.SIGINT])
def test_a_signal_lets_the_step_end(batches, calm, tmp_path, number):
    def send(step, record):
        if step == 3:
            os.kill(os.getpid(), number)

    with pytest.raises(Stopped, match=rf"^{number.name}: stopped after step 3 of 7; the same command goes on"):
        train(batches, tmp_path, workers=2, log=send)
    assert signal.getsignal(number) is not None
    assert steps_done(tmp_path) == 3
    logged = []
    assert same(train(batches, tmp_path, log=lambda step, _: logged.append(step)), calm)
    assert logged == [4, 5, 6, 7]


@pytest.mark.slow
def test_minutes_pass_and_training_goes_on_another_time(batches, calm, tmp_path):
    for step in (1, 2):
        with pytest.raises(OutOfTime, match=rf"stopped after step {step} of 7"):
            train(batches, tmp_path, minutes=0)
        assert len([*tmp_path.glob("*.safetensors")]) == 1
    assert same(train(batches, tmp_path, minutes=60), calm)


def test_without_a_folder_nothing_is_written_and_signals_act_at_once(batches, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(KeyboardInterrupt):
        train(batches, None, log=lambda step, record: os.kill(os.getpid(), signal.SIGINT))
    assert [*tmp_path.iterdir()] == []


def test_damage_and_other_settings_are_named(batches, every_step, tmp_path):
    folder = tmp_path / "unfinished"
    with pytest.raises(Died):
        train(batches, folder, log=die_at(4))
    with pytest.raises(InputError, match=r"unfinished: the checkpoint of another training \(other settings\)"):
        train(batches, folder, learning_rate=2e-3)
    for file in (folder / "3.safetensors", folder / "3.json"):
        whole = file.read_bytes()
        for broken in (whole[:-1], whole[:99] + bytes([whole[99] ^ 1]) + whole[100:]):
            file.write_bytes(broken)
            with pytest.raises(InputError, match=rf"{file.name}: truncated or changed .* remove .*unfinished"):
                train(batches, folder)
        file.write_bytes(whole)
    (folder / "latest.json").write_text("{")
    with pytest.raises(InputError, match=r"latest.json: not JSON"):
        train(batches, folder)


@pytest.mark.slow
def test_a_kill_while_saving_leaves_the_checkpoint_before(every_step, tmp_path, monkeypatch):
    """At each file that is written, as if the process ended there."""
    batches = stored_batches(tmp_path / "data", **SETTINGS | {"steps": 3})
    calm = train(batches, None)
    for name in ("save", "write_text", "write_json"):
        folder, original, calls = tmp_path / name, getattr(module, name), []

        def fail(*arguments, original=original, calls=calls):
            calls.append(arguments)
            if len(calls) == 2:
                raise Died
            return original(*arguments)

        with monkeypatch.context() as patch:
            patch.setattr(module, name, fail)
            with pytest.raises(Died):
                train(batches, folder)
        assert steps_done(folder) == 1
        assert same(train(batches, folder), calm)
        assert len([*folder.glob("[0-9]*")]) == 2
