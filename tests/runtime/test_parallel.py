"""Rows in parallel, and rows that are not done twice."""

from dataclasses import dataclass
from functools import partial

import joblib
import numpy as np
import pytest

from erkd.data.library import list_layers, write_library
from erkd.io.files import read_json, sha256
from erkd.params import load_params
from erkd.runtime.parallel import map_rows
from tests.support import ROOT


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


@pytest.mark.parametrize(("backend", "workers"), [("threading", 3), ("loky", 3), ("loky", 1), ("sequential", None)])
def test_neither_engine_nor_number_of_workers_changes_anything(tmp_path, backend, workers):
    """Nor whether results are computed or read again."""
    serial = [draw(seed) for seed in range(20)]
    with joblib.parallel_config(backend=backend, n_jobs=workers):
        for done in (None, tmp_path, tmp_path):
            assert map_rows(draw, range(20), "draw", done) == serial


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


@pytest.mark.slow
def test_pictures_are_the_same_bytes_from_every_engine(tmp_path):
    """tests/pipeline/test_cluster.py has a cluster's."""
    params = load_params(ROOT / "params.yaml").data
    few = params.foregrounds.model_copy(update={"train": 4, "validation": 1, "test": 1})
    layers = list_layers(params.model_copy(update={"size": 96, "foregrounds": few, "backgrounds": few}), 0)
    for backend in ("sequential", "loky"):
        with joblib.parallel_config(backend=backend, n_jobs=2):
            write_library(layers, tmp_path / backend)
    assert sha256(tmp_path / "sequential") == sha256(tmp_path / "loky")
