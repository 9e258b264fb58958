"""History, parameters and evaluation on their way into a run; whole runs are tested in test_tracking."""

from pathlib import Path
from types import SimpleNamespace

import pytest

from erkd.io.files import InputError
from erkd.tracking import runs
from erkd.tracking.runs import as_text, log_evaluation, read_history


def test_history_skips_empty_cells_and_names_damage(tmp_path: Path) -> None:
    (tmp_path / "history.csv").write_text("step,loss,validation_sad\n1,0.5,\n2,0.25,3\n")
    expected = [(1, {"loss": 0.5}), (2, {"loss": 0.25, "validation_sad": 3.0})]
    assert read_history(tmp_path / "history.csv") == expected
    (tmp_path / "history.csv").write_text("loss\n0.5\n")
    with pytest.raises(InputError, match=r"history.csv: not a history"):
        read_history(tmp_path / "history.csv")


def test_parameters_are_logged_as_text() -> None:
    assert as_text({"a": {"b": {"c": 1.5}, "d": None}, "e": ["x"], "f": {}, "g": "text"}) == {
        "a.b.c": "1.5",
        "a.d": "null",
        "e": '["x"]',
        "f": "{}",
        "g": "text",
    }


def test_an_evaluation_is_logged_once(monkeypatch: pytest.MonkeyPatch) -> None:
    logged: list[dict[str, float]] = []
    monkeypatch.setattr(runs, "log_metrics", lambda client, run_id, entries: logged.append(entries[0][2]))
    run = SimpleNamespace(
        info=SimpleNamespace(run_id="1"), data=SimpleNamespace(metrics={"test/student/sad": 2.0})
    )
    log_evaluation(
        None,
        run,
        {
            "test": {
                "n": 3,
                "student": {"sad": 2.0, "mse": 0.1, "conn": None},
                "knn": {"difference": {"sad": -1.0}},
            }
        },
    )
    assert logged == [{"test/student/mse": 0.1}]
