"""Compiled kernels have a place where packages are read-only; elsewhere they lie beside their source."""

import os
from pathlib import Path

import pytest

from erkd.runtime.numba_cache import keep_kernels


@pytest.mark.parametrize(
    ("writable", "own", "expected"), [(False, None, ".erkd/numba"), (False, "mine", "mine"), (True, None, None)]
)
def test_the_project_keeps_them_where_packages_are_read_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, writable: bool, own: str | None, expected: str | None
) -> None:
    monkeypatch.setenv("DVC_ROOT", str(tmp_path))
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path / own) if own else "")
    if own is None:
        del os.environ["NUMBA_CACHE_DIR"]
    monkeypatch.setattr(os, "access", lambda path, mode: writable)
    keep_kernels(tmp_path)
    assert os.environ.get("NUMBA_CACHE_DIR") == (expected and str(tmp_path / expected))
