"""Training runs reach the store whole, and training goes on when the store does not."""

import shutil
import socket
import sqlite3
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from erkd.io.files import InputError, sha256, write_json
from erkd.params import Params, load_params
from erkd.tracking import runs
from erkd.tracking import training_run as tracking
from erkd.tracking.store import connect
from erkd.tracking.training_run import sync, track_training
from tests.support import ROOT

STEPS = 6


@pytest.fixture(scope="module")
def params() -> Params:
    return load_params(ROOT / "params.yaml")


@pytest.fixture(scope="module")
def empty_store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project's folder with a new store; making one takes seconds, so tests empty it and use it again."""
    root = tmp_path_factory.mktemp("a project")
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("MLFLOW_TRACKING_URI", raising=False)
        patch.setenv("DVC_ROOT", str(root))
        connect(root)
    return root


@pytest.fixture
def root(empty_store: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder with params.yaml, a manifest, and a store without runs."""
    for name in ("MLFLOW_TRACKING_URI", "DVC_EXP_NAME", "DVC_EXP_BASELINE_REV", "DVC_STAGE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("DVC_ROOT", str(empty_store))
    shutil.copy(ROOT / "params.yaml", empty_store)
    manifest = empty_store / "data/composites/manifest.csv"
    manifest.parent.mkdir(parents=True, exist_ok=True)
    manifest.write_text("sample_id\na\nb\n")
    yield empty_store
    client, experiment = connect(empty_store)
    for run in client.search_runs([experiment]):
        client.delete_run(run.info.run_id)
    for folder in ("models", "reports"):
        shutil.rmtree(empty_store / folder, ignore_errors=True)


def _write_student(root: Path, weights: bytes = b"weights", first: int = 1) -> None:
    folder = root / "models/student"
    folder.mkdir(parents=True)
    (folder / "student.safetensors").write_bytes(weights)
    write_json({"config": {}}, folder / "student.json")
    lines = [f"{step},{1 / step},{5 - step if step % 3 == 0 else ''}" for step in range(first, STEPS + 1)]
    (root / "reports").mkdir()
    (root / "reports/history.csv").write_text("\n".join(["step,loss,validation_sad", *lines]) + "\n")


def _train(root: Path, params: Params, first: int = 1, before_end: object = None) -> None:
    """What the stage does: six steps (the later ones of them after a restart), then the student's files."""
    with track_training(root, params) as log:
        for step in range(first, STEPS + 1):
            log(step, {"loss": 1 / step} | ({"validation_sad": 5.0 - step} if step % 3 == 0 else {}))
        if callable(before_end):
            before_end()
        _write_student(root)


def _raise(error: type[BaseException]) -> None:
    raise error


def _runs(root: Path) -> list:
    client, experiment = connect(root)
    return list(client.search_runs([experiment]))


def _metric(root: Path, name: str) -> list[tuple[int, float]]:
    client, _ = connect(root)
    (run,) = _runs(root)
    return sorted((entry.step, entry.value) for entry in client.get_metric_history(run.info.run_id, name))


def test_a_training_run_is_logged_whole(root: Path, params: Params, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DVC_EXP_NAME", "wet-dog")
    monkeypatch.setenv("DVC_STAGE", "distill")
    monkeypatch.setenv("MLFLOW_SYSTEM_METRICS_SAMPLING_INTERVAL", "0.1")
    _train(root, params, before_end=lambda: __import__("time").sleep(0.5))
    (run,) = _runs(root)
    assert (run.info.run_name, run.info.status) == ("wet-dog", "FINISHED")
    assert run.data.params["kd.weight"] == str(params.kd.weight)
    assert run.data.params["validate.max_unknown"] == str(params.validate_.max_unknown)
    assert run.data.params["kd.methods"] == '["erkd"]'
    assert run.data.params["distill.init_from"] == "null"
    assert {"DVC_STAGE": "distill", "DVC_EXP_NAME": "wet-dog"}.items() <= run.data.tags.items()
    assert run.data.tags["student_sha256"] == sha256(root / "models/student/student.safetensors")
    assert _metric(root, "loss") == [(step, 1 / step) for step in range(1, STEPS + 1)]
    assert _metric(root, "validation_sad") == [(3, 2.0), (6, -1.0)]
    assert any(name.startswith("system/") for name in run.data.metrics)
    (data,) = run.inputs.dataset_inputs
    assert (data.dataset.name, data.dataset.profile) == ("composites-procedural", '{"num_rows": 2}')
    assert data.dataset.digest == sha256(root / "data/composites/manifest.csv")[:32]
    artifacts = Path(run.info.artifact_uri)
    assert artifacts.is_relative_to(root / "mlartifacts")
    assert (artifacts / "student/student.safetensors").read_bytes() == b"weights"
    assert (artifacts / "history.csv").is_file()
    assert "nothing to do" in sync(root, params)
    assert len(_runs(root)) == 1


def test_steps_before_a_restart_come_from_the_history(root: Path, params: Params) -> None:
    _train(root, params, first=4)
    assert [step for step, _ in _metric(root, "loss")] == list(range(1, STEPS + 1))
    assert _metric(root, "validation_sad") == [(3, 2.0), (6, -1.0)]


def test_a_damaged_history_is_named(root: Path, params: Params) -> None:
    _write_student(root)
    (root / "reports/history.csv").write_text("loss\n0.5\n")
    with pytest.raises(InputError, match=r"history.csv: not a history"):
        sync(root, params)


def test_failed_and_stopped_training_is_marked(root: Path, params: Params) -> None:
    for error, status in ((RuntimeError, "FAILED"), (KeyboardInterrupt, "KILLED")):
        with pytest.raises(error):
            _train(root, params, before_end=lambda error=error: _raise(error))
        assert _runs(root)[0].info.status == status
    assert {len(run.data.metrics) > 0 for run in _runs(root)} == {True}


def test_sync_logs_a_run_that_the_store_missed(root: Path, params: Params) -> None:
    with pytest.raises(InputError, match=r"student.safetensors: no such file"):
        sync(root, params)
    _write_student(root)
    write_json({"seconds": 60, "peak_mib": 1}, root / "reports/timings/distill.json")
    assert "logged the run" in sync(root, params)
    (run,) = _runs(root)
    assert run.info.end_time - run.info.start_time == 60_000
    assert _metric(root, "loss") == [(step, 1 / step) for step in range(1, STEPS + 1)]
    assert "nothing to do" in sync(root, params)
    assert len(_runs(root)) == 1


def _lock(root: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(root / "mlflow.db", isolation_level=None)
    connection.execute("BEGIN EXCLUSIVE")
    return connection


def _assert_one_warning(text: str) -> None:
    assert text.count("\n") == 1
    assert "make mlflow-sync" in text


@pytest.mark.slow
def test_training_outlives_a_locked_store(root: Path, params: Params, capsys: pytest.CaptureFixture[str]) -> None:
    connections = []
    _train(root, params, before_end=lambda: connections.append(_lock(root)))
    connections[0].close()
    assert (root / "models/student/student.json").is_file()
    _assert_one_warning(capsys.readouterr().err)
    assert _runs(root)[0].info.status == "RUNNING"
    assert "logged the run" in sync(root, params)


def test_training_outlives_a_store_that_is_removed(root: Path, params: Params) -> None:
    def remove() -> None:
        for file in root.glob("mlflow.db*"):
            file.rename(root / f"away-{file.name}")

    _train(root, params, before_end=remove)
    assert (root / "models/student/student.json").is_file()
    for file in root.glob("away-*"):
        file.replace(root / file.name.removeprefix("away-"))


@pytest.mark.parametrize("loss", ["a damaged store", "a folder", "a dead server", "no MLflow"])
def test_training_outlives_a_lost_store(
    loss: str, tmp_path: Path, params: Params, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    monkeypatch.setenv("DVC_ROOT", str(tmp_path))
    monkeypatch.setattr("mlflow.store.db.utils.MAX_RETRY_COUNT", 1)
    if loss == "a damaged store":
        (tmp_path / "mlflow.db").write_bytes(b"junk" * 1000)
    elif loss == "a folder":
        (tmp_path / "mlflow.db").mkdir()
    elif loss == "a dead server":
        monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
        monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    else:
        monkeypatch.setitem(sys.modules, "mlflow", None)
    _train(tmp_path, params)
    assert (tmp_path / "models/student/student.json").is_file()
    _assert_one_warning(capsys.readouterr().err)


def test_values_are_handed_over_in_batches(root: Path, params: Params, monkeypatch: pytest.MonkeyPatch) -> None:
    sizes: list[int] = []
    original = runs.log_metrics

    def count(client: object, run_id: str, entries: list) -> None:
        sizes.append(len(entries))
        original(client, run_id, entries)

    monkeypatch.setattr(tracking, "log_metrics", count)
    monkeypatch.setattr(tracking, "FLUSH_SECONDS", 1000)
    _train(root, params)
    assert sizes == [STEPS, 0]
    monkeypatch.setattr(tracking, "FLUSH_SECONDS", 0)
    for name in ("models", "reports"):
        shutil.rmtree(root / name)
    sizes.clear()
    _train(root, params)
    assert sizes == [*[1] * STEPS, 0, 0]


def test_pages_want_a_free_port(root: Path) -> None:
    with pytest.raises(InputError, match=r"PORT: expected a number .* found 'ten'"):
        tracking.serve(root, "ten")
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        with pytest.raises(InputError, match=r"is taken; choose another: PORT="):
            tracking.serve(root, str(taken.getsockname()[1]))
