"""The base package mattes where neither PyTorch nor DVC nor MLflow is installed."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from erkd import Matter
from erkd.io.images import load_alpha, save_image
from tests.support import ROOT
from tests.support.documents import blocks

pytestmark = pytest.mark.nightly
IMAGE = np.random.default_rng(0).integers(0, 255, (90, 120, 3), np.uint8)
TRIMAP = np.repeat(np.uint8([0, 128, 255]), 30)[:, None].repeat(120, 1)
INSTALL, *COMMANDS = blocks(ROOT / "docs/guides/photographer.md", "sh")


@pytest.fixture(scope="module")
def light(project, tmp_path_factory):
    """A checkout in which the photographer's guide was followed up to the installation, with a student and photos."""
    folder = tmp_path_factory.mktemp("light")
    shutil.copytree(ROOT / "erkd", folder / "erkd", ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "README.md", "LICENSE", "constraints.txt"):
        shutil.copy(ROOT / name, folder)
    run(folder, f"set -e\n{INSTALL}")
    (folder / "erkd").rename(folder / "source")  # what is installed is used from here on
    shutil.copytree(project / "models/onnx", folder / "models/onnx")
    for name in ("photo", "photos/a", "photos/b"):
        save_image(IMAGE, folder / f"{name}.jpg")
        save_image(TRIMAP, folder / f"{name.replace('photo', 'trimap')}.png")
    return folder


def run(folder: Path, command: str, expect: int = 0) -> str:
    """What a shell command prints in the light environment, where nothing leads to this checkout."""
    ours = ("PYTHON", "VIRTUAL")
    outside = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
    outside["PATH"] = f"{folder / 'matting/bin'}:{Path(sys.base_prefix, 'bin')}:/usr/bin:/bin"
    done = subprocess.run(
        ["bash", "-c", command], cwd=folder, env=outside, text=True, timeout=300,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )  # fmt: skip
    assert done.returncode == expect, f"{command}: exit code {done.returncode}\n{done.stdout}"
    return done.stdout


def test_it_holds_little(light):
    installed = {line.split("==")[0].lower() for line in run(light, "pip freeze").splitlines()}
    assert {"numpy", "pillow", "opencv-python-headless", "onnxruntime", "typer"} <= installed
    assert not {"torch", "dvc", "mlflow", "pandas", "scipy", "scikit-image", "joblib"} & installed
    assert len(installed) < 30, installed


def test_the_photographers_commands_matte(light):
    run(light, "\n".join(["set -e", *COMMANDS]))
    photo = np.asarray(Image.open(light / "photo.jpg"))
    expected = Matter.load()(photo, TRIMAP)  # the student that ships
    assert np.abs(load_alpha(light / "alpha.png") - expected).max() <= 0.51 / 255
    with Image.open(light / "cutout.png") as cutout:
        assert (cutout.mode, cutout.size) == ("RGBA", (120, 90))
    assert sorted(path.name for path in (light / "cutouts").iterdir()) == ["a.png", "b.png"]


def test_the_library_mattes(light):
    code = """
import numpy as np
from PIL import Image
from erkd import Matter
alpha = Matter.load("models/onnx")(np.asarray(Image.open("photo.jpg")), np.asarray(Image.open("trimap.png")))
print(alpha.shape, alpha.dtype, alpha.min(), alpha.max())
"""
    assert run(light, f"python -W error -c '{code}'") == "(90, 120) float32 0.0 1.0\n"


def test_what_is_missing_is_said_in_one_line(light):
    (light / "folder").mkdir()
    (light / "folder/student.safetensors").write_bytes(b"")
    (light / "folder/student.json").write_text("{}")
    told = run(light, "erkd matte photo.jpg --trimap trimap.png -o no.png --model folder", expect=2)
    assert "erkd[torch]" in told
    told += run(light, "erkd evaluate --pred . --alpha . --trimap .", expect=2)
    assert "this needs joblib: pip install 'erkd[torch,pipeline]' brings it" in told
    assert "Traceback" not in told
    assert not (light / "no.png").exists()
