"""Imports go one way: contracts of import-linter (pyproject.toml) that `make lint` checks, and that can fail."""

import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

from tests.support import ROOT

TURNED_ROUND = {  # where a module would be imported, by the start of the contract that forbids it
    "the folders of erkd import downwards only": ("erkd/io/files.py", "erkd.report.page"),
    "within data": ("erkd/data/synth/hair.py", "erkd.data.library"),
    "erkd does not know its stages": ("erkd/runtime/device.py", "pipeline.common.sets"),
    "no circles": ("erkd/students/blocks.py", "erkd.students.student"),
    "prediction and training need none": ("erkd/students/losses.py", "joblib"),
    "MLflow": ("erkd/evaluation/costs.py", "mlflow"),
    "open_clip": ("erkd/report/page.py", "open_clip"),
    "Great Expectations": ("erkd/report/page.py", "great_expectations"),
    "PyMatting": ("erkd/report/page.py", "pymatting"),
}


def test_every_contract_breaks_when_an_import_is_turned_round(tmp_path):
    for name in ("erkd", "pipeline"):
        shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("weights", "__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    for file, module in TURNED_ROUND.values():
        with (tmp_path / file).open("a") as source:
            source.write(f"\nimport {module}\n")
    command = [Path(sys.executable).with_name("lint-imports"), "--no-cache"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    for name in (contract["name"] for contract in contracts):
        assert any(name.startswith(start) for start in TURNED_ROUND), f"say here how one breaks: {name}"
        assert f"{name}BROKEN" in done.stdout.replace(" BROKEN", "BROKEN"), done.stdout


def test_a_folder_shows_the_architecture():
    """At most five modules at the top of erkd, and no folder with more than twenty."""
    modules = [file for file in (ROOT / "erkd").rglob("*.py") if file.name != "__init__.py"]
    folders = [file.parent for file in modules]
    assert folders.count(ROOT / "erkd") <= 4  # and __init__.py
    assert max(map(folders.count, folders)) <= 19


def test_only_stages_load_params():
    users = [file for file in (ROOT / "erkd").rglob("*.py") if "load_params(" in file.read_text()]
    names = [file.relative_to(ROOT).as_posix() for file in users]
    assert sorted(names) == ["erkd/params.py", "erkd/tracking/training_run.py"]  # `make mlflow-sync` has no stage
