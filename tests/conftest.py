"""Fixtures that several tests share."""

import os
import signal

os.environ.setdefault("OMP_NUM_THREADS", "1")  # before torch: tiny tensors only wait for one another on more

import numpy as np
import pytest

from tests.support import ROOT

signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background jobs inherit it as ignored


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
