"""The pipeline on a Dask cluster writes what it writes on one machine."""

import os
import random
import shutil
import signal
import socket
import subprocess
import time
from importlib import import_module

import psutil
import pytest

from erkd.io.files import sha256
from erkd.params import load_params
from erkd.runtime.parallel import rows_on
from tests.support import ROOT
from tests.support.documents import blocks
from tests.support.project import TINY, clone, command_environment, hashes, run, stages_run, start, write_merged

DATA = {
    "library": "data/library",
    "composite": "data/composites",
    "trimap": "data/trimaps",
    "validate": "reports/validation.json",
    "baselines": "data/baselines/test",
    "wrong_trimaps": "data/wrong_trimaps",
}
TEACHER = {"features": "data/features"}
STUDENT = {"evaluate": "data/predictions/test", "robustness": "data/predictions/wrong_trimaps"}


@pytest.mark.slow
@pytest.mark.parametrize("stages", [DATA, TEACHER, STUDENT], ids=["data", "teacher", "student"])
def test_stages_that_map_rows_write_the_same_bytes(project, workers, tmp_path, stages):
    """On what the stages before it wrote, all in this process."""
    for name in ("data", "models", "reports", "params.yaml"):
        (shutil.copy if name.endswith("yaml") else shutil.copytree)(project / name, tmp_path / name)
    params = load_params(tmp_path / "params.yaml")
    for stage, output in stages.items():
        made = tmp_path / output
        (shutil.rmtree if made.is_dir() else os.remove)(made)
        options = {"set": "test"} if stage in ("baselines", "evaluate") else {}
        with rows_on(workers.address, tmp_path):
            import_module(f"pipeline.{stage}").main(tmp_path, params, **options)
        assert sha256(made) == sha256(project / output), stage
    for name in ("metrics.json", "robustness.json"):
        assert sha256(tmp_path / "reports" / name) == sha256(project / "reports" / name)
    assert not [*(tmp_path / ".erkd").iterdir()]


@pytest.mark.nightly
def test_dvc_repro_on_a_cluster_gives_the_same_bytes(project, workers, tmp_path):
    folder = clone(tmp_path / "copy", TINY | {"launch": {"rows": workers.address}})
    run("dvc repro", folder)
    assert hashes(folder) == hashes(project)
    run("sed -i 's|rows: tcp:.*|rows: local|' params.yaml", folder)
    assert stages_run(run("dvc repro", folder)) == [], "where rows are mapped is in no stage's hash"


@pytest.mark.nightly
def test_a_worker_is_killed_ten_times(workers, tmp_path):
    """At random moments of one run of the stage: the same bytes, and nothing left behind."""
    layers = {"size": 320, "foregrounds": {"train": 240}, "backgrounds": {"train": 120}}
    for name, where in (("calm", "local"), ("rough", workers.address)):
        (tmp_path / name).mkdir()
        write_merged(tmp_path / name / "params.yaml", TINY, {"data": layers, "launch": {"rows": where}})
    assert start("library", tmp_path / "calm").wait() == 0
    draw, killed = random.Random(0), []
    process = start("library", tmp_path / "rough")
    while process.poll() is None and len(killed) < 10:
        time.sleep(draw.uniform(0.2, 2))
        found = workers.worker_process(draw.choice(["worker-0", "worker-1"]))
        if found is not None and found not in killed:
            os.kill(found.pid, signal.SIGKILL)
            killed.append(found)
    assert process.wait() == 0
    assert len(killed) == 10, "the run came to its end before"
    assert sha256(tmp_path / "rough/data") == sha256(tmp_path / "calm/data")
    assert not [path for path in tmp_path.rglob("*") if "tmp" in path.name]
    assert not [*(tmp_path / "rough/.erkd").iterdir()]
    assert not [one for one in killed if psutil.pid_exists(one.pid)]
    workers.wait_for_workers(2)


@pytest.mark.nightly
def test_the_guides_five_commands(tmp_path):
    """With `ssh` to this machine, and a part of the pipeline."""
    folder, programs = clone(tmp_path / "erkd", TINY), tmp_path / "bin"
    programs.mkdir()
    for name, lines in {"ssh": 'bash -c "$2"', "hostname": "echo 127.0.0.1"}.items():
        (programs / name).write_text(f"#!/bin/bash\n{lines}\n")
        (programs / name).chmod(0o755)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    (shown,) = blocks(ROOT / "docs/guides/cluster.md", "sh")
    steps = shown.replace("8786", str(port)).replace("--nworkers -1", "--nworkers 1").splitlines()
    assert len(steps) == 5
    path = f"{programs}:{ROOT / '.venv/bin'}:{os.environ['PATH']}"
    steps[-1] = steps[-1].replace("dvc repro", "dvc repro trimap")
    script = "\n".join(["set -e", "trap 'kill 0' EXIT", *steps, "git diff params.yaml > changed.txt", "touch ended"])
    subprocess.run(
        ["bash", "-c", script], cwd=folder, start_new_session=True, timeout=300, check=False,
        env=command_environment() | {"PATH": path, "HOSTS": "one two", "PYTHONPATH": str(folder)},
    )  # fmt: skip
    assert (folder / "ended").is_file()
    assert f"rows: tcp://127.0.0.1:{port}" in (folder / "changed.txt").read_text()
    assert stages_run(run("dvc repro trimap", folder)) == []
