"""What is stale or missing by DVC's word, and the unfinished work of stages that were killed."""

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Collection, Iterator
from contextlib import nullcontext
from functools import partial
from pathlib import Path
from typing import Any

from erkd.doctor.check import MEND, Check, restore
from erkd.io.tables import shorten

SCRATCH = re.compile(r"(?P<stage>\w+)-[0-9a-f]{16}")


def stage_states(root: Path) -> dict[str, list[Any]] | str:
    """The stages that `dvc status` names, with what changed; a sentence where it does not answer.

    A further pipeline (`ablation/`, `release/`) counts once it has been run, and has data: git may carry its lock.
    """
    run = (lock.parent for lock in root.glob("*/dvc.lock") if (lock.parent / "data").is_dir())
    further = sorted(str(folder.relative_to(root) / "dvc.yaml") for folder in run)
    command = [sys.executable, "-m", "dvc", "status", "--json", "dvc.yaml", *further]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, check=False)
    try:
        return dict(json.loads(done.stdout))
    except ValueError:
        return (done.stderr.strip().splitlines() or ["no answer"])[0].removeprefix("ERROR: ")


def describe_stages(root: Path, states: dict[str, list[Any]]) -> Iterator[Check]:
    """One line for the pipeline, one for each stage that is stale, and one for each output that is not there or
    not what the stage wrote."""
    count = len(states)
    yield Check("pipeline", f"{count} stages are not up to date" if count else "every stage is up to date")
    for stage, changes in states.items():
        kinds = {kind: found for one in changes if isinstance(one, dict) for kind, found in one.items()}
        reasons = [f"{name} {state}" for name, state in kinds.get("changed deps", {}).items()]
        reasons += [change for change in changes if isinstance(change, str) and change != "always changed"]
        if reasons:
            yield Check(f"stale {stage}", shorten(reasons, 3), "`dvc repro`")
        for name, state in kinds.get("changed outs", {}).items():
            if not (root / name).exists():
                yield Check(f"missing {stage}", name, MEND, fix=partial(restore, root, root / name))
            elif state == "not in cache":
                says = f"{name}: DVC's cache has it no longer"
                yield Check(f"uncached {stage}", says, f"`dvc commit {stage}` keeps it again")
            elif not reasons:
                mend = f"`dvc repro {stage}` makes it anew; `dvc commit {stage}` where the change is meant"
                yield Check(f"changed {stage}", f"{name} is not what the stage wrote", mend)


def find_scratch(root: Path, unfinished: Collection[str] | None) -> Iterator[Check]:
    """What killed runs left in `.erkd`; `unfinished` names the stages that are not up to date, None if nobody
    knows. Work on a stage that is up to date will never be taken up again."""
    for folder in sorted((root / ".erkd").glob("*-*")):
        found = SCRATCH.fullmatch(folder.name)
        if not found or _is_held(folder):
            continue
        size = sum(file.stat().st_size for file in folder.rglob("*") if file.is_file()) / 1e6
        says = f"{folder}: {size:.1f} MB of work that a killed run left"
        if unfinished is None or found["stage"] in unfinished:
            yield Check("unfinished", says, "`dvc repro` goes on with it")
        else:
            mend = "`erkd doctor --fix` removes it, unless an experiment is to go on with it"
            yield Check("left over", f"{says}; its stage is up to date", mend, fix=partial(_remove, folder))


def _is_held(folder: Path) -> bool:
    """Whether a living process holds the lock of a scratch folder."""
    from filelock import FileLock, Timeout

    lock = folder.with_name(f"{folder.name}.lock")
    try:
        with FileLock(lock, timeout=0) if lock.is_file() else nullcontext():
            return False
    except Timeout:
        return True


def _remove(folder: Path) -> None:
    shutil.rmtree(folder)
    folder.with_name(f"{folder.name}.lock").unlink(missing_ok=True)
