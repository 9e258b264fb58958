"""One finding of `erkd doctor`, and the mending that several of them share."""

import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from erkd.io.files import InputError

MEND = "`erkd doctor --fix` takes it from DVC's cache, or `dvc repro` makes it anew"


@dataclass(frozen=True)
class Check:
    """One line: what was looked at, what was found, and, where something is wrong, how to mend it.

    `bad` says whether `erkd matte` cannot do without it, or a file is not what it was: the command's exit code
    tells. `fix` mends it; findings without one are mended by hand, as `mend` says.
    """

    name: str
    found: str
    mend: str = ""
    bad: bool = False
    fix: Callable[[], None] | None = None


def restore(root: Path, output: Path) -> None:
    """Put an output of the pipeline back. Raises InputError with DVC's words when its cache does not have it.

    What is there is moved aside first: DVC takes a file of the same size and time for unchanged.
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
    told = next((line for line in done.stderr.splitlines() if line.startswith("ERROR")), "no such output")
    raise InputError(f"{output}: DVC's cache does not have it ({told.removeprefix('ERROR: ')}); `dvc repro`")
