"""Rows in parallel, and rows that are not done twice."""

from dataclasses import dataclass
from functools import partial
from pathlib import Path

import joblib
import numpy as np
import pytest

from erkd.files import read_json
from erkd.parallel import map_rows


def draw(seed):
    return float(np.random.default_rng(seed).normal())


@dataclass(frozen=True)
class Drawn:
    seed: int
    value: float


def draw_and_count(folder, seed, fails=None):
    if seed == fails:
        raise RuntimeError("died")
    with (folder / f"calls-{seed}").open("a") as stream:
        stream.write("x")
    return Drawn(seed, draw(seed))


@pytest.mark.parametrize(
    ("backend", "workers"), [("threading", 3), ("loky", 3), ("loky", 1), ("sequential", None)]
)
def test_neither_engine_nor_number_of_workers_changes_anything(backend, workers):
    serial = [draw(seed) for seed in range(20)]
    assert map_rows(draw, range(20), "draw") == serial
    with joblib.parallel_config(backend=backend, n_jobs=workers):
        assert map_rows(draw, range(20), "draw") == serial


@pytest.mark.parametrize("backend", ["threading", "loky", "sequential"])
def test_finished_rows_are_not_done_again(tmp_path, backend):
    done = tmp_path / "done"
    with joblib.parallel_config(backend=backend), pytest.raises(RuntimeError, match="died"):
        map_rows(partial(draw_and_count, tmp_path, fails=7), range(12), "draw", done, Drawn)
    # a worker that the failure ends may leave a half-written file, whose name begins with a dot
    recorded = [read_json(record)["seed"] for record in done.glob("[!.]*.json")]
    assert recorded
    assert 7 not in recorded
    with joblib.parallel_config(backend=backend):
        results = map_rows(partial(draw_and_count, tmp_path), range(12), "draw", done, Drawn)
    assert results == [Drawn(seed, draw(seed)) for seed in range(12)]
    assert {(tmp_path / f"calls-{seed}").read_text() for seed in recorded} == {"x"}
    assert len(list(done.glob("[!.]*.json"))) == 12


def test_results_that_json_holds_come_back_as_they_were(tmp_path: Path):
    for _ in range(2):
        assert map_rows(draw, range(3), "draw", tmp_path) == [draw(seed) for seed in range(3)]
