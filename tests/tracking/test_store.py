"""The store lies where the project is, and processes may make it at once."""

import subprocess
import sys
from pathlib import Path

import pytest

from erkd.io.files import InputError
from erkd.runtime.project import project_root
from erkd.tracking.fetch import fetch
from erkd.tracking.store import connect, reason, store_uri
from tests.support import ROOT


def test_store_address(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DVC_ROOT", raising=False)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    (tmp_path / "project/.dvc").mkdir(parents=True)
    (tmp_path / "project/ablation").mkdir()
    assert project_root(tmp_path / "project/ablation") == tmp_path / "project"
    assert store_uri(tmp_path / "project") == f"sqlite:///{tmp_path}/project/mlflow.db"
    monkeypatch.setenv("DVC_ROOT", str(tmp_path / "original"))
    assert project_root(tmp_path / "project/ablation") == tmp_path / "original"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://elsewhere:5000")
    assert store_uri(tmp_path) == "http://elsewhere:5000"


def test_a_model_s_address_outside_a_project_makes_no_store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DVC_ROOT", raising=False)
    for given in (None, f"sqlite:///{tmp_path}/typo.db"):
        if given:
            monkeypatch.setenv("MLFLOW_TRACKING_URI", given)
        else:
            monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
        with pytest.raises(InputError, match=r"^models:/erkd-student@champion: no MLflow store here \(sqlite"):
            fetch("models:/erkd-student@champion", tmp_path)
    assert [*tmp_path.iterdir()] == []


def test_the_line_that_says_most() -> None:
    wrapped = RuntimeError("(raised in a flush)\n(sqlite3.OperationalError) database is locked\n[SQL: ...]")
    assert reason(wrapped) == "(sqlite3.OperationalError) database is locked"
    assert reason(ValueError()) == "ValueError"


@pytest.mark.slow
def test_processes_may_make_the_store_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    monkeypatch.setenv("DVC_ROOT", str(tmp_path))
    command = [sys.executable, "-m", "erkd.tracking.training_run", "create"]
    processes = [subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    assert [process.communicate()[0] for process in processes] == [
        f"MLflow store: sqlite:///{tmp_path}/mlflow.db\n"
    ] * 2
    assert [process.returncode for process in processes] == [0, 0]
    client, _ = connect(tmp_path)
    assert sorted(experiment.name for experiment in client.search_experiments()) == ["Default", "erkd"]
