"""A small copy of the project in a folder of its own, as a user's clone, with parameters that take seconds."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

from ruamel.yaml import YAML

from tests.support import ROOT

TINY = {
    "data": {
        "size": 96,
        "foregrounds": {"train": 16, "validation": 4, "test": 4},
        "backgrounds": {"train": 8, "validation": 4, "test": 4},
    },
    "composite": {"per_foreground": {"train": 1, "validation": 1, "test": 1}},
    "teacher": {"backbone": "tf_efficientnet_lite0", "image_size": 64, "embed_dim": 16, "steps": 3},
    "student": {"size": "nano"},
    "distill": {"steps": 4, "batch_size": 2, "crop": 64, "validate_every": 2},
    "wrong_trimaps": {"images": 2, "methods": ["interpolation"]},
    "evaluate": {"bootstrap": 20},
    "report": {"cases": 1, "gallery": 4},
}
TESTER = "git config user.name tester && git config user.email tester@localhost"


def merge(settings, changes):
    """Change nested `settings` in place."""
    for key, value in changes.items():
        if isinstance(value, dict):
            merge(settings[key], value)
        else:
            settings[key] = value


def write_merged(target: Path, *changes: dict) -> None:
    """The committed parameters with `changes`."""
    yaml = YAML()
    params = yaml.load(ROOT / "params.yaml")
    for change in changes:
        merge(params, change)
    yaml.dump(params, target)


def clone(folder: Path, changes: dict) -> Path:
    """Copy what git would give a user into `folder`, with changed parameters, committed; no results."""
    listing = ["git", "ls-files", "-co", "--exclude-standard"]
    listed = subprocess.run(listing, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    for name in listed.splitlines():
        result = name == "dvc.lock" or (name.startswith("reports/") and not name.endswith(".gitignore"))
        if (ROOT / name).is_file() and not result:
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, folder / name)
    write_merged(folder / "params.yaml", changes)
    (folder / ".venv").symlink_to(ROOT / ".venv")
    (folder / ".venv/.ready").touch()  # newer than the copied files: `make` takes the environment for theirs
    run(f"git init -q -b main && {TESTER} && git add -A && git commit -qm start", folder)
    return folder


def copy_of(project: Path, folder: Path) -> Path:
    """A git clone of a finished `project` in `folder`, with its results and run cache: nothing is run for it.

    The MLflow store and what lies outside git and DVC stay behind.
    """
    run(f"git clone -q {project} {folder}", project)
    shutil.copytree(project / ".dvc/cache", folder / ".dvc/cache")
    (folder / ".venv").symlink_to(ROOT / ".venv")
    run(f"{TESTER} && dvc checkout", folder)
    return folder


def command_environment() -> dict[str, str]:
    """The variables of a user in the activated environment."""
    ours = {"PATH": f"{ROOT / '.venv/bin'}:{os.environ['PATH']}", "GIT_CONFIG_GLOBAL": "/dev/null"}
    foreign = ("DVC_", "MLFLOW_", "GIT_", "PYTEST_", "MAKE", "OMP_", "MFLAGS", "COV")
    return {name: value for name, value in os.environ.items() if not name.startswith(foreign)} | ours


def run(command: str, folder: Path, expect: int = 0, **environment: str) -> str:
    """Run a shell command as a user in the activated environment would; returns what it printed."""
    done = subprocess.run(
        ["bash", "-c", command], cwd=folder, env=command_environment() | environment, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=600,
    )  # fmt: skip
    assert done.returncode == expect, f"{command}: exit code {done.returncode}\n{done.stdout[-6000:]}"
    return done.stdout


def stages_run(output: str) -> list[str]:
    """The stages that DVC says it ran, in order."""
    return [line.split("'")[1] for line in output.splitlines() if line.startswith("Running stage")]


def hashes(folder: Path) -> dict[str, str]:
    """DVC's hash of every output but the page, which names the folder."""
    lock = YAML(typ="safe").load((folder / "dvc.lock").read_text())
    outs = [out for stage in lock["stages"].values() for out in stage["outs"]]
    return {out["path"]: out["md5"] for out in outs if not out["path"].endswith(".html")}


def start(stage: str, root: Path) -> subprocess.Popen:
    """A stage on `root`, in a process of its own."""
    return subprocess.Popen(
        [sys.executable, "-m", f"pipeline.{stage}", "--root", root], cwd=ROOT,
        env=command_environment() | {"PYTHONPATH": str(ROOT)},
        stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
    )  # fmt: skip


def write_params(root: Path) -> Path:
    """A new folder with parameters that give a stage a second or two to be killed in."""
    layers = {"size": 160, "foregrounds": {"train": 20}, "backgrounds": {"train": 10}}
    root.mkdir()
    write_merged(root / "params.yaml", TINY, {"data": layers, "composite": {"per_foreground": {"train": 2}}})
    return root
