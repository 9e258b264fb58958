"""What killed runs left behind: unfinished work, half-written files, copies of the project for experiments."""

import os
import re
import shutil
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from erkd.doctor.check import Check

SCRATCH = re.compile(r"(?P<stage>\w+)-[0-9a-f]{16}")
WRITTEN = ("data", "models", "reports")
AGE = 600  # seconds after which a half-written file is nobody's


def find_leftovers(root: Path, unfinished: set[str] | None) -> Iterator[Check]:
    """What is left under the project `root`; `unfinished` names the stages that are not up to date, None if
    nobody knows. Work in a stage that is up to date will never be taken up again."""
    folder = root / ".erkd"
    for path in sorted(folder.glob("*-*")):
        found = SCRATCH.fullmatch(path.name.removesuffix(".lock"))
        if not found or _is_locked(folder / f"{found[0]}.lock"):
            continue
        if path.suffix == ".lock":
            if not path.with_suffix("").exists():
                yield Check("orphan", f"{path}: the lock of work that is gone", _removal(), fix=path.unlink)
        elif unfinished is None or found["stage"] in unfinished:
            yield Check(
                "unfinished",
                f"{path}: {_size(path)} of work that a killed run left",
                "`dvc repro` goes on with it",
            )
        else:
            says = f"{path}: {_size(path)} of work on a stage that is up to date"
            yield Check(
                "orphan", says, _removal("no experiment is to go on with it"), fix=partial(_remove, path)
            )
    old = time.time() - AGE
    halves = [half for name in WRITTEN for half in sorted((root / name).rglob(".*.tmp*"))]
    for half in halves:
        if half.is_file() and half.stat().st_mtime < old:
            yield Check(
                "orphan", f"{half}: half written", _removal(), fix=partial(half.unlink, missing_ok=True)
            )
    for copy in sorted((root / ".dvc/tmp/exps/standalone").glob("tmp*")):
        if copy.is_dir() and not _somebody_works_in(copy):
            says = f"{copy}: the copy of an experiment that was killed ({_size(copy)})"
            yield Check("orphan", says, _removal(), fix=partial(_remove, copy))
    if (root / ".git/refs/exps/exec/EXEC_HEAD").is_file() and not _is_branch(root):
        says = "an experiment was killed: git is on no branch"
        yield Check("experiment", says, "`git stash` if you changed something, then `git switch BRANCH`")


def _removal(unless: str = "") -> str:
    return f"`erkd doctor --fix` removes it{f', where {unless}' if unless else ''}"


def _is_locked(lock: Path) -> bool:
    """Whether a living process holds a lock."""
    if not lock.is_file():
        return False
    from filelock import FileLock, Timeout

    try:
        with FileLock(lock, timeout=0):
            return False
    except Timeout:
        return True


def _remove(folder: Path) -> None:
    shutil.rmtree(folder)
    folder.with_name(f"{folder.name}.lock").unlink(missing_ok=True)


def _size(folder: Path) -> str:
    return f"{sum(file.stat().st_size for file in folder.rglob('*') if file.is_file()) / 1e6:.1f} MB"


def _is_branch(root: Path) -> bool:
    return (root / ".git/HEAD").read_text(encoding="utf-8").startswith("ref: ")


def _somebody_works_in(folder: Path) -> bool:
    """Whether a process of this machine has its working directory there."""
    for link in Path("/proc").glob("[0-9]*/cwd"):
        try:
            if Path(os.readlink(link)).is_relative_to(folder.resolve()):
                return True
        except OSError:  # it has ended, or is somebody else's
            continue
    return False
