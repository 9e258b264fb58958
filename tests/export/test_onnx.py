"""The ONNX file equals PyTorch at any size and is the same bytes wherever it is made."""

import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import torch
from torch import nn

from erkd.export import onnx as module
from erkd.export.onnx import AlphaOnly, export_onnx, export_student, largest_difference
from erkd.export.propagation import RECORD, made_of
from erkd.io.files import InputError, read_json, sha256
from erkd.params import ExportParams
from tests.support import exported
from tests.support.exported import SmallStudent, export_small, make_student

PARAMS = ExportParams(opset=18, tolerance=1e-4)


def quiet_session(path: Path) -> onnxruntime.InferenceSession:
    """ONNX Runtime warns of every input that has a default."""
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(path, options)


@pytest.fixture(scope="module")
def onnx_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return export_small(tmp_path_factory.mktemp("onnx") / "student.onnx")


def test_any_batch_and_size_equals_pytorch(onnx_file: Path, tmp_path: Path) -> None:
    """With its own prior, a coarser one, and one that is given; the weights of another student are noticed."""
    student = make_student()
    assert largest_difference(AlphaOnly(student), onnx_file) < 1e-5
    torch.manual_seed(1)
    assert largest_difference(AlphaOnly(SmallStudent()), onnx_file) > 1e-3
    coarser = AlphaOnly(make_student(prior_stride=8))
    export_onnx(coarser, tmp_path / "student.onnx", opset=18)
    assert largest_difference(coarser, tmp_path / "student.onnx") < 1e-5
    session = quiet_session(onnx_file)
    sizes = {one.name: one.shape for one in session.get_inputs()}
    assert sizes == {name: ["batch", count, "height", "width"] for name, count in (("image", 3), ("trimap", 1))}
    image, trimap = torch.rand(2, 3, 32, 416), torch.full((2, 1, 32, 416), 0.5)
    alphas = []
    for prior in ({}, {"prior": torch.rand(2, 12, 8, 104)}):
        inputs = {"image": image, "trimap": trimap} | prior
        (alpha,) = session.run(["alpha"], {name: values.numpy() for name, values in inputs.items()})
        alphas.append(student(**inputs).alpha.detach().numpy())
        np.testing.assert_allclose(alpha, alphas[-1], atol=1e-5)
    assert np.abs(alphas[1] - alphas[0]).max() > 1e-3


def test_the_stored_propagation_is_of_this_source() -> None:
    """Otherwise every export would trace it anew, for a minute."""
    assert read_json(RECORD) == made_of(PARAMS.opset)


def test_no_path_is_left_in_the_file(onnx_file: Path) -> None:
    content = onnx_file.read_bytes()
    for trace in (b".py", b"stack_trace", b"site-packages", str(Path(__file__).parent).encode()):
        assert trace not in content


def test_record_names_size_rule_and_hashes(tmp_path: Path) -> None:
    difference = export_student(make_student(), tmp_path, PARAMS, "0" * 64)
    record = read_json(tmp_path / "onnx.json")
    assert record["size_multiple"] == 32
    assert record["parameters"] == 8 * 4 * 9 + 8 + 16 + 8 * 9 + 1
    assert difference <= record["largest_difference"] <= PARAMS.tolerance
    assert record["sha256"] == sha256(tmp_path / "student.onnx")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["onnx.json", "student.fp16.onnx", "student.onnx"]
    half = record["fp16"]
    assert half["sha256"] == sha256(tmp_path / "student.fp16.onnx")
    assert PARAMS.tolerance / 1000 < half["largest_difference"] < 0.01


def test_a_difference_above_the_tolerance_is_refused(
    onnx_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "export_onnx", lambda student, path, opset: shutil.copy(onnx_file, path))
    with pytest.raises(InputError, match=r"differ by .* export.tolerance in params.yaml allows 1e-12"):
        export_student(make_student(), tmp_path, ExportParams(opset=18, tolerance=1e-12), "")
    student = make_student()
    nn.init.constant_(student.up.bias, float("nan"))
    with pytest.raises(InputError, match="differ by nan"):
        export_student(student, tmp_path, PARAMS, "")


@pytest.mark.slow
def test_another_checkout_gives_the_same_bytes(onnx_file: Path, tmp_path: Path) -> None:
    """In a process of its own, from a copy of the network's source at another path."""
    (tmp_path / "copied.py").write_bytes(Path(exported.__file__).read_bytes())
    code = "from pathlib import Path; import copied; copied.export_small(Path('student.onnx'))"
    subprocess.run([sys.executable, "-c", code], cwd=tmp_path, check=True, capture_output=True)
    assert sha256(tmp_path / "student.onnx") == sha256(onnx_file)
