"""Stages that are killed go on where they were, to the same bytes."""

import os
import signal
import subprocess
import time
from pathlib import Path

import pytest

from erkd.io.files import sha256
from erkd.students.student import save_student
from tests.support.project import start, write_params
from tests.support.students import small_student

STAGES = {
    "library": "data/library", "composite": "data/composites", "trimap": "data/trimaps",
    "baselines": "data/baselines/test", "evaluate": "data/predictions/test",
}  # fmt: skip


def made(root: Path) -> dict[str, int]:
    """Name, within its folder, and time of every picture in scratch."""
    return times(folder for folder in root.glob(".erkd/*/made"))


def times(folders) -> dict[str, int]:
    return {
        str(file.relative_to(folder)): file.stat().st_mtime_ns
        for folder in folders
        for file in folder.rglob("[!.]*.png")
    }


def records(root: Path) -> list[Path]:
    return [file for file in root.rglob(".erkd/*/done/**/*.json") if not file.name.startswith(".")]


def kill_after(count: int, process: subprocess.Popen, root: Path) -> None:
    """SIGKILL once so many rows are finished; its workers end by themselves."""
    deadline = time.monotonic() + 120
    while len(records(root)) < count:
        assert process.poll() is None, "it ended before it was killed"
        assert time.monotonic() < deadline
        time.sleep(0.002)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()


@pytest.mark.nightly
def test_killed_stages_go_on_to_the_same_bytes(tmp_path):
    calm, rough = write_params(tmp_path / "calm"), write_params(tmp_path / "rough")
    for root in (calm, rough):
        save_student(small_student(), root / "models/student", {})
    for stage, folder in STAGES.items():
        assert start(stage, calm).wait() == 0
        kill_after(4, start(stage, rough), rough)
        assert not (rough / folder).exists()
        time.sleep(1)  # for the killed run's workers to end
        finished, before = len(records(rough)), made(rough)
        assert finished >= 4
        assert start(stage, rough).wait() == 0
        after = times([rough / folder])
        assert len([name for name in before if after[name] == before[name]]) >= finished
        assert sha256(rough / folder) == sha256(calm / folder), stage
        assert list((rough / ".erkd").iterdir()) == []
    for name in ("metrics.json", "per_image.csv"):
        assert sha256(rough / "reports" / name) == sha256(calm / "reports" / name)
