"""An output of the pipeline as DVC's cache has it."""

import shutil
import subprocess
import sys
from pathlib import Path

from erkd.io.files import InputError


def restore(root: Path, output: Path) -> None:
    """Put an output of the pipeline back. Raises InputError with DVC's words when its cache does not have it.

    What is there is removed first: DVC takes a file of the same size and time for unchanged.
    """
    aside = output.with_name(f".{output.name}.damaged")
    if output.exists():
        output.rename(aside)
    command = [sys.executable, "-m", "dvc", "checkout", "--force", str(output.relative_to(root))]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, check=False)
    if done.returncode == 0 and output.exists():
        shutil.rmtree(aside, ignore_errors=True)
        return
    if aside.exists() and not output.exists():
        aside.rename(output)
    told = [line for line in done.stderr.splitlines() if line.startswith("ERROR")] or ["no such output"]
    raise InputError(
        f"{output}: DVC's cache does not have it ({told[0].removeprefix('ERROR: ')}); `dvc repro`"
    )
