"""The base package mattes where neither PyTorch nor DVC nor MLflow is installed."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from conftest import ROOT
from PIL import Image
from test_export import AlphaOnly, export_onnx, make_student

from erkd import Matter
from erkd.images import load_alpha

pytestmark = pytest.mark.slow
IMAGE = np.random.default_rng(0).integers(0, 255, (90, 120, 3), np.uint8)
TRIMAP = np.repeat(np.uint8([0, 128, 255]), 30)[:, None].repeat(120, 1)


@pytest.fixture(scope="module")
def light(tmp_path_factory):
    """A folder with an environment `env` that holds the base package alone, a student, a photo and its trimap."""
    folder = tmp_path_factory.mktemp("light")
    source = folder / "source"  # building inside the checkout would leave files there
    shutil.copytree(ROOT / "erkd", source / "erkd", ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "README.md", "LICENSE", "constraints.txt"):
        shutil.copy(ROOT / name, source)
    subprocess.run([sys.executable, "-m", "venv", "env"], cwd=folder, check=True)
    run(folder, "pip install -q --disable-pip-version-check -c constraints.txt .", cwd=source)
    export_onnx(AlphaOnly(make_student()), folder / "student.onnx", opset=18)
    Image.fromarray(IMAGE).save(folder / "photo.png")
    Image.fromarray(TRIMAP).save(folder / "trimap.png")
    return folder


def run(folder: Path, command: str, expect: int = 0, cwd: Path | None = None) -> str:
    """What a shell command prints in the light environment, where nothing leads to this checkout."""
    outside = {
        name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "VIRTUAL"))
    }
    outside["PATH"] = f"{folder / 'env/bin'}:/usr/bin:/bin"
    done = subprocess.run(
        ["bash", "-c", command], cwd=cwd or folder, env=outside, text=True, timeout=300,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )  # fmt: skip
    assert done.returncode == expect, f"{command}: exit code {done.returncode}\n{done.stdout}"
    return done.stdout


def test_it_holds_little(light):
    installed = {line.split("==")[0].lower() for line in run(light, "pip freeze").splitlines()}
    assert {"numpy", "pillow", "opencv-python-headless", "onnxruntime", "typer"} <= installed
    assert not {"torch", "dvc", "mlflow", "pandas", "scipy", "scikit-image", "joblib"} & installed
    assert len(installed) < 30, installed


def test_the_command_mattes(light):
    run(light, "erkd matte photo.png --trimap trimap.png -o alpha.png --model student.onnx")
    expected = Matter.load(light / "student.onnx")(IMAGE, TRIMAP)
    assert np.abs(load_alpha(light / "alpha.png") - expected).max() <= 0.51 / 255


def test_the_library_mattes(light):
    code = """
import numpy as np
from PIL import Image
from erkd import Matter
matter = Matter.load("student.onnx")
alpha = matter(np.asarray(Image.open("photo.png")), np.asarray(Image.open("trimap.png")))
print(alpha.shape, alpha.dtype, alpha.min(), alpha.max())
"""
    assert run(light, f"python -W error -c '{code}'") == "(90, 120) float32 0.0 1.0\n"


def test_what_is_missing_is_said_in_one_line(light):
    (light / "folder").mkdir()
    (light / "folder/student.safetensors").write_bytes(b"")
    (light / "folder/student.json").write_text("{}")
    told = run(light, "erkd matte photo.png --trimap trimap.png -o no.png --model folder", expect=2)
    assert "erkd[torch]" in told
    told += run(light, "erkd evaluate --pred . --alpha . --trimap .", expect=2)
    assert "this needs joblib: pip install 'erkd[torch,pipeline]' brings it" in told
    assert "Traceback" not in told
    assert not (light / "no.png").exists()
