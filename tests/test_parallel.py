"""Rows in parallel."""

import joblib
import numpy as np

from erkd.parallel import map_rows


def draw(seed):
    return float(np.random.default_rng(seed).normal())


def test_the_number_of_workers_changes_nothing():
    serial = [draw(seed) for seed in range(20)]
    assert map_rows(draw, range(20), "draw") == serial
    with joblib.parallel_config(backend="threading", n_jobs=3):
        assert map_rows(draw, range(20), "draw") == serial
