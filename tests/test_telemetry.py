"""One place switches off the telemetry of every tool, with no shell and no Makefile around."""

import ast
import os
import subprocess
import sys
import sysconfig
import venv

import pytest

from erkd.telemetry import OFF
from tests.support import ROOT


def python(program, *arguments, cwd=ROOT, **environment):
    """What a Python prints that inherits none of the variables."""
    clean = {name: value for name, value in os.environ.items() if name not in OFF}
    command = [str(program), *arguments]
    return subprocess.run(
        command, cwd=cwd, env=clean | environment, check=True, capture_output=True, text=True
    ).stdout


@pytest.mark.slow
def test_the_tools_themselves_say_that_it_is_off(tmp_path):
    """And what the user set stays."""
    code = """
import erkd, os
from dvc.analytics import is_enabled
from huggingface_hub.constants import HF_HUB_DISABLE_TELEMETRY
from mlflow.environment_variables import MLFLOW_DISABLE_TELEMETRY
print(not is_enabled(), HF_HUB_DISABLE_TELEMETRY, MLFLOW_DISABLE_TELEMETRY.get())
print(os.environ["DO_NOT_TRACK"], os.environ["DVC_NO_ANALYTICS"])
"""
    settings = {"PYTHONPATH": str(ROOT), "DO_NOT_TRACK": "mine"}
    said = python(sys.executable, "-W", "ignore", "-c", code, cwd=tmp_path, **settings)
    assert said == "True True True\nmine 1\n"


@pytest.mark.parametrize("module", ["erkd", "erkd.inference.served_model"])
def test_onnx_runtime_writes_nothing(tmp_path, module):
    """Its telemetry keeps `.ses` in the temporary folder and a database in ~/.cache, and sends what it gathers."""
    folders = dict.fromkeys(("HOME", "TMPDIR", "XDG_CACHE_HOME"), str(tmp_path))
    path = f"{ROOT}:{sysconfig.get_path('purelib')}"
    code = f"import {module}, onnxruntime"
    # -S: without the environment's own .pth file
    python(sys.executable, "-S", "-W", "ignore", "-c", code, cwd=tmp_path, PYTHONPATH=path, **folders)
    assert [*tmp_path.rglob("*")] == []


def test_every_python_of_the_environment_has_it(tmp_path):
    venv.create(tmp_path / "env", with_pip=False)
    program = tmp_path / "env/bin/python"
    show = "import os; print({**os.environ})"
    assert not OFF.keys() & ast.literal_eval(python(program, "-S", "-c", show, cwd=tmp_path)).keys()
    assert "no_telemetry.pth" in python(program, "-m", "erkd.telemetry")
    assert OFF.items() <= ast.literal_eval(python(program, "-c", show, cwd=tmp_path)).items()
    assert "erkd" not in python(program, "-c", "import sys; print(sys.modules.keys())", cwd=tmp_path)


def test_the_makefile_installs_it_and_names_no_variable_itself():
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    assert "python -m erkd.telemetry" in makefile
    assert not [name for name in OFF if name in makefile]
