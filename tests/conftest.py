"""Fixtures that several tests share, and the guard of how long a test may take."""

import os
import signal
import sys

# before torch: tiny tensors only wait for one another on more threads, and waiting threads spin
os.environ.update({"OMP_NUM_THREADS": "1", "GOMP_SPINCOUNT": "1000"} | dict(os.environ))

import numpy as np
import pytest

from tests.support import ROOT

signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background jobs inherit it as ignored

MAY_BE_SLOW = {  # tests that are let off the limit, and why
    "test_an_experiment_reruns_distillation_and_below_and_is_no_champion": "six stages, each a process",
    "test_photographs_and_predictions_made_elsewhere_are_scored_beside_the_rest": "eight stages, each a process",
    "test_the_uses_of_the_readme_work": "`erkd export` traces a network",
    "test_two_processes_train_as_one_does": "two trainings by torchrun and one here",
}


def pytest_addoption(parser):
    parser.addini("slowest", "seconds by the clock that a test may take, its fixtures apart", default="20")


def pytest_collection_modifyitems(items):
    """Files that want the run of the pipeline first, then slow ones, so that all processes end together."""
    run, slow = (
        {item.path for item in items if wanted(item)}
        for wanted in (lambda item: "project" in item.fixturenames, lambda item: item.get_closest_marker("slow"))
    )
    items.sort(key=lambda item: (item.path not in run, item.path not in slow))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    """Fail a test that passed but took too long; those that run at night may take any time."""
    report = yield
    limit = float(item.config.getini("slowest"))
    let_off = item.get_closest_marker("nightly") or item.originalname in MAY_BE_SLOW
    if report.when == "call" and report.passed and report.duration > limit and not let_off:
        report.outcome = "failed"
        report.longrepr = (
            f"{item.nodeid}: {report.duration:.1f} seconds, at most {limit:g} are allowed in `make test`"
        )
    return report


@pytest.fixture(autouse=True)
def own_code():
    """MLflow puts the part of erkd that lies beside a model it loads before ours, for processes started later."""
    before = sys.path[:]
    yield
    sys.path[:] = before


@pytest.fixture
def rng():
    return np.random.default_rng(0)


@pytest.fixture(scope="session")
def project(tmp_path_factory):
    """A clone with tiny parameters after `make repro`, which printed what output.txt holds."""
    from tests.support.project import TINY, clone, run

    folder = clone(tmp_path_factory.mktemp("first") / "erkd", TINY)
    folder.joinpath("output.txt").write_text(run("make repro", folder))
    run("git add -A && git commit -qm results", folder)
    return folder


@pytest.fixture(scope="session")
def workers(tmp_path_factory):
    """A Dask cluster of two workers, processes in folders of their own."""
    from tests.support.dask_cluster import dask_cluster

    with dask_cluster(tmp_path_factory.mktemp("cluster"), 2) as started:
        yield started


@pytest.fixture(scope="module")
def browser():
    """A headless Chromium."""
    from tests.support.browser import find_chromium, headless

    program = find_chromium()
    if program is None:
        pytest.skip("Chromium is not installed")
    with headless(program) as opened:
        yield opened


@pytest.fixture
def realdata():
    """The nine photographs with measured alpha and the backgrounds, where they lie beside the checkout."""
    folder = ROOT.parent / "shared/realdata"
    if not folder.is_dir():
        pytest.skip("the photographs are not beside this checkout")
    return folder
