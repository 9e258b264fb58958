"""`erkd` as a user runs it."""

import io
import subprocess
import sys
from contextlib import redirect_stderr, redirect_stdout
from unittest.mock import patch

from erkd.cli import main


def erkd(*arguments: object) -> subprocess.CompletedProcess[str]:
    """Run `erkd` in this process, whose imports are paid for: returncode, stdout and stderr."""
    words = ["erkd", *map(str, arguments)]
    out, error, code = io.StringIO(), io.StringIO(), 0
    with redirect_stdout(out), redirect_stderr(error), patch.object(sys, "argv", words):
        try:
            main()
        except SystemExit as end:
            code = end.code or 0
    return subprocess.CompletedProcess(words, code, out.getvalue(), error.getvalue())


def erkd_process(*arguments: object) -> subprocess.CompletedProcess[str]:
    """The same in a process of its own."""
    words = [sys.executable, "-m", "erkd.cli", *map(str, arguments)]
    return subprocess.run(words, capture_output=True, text=True, timeout=120, check=False)
