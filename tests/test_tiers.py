"""The guard of how long a test may take: it fails what is slow, and lets off only tests that there are."""

import subprocess
import sys

import pytest

from tests.conftest import MAY_BE_SLOW
from tests.support import ROOT


@pytest.mark.slow
def test_a_test_that_takes_too_long_fails():
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "tests/io/test_tables.py", "-o"]
    run = [
        subprocess.run([*command, f"slowest={limit}"], cwd=ROOT, capture_output=True, text=True, check=False)
        for limit in (0, 100)
    ]
    assert [done.returncode for done in run] == [1, 0], run[1].stdout
    assert "at most 0 are allowed in `make test`" in run[0].stdout


def test_those_that_are_let_off_exist_and_are_few():
    source = "".join(file.read_text(encoding="utf-8") for file in (ROOT / "tests").rglob("test_*.py"))
    assert [name for name in MAY_BE_SLOW if f"def {name}(" not in source] == []
    assert len(MAY_BE_SLOW) <= 5
