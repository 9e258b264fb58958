"""What the registered model answers to good and bad requests."""

import base64
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING
from urllib.parse import quote

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from erkd.inference.masks import trimap_from_mask
from erkd.inference.served_model import decode
from erkd.io.files import InputError
from erkd.io.images import load_trimap, trimap_bytes
from erkd.tracking.registry import copy_code
from tests.support.demo_site import encoded
from tests.support.odd_trimaps import REFUSED, TAKEN
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
    assert answer.warning.tolist() == [None]
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


def test_a_photo_is_turned_by_its_exif_data_as_erkd_matte_turns_it(model: "MattingModel") -> None:
    """Orientation 6: stored on its side; the trimap may lie as the photo is shown, or as it is stored."""
    exif = Image.Exif()
    exif[0x0112] = 6
    expected = _ask(model, png_text(IMAGE), png_text(TRIMAP))
    stored = np.rot90(IMAGE)
    for kind, trimap in (("PNG", TRIMAP), ("PNG", np.rot90(TRIMAP)), ("WEBP", TRIMAP)):
        settings = {"lossless": True} if kind == "WEBP" else {}
        sent = base64.b64encode(encoded(stored, kind, exif=exif, **settings)).decode()
        np.testing.assert_array_equal(_ask(model, sent, png_text(np.ascontiguousarray(trimap))), expected)


FORMS = {  # base64 as clients send it
    "a data URL": lambda text: f"data:image/png;base64,{text}",
    "a data URL in capitals": lambda text: f"DATA:image/PNG;BASE64,{text}",
    "an escaped data URL": lambda text: quote(f"data:image/png;base64,{text}"),
    "lines of 76": lambda text: "\n".join(text[at : at + 76] for at in range(0, len(text), 76)) + "\n",
    "the alphabet of URLs": lambda text: text.replace("+", "-").replace("/", "_"),
    "no padding": lambda text: text.rstrip("="),
    "a data URL with lines": lambda text: f"data:image/png;charset=utf-8;base64,\r\n{text[:40]}\r\n{text[40:]}",
}


@pytest.mark.parametrize("form", FORMS)
def test_base64_in_every_form(form: str) -> None:
    for values in (IMAGE, TRIMAP):
        np.testing.assert_array_equal(decode(FORMS[form](png_text(values)), "image"), values)


@pytest.mark.parametrize("kind", TAKEN)
def test_a_trimap_is_taken_as_at_every_other_door(tmp_path: Path, kind: str) -> None:
    (tmp_path / "t.png").write_bytes(TAKEN[kind])
    drawn = decode(base64.b64encode(TAKEN[kind]).decode(), "trimap")
    np.testing.assert_array_equal(trimap_bytes(drawn, "trimap"), np.rint(load_trimap(tmp_path / "t.png") * 255))


@pytest.mark.parametrize("kind", REFUSED)
def test_what_is_no_trimap_is_refused_as_at_every_other_door(kind: str) -> None:
    content, told = REFUSED[kind]
    with pytest.raises(InputError, match=told):
        trimap_bytes(decode(base64.b64encode(content).decode(), "trimap"), "trimap")


def test_a_row_is_named_where_there_are_several(model: "MattingModel") -> None:
    from mlflow.exceptions import MlflowException

    image, trimap = png_text(IMAGE), png_text(TRIMAP)
    both = model.predict(None, pd.DataFrame({"image": [image, image], "trimap": [trimap, trimap]}))
    assert both.alpha[0] == both.alpha[1]
    with pytest.raises(MlflowException, match="row 1, trimap: not base64 text"):
        model.predict(None, pd.DataFrame({"image": [image, image], "trimap": [trimap, "%"]}))
    with pytest.raises(MlflowException, match="a column image is expected; found img, trimap"):
        model.predict(None, pd.DataFrame({"img": [image], "trimap": [trimap]}))
    assert model.predict(None, pd.DataFrame({"image": [], "trimap": []})).empty


def test_a_mask_does_as_well_as_a_trimap(model: "MattingModel") -> None:
    """Rows of either kind in one request; the thing is the lower half."""
    image, trimap = png_text(IMAGE), png_text(TRIMAP)
    mask = np.where(TRIMAP > 128, np.uint8(255), np.uint8(0))
    frame = pd.DataFrame({"image": [image] * 2, "trimap": [trimap, None], "mask": [None, png_text(mask)]})
    by_trimap, by_mask = (read_png_text(text) for text in model.predict(None, frame).alpha)
    np.testing.assert_array_equal(by_trimap, _ask(model, image, trimap))
    drawn = trimap_from_mask(model.matter, IMAGE, mask)
    assert 0.05 < (drawn == 128).mean() < 0.9
    np.testing.assert_array_equal(by_mask[drawn != 128], drawn[drawn != 128])
    from mlflow.exceptions import MlflowException

    with pytest.raises(MlflowException, match=r"^row 0, a trimap or a mask is expected; both are given"):
        model.predict(None, frame.ffill().bfill())
    with pytest.raises(MlflowException, match=r"^mask: no pixel is above half"):
        model.predict(None, pd.DataFrame({"image": [image], "mask": [png_text(mask // 4)]}))


def test_what_a_trimap_lacks_is_part_of_the_answer(model: "MattingModel") -> None:
    lacking = np.where(TRIMAP == 255, np.uint8(128), TRIMAP)
    frame = pd.DataFrame({"image": [png_text(IMAGE)], "trimap": [png_text(lacking)]})
    told = model.predict(None, frame).warning[0]
    assert told.startswith("trimap: no pixel is foreground (255), so alpha is a guess")


BAD = {
    "image: not base64 text": ("%%%", png_text(TRIMAP)),
    "image: base64 text is expected; found nothing": (None, png_text(TRIMAP)),
    "a trimap or a mask is expected; neither is given": (png_text(IMAGE), None),
    "image: base64 text is expected; found dict": ({"b64": ""}, png_text(TRIMAP)),
    "image: not a readable image": (base64.b64encode(b"junk").decode(), png_text(TRIMAP)),
    "trimap: not a readable image": (png_text(IMAGE), png_text(TRIMAP)[:60]),
    "image: not a readable image; taken are PNG, JPEG, WEBP": (png_text(IMAGE, "TIFF"), png_text(TRIMAP)),
    "image: 9000 x 9000 pixels; at most": (huge_header(), png_text(TRIMAP)),
    "the image's 50 x 70 .height x width. is expected; found 49 x 70": (png_text(IMAGE), png_text(TRIMAP[:49])),
    "trimap: a mask, an alpha or a photo": (png_text(IMAGE), png_text(IMAGE[:, :, 0])),
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
