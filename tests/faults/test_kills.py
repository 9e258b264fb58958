"""`dvc repro` is killed at random moments and started again: it ends with what an undisturbed run gives."""

import os
import random
import signal
import subprocess
import time

import pytest

from erkd.io.files import read_json
from tests.support.project import TINY, clone, command_environment, hashes, run

pytestmark = pytest.mark.nightly
LOCKS = {"store.lock", "registry.lock"}  # of MLflow's store; they hold nothing


def killed(folder, command, after, alone):
    """Start a command, kill it after so many seconds (it `alone`, or with all that it started); was it running?"""
    process = subprocess.Popen(
        command.split(), cwd=folder, env=command_environment(), start_new_session=True,
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        process.wait(after)
        return False
    except subprocess.TimeoutExpired:
        (os.kill if alone else os.killpg)(process.pid, signal.SIGKILL)
        process.wait()
        return True


def disturb(folder, command, kills, longest, seed):
    """Kill the command so many times, beginning anew where it came to its end; then let it end."""
    draw, ends = random.Random(seed), 0
    while kills:
        if killed(folder, command, draw.uniform(0.5, longest), alone=draw.random() < 0.3):
            kills -= 1
            continue
        ends += 1
        (folder / "dvc.lock").unlink()
        run("rm -rf .dvc/cache/runs", folder)
    time.sleep(2)  # for the workers of the last one to end
    run(command, folder)
    return ends


def assert_clean(folder):
    assert {path.name for path in (folder / ".erkd").iterdir()} <= LOCKS
    assert [path for name in ("data", "models", "reports") for path in (folder / name).rglob(".*tmp*")] == []


def no_waiting(folder):
    """Checkpoints after each of the few steps."""
    checkpoint = folder / "erkd/training/checkpoint.py"
    text = checkpoint.read_text()
    assert "SECONDS = 60" in text
    checkpoint.write_text(text.replace("SECONDS = 60", "SECONDS = 0"))


@pytest.mark.timeout(7200)
def test_twenty_kills(project, tmp_path):
    folder = clone(tmp_path / "rough", TINY)
    no_waiting(folder)
    seconds = sum(read_json(file)["seconds"] for file in project.glob("reports/timings/*[!s].json"))
    ends = disturb(folder, "dvc repro", 20, longest=0.4 * seconds, seed=0)
    print(f"20 kills within {0.4 * seconds:.0f} s of a start; {ends} runs came to their end before")
    assert hashes(folder) == hashes(project)
    assert_clean(folder)
