"""A training that processes share is the training of one process."""

import pandas as pd
import pytest
import torch
from safetensors.torch import load_file

from erkd.io.files import InputError
from erkd.runtime import distributed as processes
from tests.support import ROOT
from tests.support.project import run
from tests.support.shared_training import SETTINGS, train
from tests.support.training_set import live_batches, stored_batches

METHODS = "erkd", "bcd", "ffcl", "fb"  # FRSKD's training makes much of any rounding (docs/decisions/033)


@pytest.mark.slow
def test_two_processes_train_as_one_does(tmp_path):
    """With every method at once; the history has a column for each loss."""
    run(
        f"torchrun --nproc-per-node 2 tests/support/shared_training.py {tmp_path} {' '.join(METHODS)}",
        ROOT, PYTHONPATH=str(ROOT), OMP_NUM_THREADS="1",
    )  # fmt: skip
    alone = train(live_batches(tmp_path / "data", **SETTINGS), *METHODS)
    two = load_file(tmp_path / "student.safetensors")
    torch.testing.assert_close(two, dict(alone.student.state_dict()), rtol=0, atol=1e-5)
    history = pd.read_csv(tmp_path / "history.csv")
    assert len(history) == SETTINGS["steps"]
    assert {column.partition("_")[0] for column in history} >= {*METHODS}
    pd.testing.assert_frame_equal(history, pd.DataFrame(alone.history)[[*history]], rtol=1e-5, check_dtype=False)


@pytest.mark.nightly
def test_another_number_of_threads_changes_losses_and_alphas_little(tmp_path):
    """The tolerance that docs/resuming.md states."""
    batches = live_batches(tmp_path, steps=20, batch_size=4, validate_every=20)
    fitted, threads = [], torch.get_num_threads()
    for count in (1, 2):
        torch.set_num_threads(count)
        fitted.append(train(batches, "erkd", double=False))
    torch.set_num_threads(threads)
    losses = [[record["loss"] for record in one.history] for one in fitted]
    assert losses[1] == pytest.approx(losses[0], rel=5e-3)
    batch = batches[0]
    with torch.no_grad():
        alphas = [one.student.eval()(batch.image, batch.trimap).alpha for one in fitted]
    torch.testing.assert_close(*alphas, rtol=0, atol=3e-2)


@pytest.fixture
def pair(monkeypatch):
    """As the second of two processes sees it, without any process."""
    monkeypatch.setattr(processes, "is_distributed", lambda: True)
    monkeypatch.setattr(processes.distributed, "get_world_size", lambda: 2)
    monkeypatch.setattr(processes.distributed, "get_rank", lambda: 1)


@pytest.mark.parametrize("make", [live_batches, stored_batches])
def test_a_process_makes_its_own_crops_as_one_alone_makes_them(tmp_path, make, request):
    whole = make(tmp_path)[1]
    request.getfixturevalue("pair")
    half = make(tmp_path)[1]
    for name in ("image", "trimap", "alpha"):
        assert torch.equal(getattr(half, name), getattr(whole, name)[2:]), name
    for ours, theirs in zip(half.crops, whole.crops, strict=True):
        assert torch.equal(ours.theta, theirs.theta[2:])


def test_the_second_process_has_the_second_half_of_a_batch_and_writes_nothing(pair):
    assert not processes.is_main_process()
    assert processes.own_positions(6) == range(3, 6)
    with pytest.raises(InputError, match=r"distill\.batch_size 5: .* give a multiple of 2"):
        processes.own_positions(5)


def test_alone_nothing_changes():
    value = torch.tensor([1.0, 2.0], requires_grad=True)
    assert processes.mean_over_processes(value) is value
    assert processes.largest_of_processes(torch.device("cpu"), 3, 0) == [3, 0]
    assert processes.own_positions(5) == range(5)
    assert processes.process_count() == 1
    assert processes.is_main_process()
