"""`erkd` as a user runs it."""

import io
import os
import subprocess
import sys
from contextlib import redirect_stderr, redirect_stdout
from unittest.mock import patch

from erkd.cli import main


def erkd(*arguments: object) -> subprocess.CompletedProcess[str]:
    """Run `erkd` in this process, whose imports are paid for: returncode, stdout and stderr.

    Bytes of stdout that are no text come out as os.fsdecode gives them.
    """
    words = ["erkd", *map(str, arguments)]
    out, error, code = io.TextIOWrapper(io.BytesIO(), write_through=True), io.StringIO(), 0
    with redirect_stdout(out), redirect_stderr(error), patch.object(sys, "argv", words):
        try:
            main()
        except SystemExit as end:
            code = end.code or 0
    return subprocess.CompletedProcess(words, code, os.fsdecode(out.buffer.getvalue()), error.getvalue())


def erkd_process(*arguments: object) -> subprocess.CompletedProcess[str]:
    """The same in a process of its own."""
    words = [sys.executable, "-m", "erkd.cli", *map(str, arguments)]
    return subprocess.run(words, capture_output=True, text=True, timeout=120, check=False)
