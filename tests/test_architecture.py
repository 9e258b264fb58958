"""Imports go one way: contracts of import-linter (pyproject.toml) that `make lint` checks, and that can fail."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support import ROOT
from tests.support.imports import imported_modules


def lint(folder: Path) -> subprocess.CompletedProcess[str]:
    command = [Path(sys.executable).with_name("lint-imports"), "--no-cache"]
    environment = os.environ | {"PYTHONPATH": str(folder)}
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)


@pytest.mark.parametrize(
    ("module", "line", "broken"),
    [
        ("erkd/io/files.py", "from erkd.report import page", "erkd.io.files -> erkd.report.page"),
        (
            "erkd/runtime/device.py",
            "import pipeline.common.sets",
            "erkd.runtime.device -> pipeline.common.sets",
        ),
        ("erkd/students/blocks.py", "from erkd.students import student", "circles"),
        ("erkd/evaluation/costs.py", "import mlflow", "erkd.evaluation.costs -> mlflow"),
    ],
    ids=["upwards", "a stage", "a circle", "mlflow"],
)
def test_an_import_turned_round_breaks_a_contract(tmp_path, module, line, broken):
    for name in ("erkd", "pipeline"):
        shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("weights", "__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    with (tmp_path / module).open("a") as file:
        file.write(f"\n{line}\n")
    done = lint(tmp_path)
    assert done.returncode == 1
    assert broken in done.stdout.split("Broken contracts")[1]


def test_a_folder_shows_the_architecture():
    """At most five modules at the top of erkd, and no folder with more than twenty."""
    modules = [file for file in (ROOT / "erkd").rglob("*.py") if file.name != "__init__.py"]
    folders = [file.parent for file in modules]
    assert folders.count(ROOT / "erkd") <= 4  # and __init__.py
    assert max(map(folders.count, folders)) <= 19


def test_only_stages_load_params():
    users = [
        file.relative_to(ROOT).as_posix()
        for file in (ROOT / "erkd").rglob("*.py")
        if "erkd.params.load_params" in imported_modules(file)
    ]
    assert users == ["erkd/tracking/training_run.py"]  # `make mlflow-sync` has no stage around it
