"""What the registered model answers to good and bad requests."""

import base64
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pytest

from erkd.tracking.registry import copy_code
from tests.support.onnx_student import write_student
from tests.support.served import IMAGE, TRIMAP, huge_header, png_text, read_png_text

if TYPE_CHECKING:
    from erkd.inference.served_model import MattingModel


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> "MattingModel":
    from erkd.inference.served_model import MattingModel

    model = MattingModel()
    onnx = write_student(tmp_path_factory.mktemp("onnx") / "student.onnx")
    model.load_context(SimpleNamespace(artifacts={"onnx": onnx}, model_config=None))
    return model


def _ask(model: "MattingModel", image: str, trimap: str) -> np.ndarray:
    answer = model.predict(None, pd.DataFrame({"image": [image], "trimap": [trimap]}))
    assert list(answer.columns) == ["alpha"]
    return read_png_text(answer.alpha[0])


def test_it_answers_as_erkd_matte_does(model: "MattingModel") -> None:
    alpha = _ask(model, png_text(IMAGE), png_text(TRIMAP))
    assert alpha.shape == (50, 70)
    assert (alpha[:10] == 0).all()
    assert (alpha[40:] == 255).all()
    expected = np.empty(TRIMAP.shape, np.uint8)
    model.matter.write(IMAGE, TRIMAP, expected)
    np.testing.assert_array_equal(alpha, expected)


def test_the_code_beside_the_model_runs_without_erkd(model: "MattingModel", tmp_path: Path) -> None:
    """As where `erkd` is not installed: nothing but the copied part of it can be imported."""
    copy_code(tmp_path)
    program = "import sys; sys.path.insert(0, sys.argv[1]); import erkd.inference.matter as m; print(m.__file__)"
    done = subprocess.run(
        [sys.executable, "-c", program, tmp_path], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert done.stdout.startswith(str(tmp_path))


def test_three_equal_channels_and_sixteen_bits_are_taken(model: "MattingModel") -> None:
    grey, trimap = (np.repeat(values[:, :, None], 3, axis=2) for values in (IMAGE[:, :, 0], TRIMAP))
    deep = png_text(IMAGE[:, :, 0].astype(np.uint16) * 257)  # scaled, not clipped
    np.testing.assert_array_equal(_ask(model, deep, png_text(trimap)), _ask(model, png_text(grey), png_text(TRIMAP)))


BAD = {
    "image: not base64 text": ("%%%", png_text(TRIMAP)),
    "image: not a readable image": (base64.b64encode(b"junk").decode(), png_text(TRIMAP)),
    "trimap: not a readable image": (png_text(IMAGE), png_text(TRIMAP)[:60]),
    "image: not a readable image$": (png_text(IMAGE, "JPEG"), png_text(TRIMAP)),
    "image: 9000 x 9000 pixels; at most": (huge_header(), png_text(TRIMAP)),
    "the image's 50 x 70 .height x width. is expected; found 49 x 70": (png_text(IMAGE), png_text(TRIMAP[:49])),
    "found 7 too": (png_text(IMAGE), png_text(np.where(TRIMAP == 128, np.uint8(7), TRIMAP))),
    "no pixel is unknown": (png_text(IMAGE), png_text(np.where(TRIMAP == 128, np.uint8(0), TRIMAP))),
    "colour channels that differ": (png_text(IMAGE), png_text(IMAGE)),
}


@pytest.mark.parametrize("message", BAD)
def test_bad_input_is_the_callers_fault(model: "MattingModel", message: str) -> None:
    from mlflow.exceptions import MlflowException

    with pytest.raises(MlflowException, match=message) as caught:
        _ask(model, *BAD[message])
    assert caught.value.error_code == "INVALID_PARAMETER_VALUE"


def test_a_failure_of_ours_tells_no_paths(model: "MattingModel", monkeypatch: pytest.MonkeyPatch) -> None:
    from mlflow.exceptions import MlflowException

    monkeypatch.setattr(model, "matter", None)
    with pytest.raises(MlflowException, match="the server's log says why") as caught:
        _ask(model, png_text(IMAGE), png_text(TRIMAP))
    assert caught.value.error_code == "INTERNAL_ERROR"
    assert "served_model.py" not in caught.value.serialize_as_json()
