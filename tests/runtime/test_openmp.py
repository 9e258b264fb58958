"""Threads that wait do not hold cores, unless the user wants them to."""

import os
import subprocess
import sys

import pytest

from erkd.runtime.openmp import limit_spinning
from tests.support import ROOT


@pytest.mark.parametrize(
    ("given", "count"), [({}, "1000"), ({"GOMP_SPINCOUNT": "7"}, "7"), ({"OMP_WAIT_POLICY": "active"}, None)]
)
def test_what_the_user_set_stays(monkeypatch: pytest.MonkeyPatch, given: dict[str, str], count: str | None) -> None:
    for name in ("GOMP_SPINCOUNT", "OMP_WAIT_POLICY"):
        monkeypatch.delenv(name, raising=False)
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    limit_spinning()
    assert os.environ.pop("GOMP_SPINCOUNT", None) == count


@pytest.mark.parametrize("package", ["erkd", "pipeline"])
def test_it_is_set_before_torch_is_there(package: str) -> None:
    code = f"import {package}, os, sys; print(os.environ['GOMP_SPINCOUNT'], 'torch' in sys.modules)"
    outside = {name: value for name, value in os.environ.items() if name != "GOMP_SPINCOUNT"}
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, env=outside, capture_output=True, text=True, check=True
    )
    assert done.stdout == "1000 False\n"
