"""A full disk ends a stage in one line that names the folder; with more room it goes on."""

import os
import re
import shutil
import subprocess
import sys

import pytest

from erkd.io.files import sha256
from tests.support import ROOT
from tests.support.project import start, write_params

UNSHARE = ["unshare", "--map-root-user", "--mount", "bash", "-euc"]
pytestmark = pytest.mark.nightly


@pytest.fixture
def small_disk(tmp_path):
    """A function that runs a shell script in which `disk SIZE` makes `folder` a disk of that size, or resizes it."""
    if not shutil.which("unshare") or subprocess.run([*UNSHARE, "mount -t tmpfs none /mnt"]).returncode:
        pytest.skip("this user may not mount anything")

    def run(folder, script):
        folder.mkdir(parents=True, exist_ok=True)
        resize = f'disk() {{ mount -o "${{mounted+remount,}}size=$1" -t tmpfs none "{folder}"; mounted=1; }}'
        environment = {name: value for name, value in os.environ.items() if not name.startswith("DVC_")}
        return subprocess.run(
            [*UNSHARE, f"{resize}\n{script}"],
            cwd=ROOT,
            env=environment | {"PYTHONPATH": f"{ROOT}"},
            capture_output=True,
            text=True,
        )

    return run


@pytest.mark.parametrize("full", [".erkd", "data"])
def test_a_stage_goes_on_when_there_is_room(small_disk, tmp_path, full):
    calm, rough = write_params(tmp_path / "calm"), write_params(tmp_path / "rough")
    assert start("library", calm).wait() == 0
    stage = f"{sys.executable} -m pipeline.library --root {rough}"
    script = f"""
        disk 300k
        {stage} || echo ended with $?
        disk 100m
        {stage}
        cp -r {rough}/data {tmp_path}/result"""
    done = small_disk(rough / full, script)
    assert done.stdout == "ended with 2\n", done.stderr
    lines = [line for line in done.stderr.splitlines() if "disk is full" in line]
    folder = rough / full / ("library-" if full == ".erkd" else "library")
    assert re.match(rf"{folder}.*: the disk is full; make room, and the same command goes on", lines[0])
    assert len(lines) == 1
    assert "Traceback" not in done.stderr
    assert sha256(tmp_path / "result/library") == sha256(calm / "data/library")


@pytest.mark.parametrize(
    "writes",
    ["from tests.support.students import small_student; from erkd.students.student import save_student;"
     "save_student(small_student(), folder, {})",
     "from erkd.features.precompute import _new_map; _new_map(folder / 'maps.npy', (9 * 99 * 99, 9))[:] = 1",
     "import numpy; from erkd.features.precompute import _save; _save(numpy.zeros(99999), folder / 'text.npy')",
     "import torch; from erkd.training.checkpoint import *;"
     "network = torch.nn.Linear(999, 99); optimiser = torch.optim.AdamW(network.parameters());"
     "schedule = torch.optim.lr_scheduler.LambdaLR(optimiser, lambda step: 1);"
     "save_checkpoint(folder, 1, Trained({'network': network}, optimiser, schedule), {}, None)"],
    ids=["student", "features", "texts", "checkpoint"],
)  # fmt: skip
def test_large_files_name_the_folder(small_disk, tmp_path, writes):
    folder = tmp_path / "small"
    script = f"""
from pathlib import Path
from erkd.io.files import InputError
folder = Path({str(folder)!r})
try:
    {writes}
except InputError as error:
    print(error, [path.name for path in folder.iterdir() if path.stat().st_size and path.suffix != ".npy"])
"""
    (tmp_path / "script.py").write_text(script)
    done = small_disk(folder, f"disk 100k; {sys.executable} {tmp_path}/script.py")
    message = "the disk is full; make room, and the same command goes on with what is finished"
    assert done.stdout == f"{folder}: {message} []\n", done.stderr
