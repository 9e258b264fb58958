"""dvc.yaml says what is true: every stage depends on exactly the code that it runs."""

import re
from pathlib import Path

import pytest
import yaml
from imports import ROOT, local_files

DVC = yaml.safe_load((ROOT / "dvc.yaml").read_text(encoding="utf-8"))
STAGES = {name: stage.get("do", stage) for name, stage in DVC["stages"].items()}


def test_the_stages_of_the_design_are_there():
    assert {
        "library", "composite", "trimap", "validate", "baselines", "teacher", "features", "distill",
        "evaluate", "export", "register", "report", "wrong_trimaps", "robustness",
    } <= set(STAGES)  # fmt: skip


@pytest.mark.parametrize("name", STAGES)
def test_code_deps_are_exactly_the_imports(name):
    stage = STAGES[name]
    module = re.search(r"-m (pipeline\.\w+)", stage["cmd"]).group(1)
    declared = {dep for dep in stage["deps"] if dep.endswith((".py", ".j2"))}
    expected = {file.as_posix() for file in local_files(module)}
    if "erkd/report.py" in expected:
        expected.add("erkd/templates/report.html.j2")
    assert declared == expected, f"dvc.yaml, stage {name}: {sorted(declared ^ expected)}"


@pytest.mark.parametrize("name", STAGES)
def test_a_stage_script_is_short(name):
    module = re.search(r"-m pipeline\.(\w+)", STAGES[name]["cmd"]).group(1)
    assert len((ROOT / "pipeline" / f"{module}.py").read_text(encoding="utf-8").splitlines()) <= 30


def test_every_section_of_params_steers_a_stage():
    used = {param.split(".")[0] for stage in STAGES.values() for param in stage.get("params", [])}
    sections = set(yaml.safe_load((ROOT / "params.yaml").read_text(encoding="utf-8")))
    assert sections == used


def test_everything_after_validation_depends_on_its_verdict():
    for name in ("teacher", "features", "distill", "baselines", "wrong_trimaps"):
        assert "reports/validation.json" in STAGES[name]["deps"], name


def test_folders_that_dvc_ignores():
    assert "__pycache__/" in Path(ROOT / ".dvcignore").read_text(encoding="utf-8")
