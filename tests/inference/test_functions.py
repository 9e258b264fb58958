"""The functions that stand in for PyMatting's: same arguments, types, ranges and errors."""

import inspect
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from PIL import Image

import erkd
from erkd.inference.find_student import packaged
from erkd.io.files import InputError
from erkd.io.images import save_image
from tests.support import ROOT
from tests.support.documents import blocks

Y, X = np.mgrid[:96, :128]
ALPHA = np.clip((34 - np.hypot(X - 64, Y - 48)) / 6 + 0.5, 0, 1)
COLOURS = np.array([0.9, 0.4, 0.1]), np.array([0.1, 0.3, 0.8])
IMAGE = ALPHA[..., None] * COLOURS[0] + (1 - ALPHA[..., None]) * COLOURS[1]
TRIMAP = np.select([np.hypot(X - 64, Y - 48) < 28, np.hypot(X - 64, Y - 48) > 40], [1.0, 0.0], 0.5)


@pytest.mark.slow
def test_arguments_are_pymatting_s() -> None:
    import pymatting

    pairs = (
        (erkd.estimate_alpha, pymatting.estimate_alpha_cf),
        (erkd.estimate_foreground, pymatting.estimate_foreground_ml),
    )
    for ours, theirs in ([inspect.signature(function).parameters for function in pair] for pair in pairs):
        more = [name for name, argument in ours.items() if argument.kind == inspect.Parameter.KEYWORD_ONLY]
        assert list(ours) == [*theirs, *more]
        for argument, parameter in theirs.items():
            assert ours[argument].kind == parameter.kind
            assert (ours[argument].default or None) == (parameter.default or None), argument


@pytest.mark.slow
def test_a_program_for_pymatting_gets_the_same_kinds_of_arrays() -> None:
    import pymatting

    ours, theirs = (estimate(IMAGE, TRIMAP) for estimate in (erkd.estimate_alpha, pymatting.estimate_alpha_cf))
    assert (ours.dtype, ours.shape) == (theirs.dtype, theirs.shape) == (np.float64, (96, 128))
    assert 0 <= ours.min() <= ours.max() <= 1
    assert np.abs(ours - ALPHA)[TRIMAP == 0.5].mean() < 0.05
    assert set(ours[TRIMAP != 0.5]) == {0, 1}
    for our, their, colour in zip(
        erkd.estimate_foreground(IMAGE, ALPHA, return_background=True),
        pymatting.estimate_foreground_ml(IMAGE, ALPHA, return_background=True),
        COLOURS, strict=True,
    ):  # fmt: skip
        assert (our.dtype, our.shape) == (their.dtype, their.shape) == (np.float32, (96, 128, 3))
        seen = ALPHA > 0.1 if colour is COLOURS[0] else ALPHA < 0.9
        assert np.abs(our - colour)[seen].max() < 0.05
    np.testing.assert_array_equal(
        erkd.estimate_foreground(IMAGE, ALPHA), erkd.estimate_foreground(IMAGE, ALPHA, return_background=True)[0]
    )


@pytest.mark.parametrize("kind", [np.float32, np.float64])
def test_alpha_is_of_the_trimap_s_type(kind: type) -> None:
    assert erkd.estimate_alpha(IMAGE.astype(np.float32), TRIMAP.astype(kind)).dtype == kind
    known = np.where(TRIMAP == 0.5, 0, TRIMAP).astype(kind)
    np.testing.assert_array_equal(erkd.estimate_alpha(IMAGE, known, cg_kwargs={"maxiter": 9}), known)


def test_bytes_are_taken() -> None:
    image, trimap = (np.rint(values * 255).astype(np.uint8) for values in (IMAGE, TRIMAP))
    alpha = erkd.estimate_alpha(image, trimap)
    assert (alpha.dtype, alpha.max()) == (np.float64, 1)
    np.testing.assert_allclose(alpha, erkd.estimate_alpha(image / 255, TRIMAP), atol=1e-5)
    foreground, background = erkd.estimate_foreground(image, np.uint8(alpha * 255), return_background=True)
    assert np.abs(foreground[48, 64] - COLOURS[0]).max() < 0.01
    assert np.abs(background[0, 0] - COLOURS[1]).max() < 0.01


BAD = {
    r"no pixel is foreground \(255\)": lambda: erkd.estimate_alpha(IMAGE, np.minimum(TRIMAP, 0.5)),
    r"no pixel is background \(0\)": lambda: erkd.estimate_alpha(IMAGE, np.maximum(TRIMAP, 0.5)),
    "the image's 96 x 128": lambda: erkd.estimate_alpha(IMAGE, TRIMAP[1:]),
    "H x W x 3 is expected": lambda: erkd.estimate_alpha(IMAGE[..., 0], TRIMAP),
    "image: values in .* 0.1 to 255": lambda: erkd.estimate_foreground(np.where(IMAGE > 0.8, 255, IMAGE), ALPHA),
    "alpha: values in": lambda: erkd.estimate_foreground(IMAGE, ALPHA * 2),
    "alpha: the image's 96 x 128": lambda: erkd.estimate_foreground(IMAGE, ALPHA[:, 1:]),
}


@pytest.mark.parametrize("told", BAD)
def test_what_cannot_be_done_is_a_value_error(told: str) -> None:
    with pytest.raises(ValueError, match=told):
        BAD[told]()


def test_import_erkd_imports_next_to_nothing() -> None:
    code = "import sys, erkd; print(*{'numpy', 'cv2', 'PIL', 'onnxruntime', 'torch'} & {*sys.modules})"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "\n"


@pytest.mark.slow
def test_the_guide_from_rembg_works(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With a segmenter that finds the disc, roughly."""
    rembg = ModuleType("rembg")
    rembg.remove = lambda photo, only_mask: Image.fromarray(np.uint8(np.roll(ALPHA, 3, axis=1) > 0.5) * np.uint8(255))
    monkeypatch.setitem(sys.modules, "rembg", rembg)
    monkeypatch.chdir(tmp_path)
    save_image(IMAGE, tmp_path / "photo.jpg")
    (code,) = blocks(ROOT / "docs/guides/from-rembg.md", "python")
    exec(compile(code, "from-rembg.md", "exec"), {})
    cutout = np.asarray(Image.open(tmp_path / "cutout.png"))
    assert cutout.shape == (96, 128, 4)
    assert np.abs(cutout[..., 3] / 255 - ALPHA).mean() < np.abs(np.roll(ALPHA, 3, axis=1) - ALPHA).mean()


def test_a_quality_names_a_student_of_the_package(tmp_path, monkeypatch) -> None:
    """One whose weights are not there, or that is no quality, is refused in one line."""
    expected = {"fast": "nano", "balanced": "small", "best": "base"}
    for quality, name in expected.items():
        assert f"weights/{name}" in erkd.Matter.load(device="cpu", quality=quality).engine.name
    monkeypatch.setattr("erkd.inference.find_student.files", lambda _: tmp_path)
    with pytest.raises(InputError, match="quality best: the student base is not in this package; there are: none"):
        erkd.Matter.load(quality="best")
    (tmp_path / "weights/base").mkdir(parents=True)
    (tmp_path / "weights/base/student.onnx").touch()
    assert packaged("best") == tmp_path / "weights/base"
    with pytest.raises(ValueError, match="quality: better; it is one of fast, balanced, best"):
        erkd.estimate_alpha(IMAGE, TRIMAP, quality="better")
