"""What DVC says of a project's stages: stale, missing, changed by hand."""

import json
import subprocess
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

from erkd.doctor.check import Check
from erkd.doctor.restore import restore
from erkd.io.tables import shorten


def stage_states(root: Path) -> dict[str, list[Any]] | str:
    """The stages that `dvc status` names, with what changed; a sentence where it does not answer.

    A further pipeline (`ablation/`, `release/`) counts once it has been run: until then nothing of it is missing.
    """
    further = sorted(str(lock.with_name("dvc.yaml").relative_to(root)) for lock in root.glob("*/dvc.lock"))
    command = [sys.executable, "-m", "dvc", "status", "--json", "dvc.yaml", *further]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, check=False)
    try:
        return dict(json.loads(done.stdout))
    except ValueError:
        return (done.stderr.strip().splitlines() or ["no answer"])[0].removeprefix("ERROR: ")


def describe_stages(root: Path, states: dict[str, list[Any]]) -> Iterator[Check]:
    """One line for the pipeline, one for each stage that is stale, and one for each output that is not there or
    not what the stage wrote."""
    yield Check(
        "pipeline", "every stage is up to date" if not states else f"{len(states)} stages are not up to date"
    )
    for stage, changes in states.items():
        by_kind = {
            kind: found for change in changes if isinstance(change, dict) for kind, found in change.items()
        }
        reasons = [f"{name} {state}" for name, state in by_kind.get("changed deps", {}).items()]
        reasons += [change for change in changes if isinstance(change, str) and change != "always changed"]
        if reasons:
            yield Check(f"stale {stage}", shorten(reasons, 3), "`dvc repro`")
        for name, state in by_kind.get("changed outs", {}).items():
            if state == "deleted":
                mend = "`erkd doctor --fix` takes it from DVC's cache, as `dvc checkout` does"
                yield Check(f"missing {stage}", name, mend, fix=partial(restore, root, root / name))
            elif state == "not in cache":
                there = (root / name).exists()
                mend = f"`dvc commit {stage}` keeps it again" if there else "`dvc pull` or `dvc repro`"
                says = f"{name}: DVC's cache has it no longer"
                yield Check(f"{'uncached' if there else 'missing'} {stage}", says, mend)
            elif not reasons:
                mend = f"`dvc repro {stage}` makes it anew; `dvc commit {stage}` where the change is meant"
                yield Check(f"changed {stage}", f"{name} is not what the stage wrote", mend)
