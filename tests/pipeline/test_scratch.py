"""Scratch: what a killed run leaves, who may use it, and what its key rests on."""

import os
import shutil
import signal
import subprocess
import sys

import pytest

from erkd.io.files import InputError
from pipeline.common import resume as module
from pipeline.common.resume import replace_folder, scratch, stage_key
from tests.support import ROOT

HOLD = """
import sys, time
from pathlib import Path
from pipeline.common.resume import scratch
with scratch(Path(sys.argv[1]), "distill", "k") as folder:
    (folder / "step.txt").write_text("12")
    (folder / ".half.x.tmp.png").write_text("half")
    print("ready", flush=True)
    time.sleep(60)
"""


@pytest.fixture(autouse=True)
def no_dvc(monkeypatch):
    monkeypatch.delenv("DVC_ROOT", raising=False)


def die_inside(root):
    with scratch(root, "distill", "k") as folder:
        (folder / "checkpoint").write_text("2")
        raise RuntimeError("died")


def test_scratch_goes_with_success_and_stays_after_an_error(tmp_path):
    with scratch(tmp_path, "distill", "k") as folder:
        assert folder == tmp_path / ".erkd/distill-k"
        (folder / "checkpoint").write_text("1")
    assert list((tmp_path / ".erkd").iterdir()) == []
    with pytest.raises(RuntimeError, match="died"):
        die_inside(tmp_path)
    with scratch(tmp_path, "distill", "k") as folder:
        assert (folder / "checkpoint").read_text() == "2"


@pytest.fixture
def holder(tmp_path):
    """Another process inside the scratch folder."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, tmp_path], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )
    assert process.stdout.readline() == "ready\n"
    yield process
    process.kill()
    process.wait()
    process.stdout.close()


def test_a_second_process_is_told_which_one_holds_it(tmp_path, holder):
    with pytest.raises(InputError, match=rf"distill-k: process {holder.pid} on "), scratch(tmp_path, "distill", "k"):
        raise AssertionError("two processes in one folder")
    with scratch(tmp_path, "distill", "other"):
        pass


@pytest.mark.parametrize("end", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_a_killed_process_leaves_its_work_and_no_lock(tmp_path, holder, end):
    os.kill(holder.pid, end)
    holder.wait()
    with scratch(tmp_path, "distill", "k") as folder:
        assert (folder / "step.txt").read_text() == "12"
        assert not (folder / ".half.x.tmp.png").exists()


@pytest.fixture
def project(tmp_path, monkeypatch):
    """A small tree that stands for code and root at once."""
    (tmp_path / "erkd/data").mkdir(parents=True)
    (tmp_path / "data/library").mkdir(parents=True)
    (tmp_path / "erkd/data/compositing.py").write_text("code")
    (tmp_path / "data/library/library.csv").write_text("table")
    (tmp_path / "data/library/a.png").write_text("pixels")
    (tmp_path / "params.yaml").write_text("seed: 0\ncomposite: {effects: 0.5}\ndata: {size: 3}\n")
    (tmp_path / "dvc.yaml").write_text(
        "stages:\n  composite:\n    cmd: x\n    deps: [erkd/data/compositing.py, data/library]\n"
        "    params: [seed, composite.effects]\n  set:\n    foreach: {}\n    do: {cmd: x, params: [seed]}\n"
    )
    monkeypatch.setattr(module, "CODE", tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    ("file", "text"),
    [("erkd/data/compositing.py", "other code"), ("data/library/library.csv", "other"), ("dvc.yaml", None),
     ("data/library/a.png", "PIXELS"), ("params.yaml", "seed: 0\ncomposite: {effects: 0.6}\n"),
     ("params.yaml", "seed: 1\ncomposite: {effects: 0.5}\n"), ("params.yaml", "seed: 0\n")],
)  # fmt: skip
def test_the_key_follows_parameters_code_and_data(project, file, text):
    key = stage_key(project, "composite")
    assert len(key) == 16
    (project / "unrelated.txt").write_text("x")
    assert stage_key(project, "composite") == key
    if text is None:
        text = (project / file).read_text().replace("[seed, ", "[seed, data, ")
    (project / file).write_text(text)
    assert stage_key(project, "composite") != key


def test_the_key_ignores_other_sections_and_where_the_project_lies(project, tmp_path_factory):
    key = stage_key(project, "composite")
    text = (project / "params.yaml").read_text().replace("size: 3", "size: 4")
    (project / "params.yaml").write_text(text)
    assert stage_key(project, "composite") == key
    copy = tmp_path_factory.mktemp("elsewhere") / "copy"
    shutil.copytree(project, copy)
    assert stage_key(copy, "composite") == key
    assert stage_key(project, "composite", "cuda:0") != key
    assert stage_key(project, "set", "a") != stage_key(project, "set", "b")


def test_the_key_follows_packages(project, monkeypatch):
    key = stage_key(project, "composite")
    monkeypatch.setattr(module, "package_version", lambda name: "9.9")
    assert stage_key(project, "composite") != key


def test_every_stage_of_this_project_has_a_key(tmp_path):
    import yaml

    shutil.copy(ROOT / "params.yaml", tmp_path)
    stages = yaml.safe_load((ROOT / "dvc.yaml").read_text(encoding="utf-8"))["stages"]
    keys = {stage: stage_key(tmp_path, stage) for stage in stages}
    assert len(set(keys.values())) == len(keys)


def test_a_folder_takes_anothers_place_whole(tmp_path):
    (tmp_path / "made").mkdir()
    (tmp_path / "made/new").write_text("1")
    (tmp_path / "out").mkdir()
    (tmp_path / "out/old").write_text("0")
    replace_folder(tmp_path / "made", tmp_path / "out")
    assert [file.name for file in (tmp_path / "out").iterdir()] == ["new"]
    assert not (tmp_path / "made").exists()
    (tmp_path / "more").mkdir()
    replace_folder(tmp_path / "more", tmp_path / "not/yet/there")
    assert (tmp_path / "not/yet/there").is_dir()
