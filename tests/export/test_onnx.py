"""The ONNX file equals PyTorch at any size and is the same bytes wherever it is made."""

import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate

from erkd.export.onnx import AlphaOnly, export_onnx, export_student, largest_difference, round_up
from erkd.export.propagation import made_of, traced
from erkd.io.files import InputError, read_json, sha256
from erkd.params import ExportParams
from erkd.students import PRIOR_STRIDES
from erkd.students.blocks import double
from erkd.students.prior.propagation import propagate

PARAMS = ExportParams(opset=18, tolerance=1e-4)


class SmallStudent(nn.Module):
    """Halves, convolves, doubles; known regions as the trimap says. The prior adds a little."""

    def __init__(self, prior_stride: int = 4) -> None:
        super().__init__()
        self.encoder = SimpleNamespace(strides=[2])
        self.config = SimpleNamespace(prior_stride=prior_stride)
        self.down = nn.Sequential(nn.Conv2d(4, 8, 3, stride=2, padding=1), nn.BatchNorm2d(8), nn.ReLU6())
        self.up = nn.Conv2d(8, 1, 3, padding=1)

    def forward(self, image: Tensor, trimap: Tensor, prior: Tensor | None = None) -> SimpleNamespace:
        stride = self.config.prior_stride
        prior = propagate(image, trimap, stride) if prior is None else prior
        features = self.down(torch.cat([image, trimap], dim=1))
        features = features + interpolate(prior, scale_factor=stride // 2).mean(1, keepdim=True)
        alpha = double(self.up(features).sigmoid())
        return SimpleNamespace(alpha=torch.where(trimap == 0.5, alpha, trimap))


def make_student(prior_stride: int = 4) -> SmallStudent:
    torch.manual_seed(0)
    return SmallStudent(prior_stride).eval()


def quiet_session(path: Path) -> onnxruntime.InferenceSession:
    """ONNX Runtime warns of every input that has a default."""
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(path, options)


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("onnx") / "student.onnx"
    export_onnx(AlphaOnly(make_student()), path, opset=18)
    return path


def test_any_batch_and_size_equals_pytorch(exported: Path) -> None:
    student = make_student()
    assert largest_difference(AlphaOnly(student), exported) < 1e-5
    session = quiet_session(exported)
    names = ["batch", 3, "height", "width"]
    assert [(one.name, one.shape) for one in session.get_inputs()] == [
        ("image", names),
        ("trimap", ["batch", 1, "height", "width"]),
    ]
    image = torch.rand(1, 3, 32, 416)
    trimap = torch.full((1, 1, 32, 416), 0.5)
    (alpha,) = session.run(["alpha"], {"image": image.numpy(), "trimap": trimap.numpy()})
    np.testing.assert_allclose(alpha, student(image, trimap).alpha.detach().numpy(), atol=1e-5)


def test_layers_may_be_given(exported: Path) -> None:
    image, trimap, prior = (
        torch.rand(2, 3, 32, 64),
        torch.full((2, 1, 32, 64), 0.5),
        torch.rand(2, 12, 8, 16),
    )
    inputs = {"image": image.numpy(), "trimap": trimap.numpy(), "prior": prior.numpy()}
    (alpha,) = quiet_session(exported).run(["alpha"], inputs)
    expected = make_student()(image, trimap, prior).alpha.detach().numpy()
    np.testing.assert_allclose(alpha, expected, atol=1e-5)
    assert np.abs(expected - make_student()(image, trimap).alpha.detach().numpy()).max() > 1e-3


@pytest.mark.parametrize("stride", PRIOR_STRIDES)
def test_the_stored_propagation_is_of_this_source(stride: int) -> None:
    """Otherwise every export would trace it anew, for a minute."""
    recorded = {entry.key: entry.value for entry in onnx.load(traced(stride)).metadata_props}
    assert recorded == made_of(PARAMS.opset)


def test_a_coarser_first_guess_equals_pytorch_too(tmp_path: Path) -> None:
    student = AlphaOnly(make_student(prior_stride=8))
    export_onnx(student, tmp_path / "student.onnx", opset=18)
    assert largest_difference(student, tmp_path / "student.onnx") < 1e-5


def test_other_weights_are_noticed(exported: Path) -> None:
    torch.manual_seed(1)
    assert largest_difference(AlphaOnly(SmallStudent()), exported) > 1e-3


def test_no_path_is_left_in_the_file(exported: Path) -> None:
    content = exported.read_bytes()
    for trace in (b".py", b"stack_trace", b"site-packages", str(Path(__file__).parent).encode()):
        assert trace not in content


def test_record_names_size_rule_and_hashes(tmp_path: Path) -> None:
    difference = export_student(make_student(), tmp_path, PARAMS, "0" * 64)
    record = read_json(tmp_path / "onnx.json")
    assert record["size_multiple"] == 32
    assert record["parameters"] == 8 * 4 * 9 + 8 + 16 + 8 * 9 + 1
    assert difference <= record["largest_difference"] <= PARAMS.tolerance
    assert record["sha256"] == sha256(tmp_path / "student.onnx")
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "onnx.json",
        "student.fp16.onnx",
        "student.onnx",
    ]
    half = record["fp16"]
    assert half["sha256"] == sha256(tmp_path / "student.fp16.onnx")
    assert PARAMS.tolerance / 1000 < half["largest_difference"] < 0.01


def test_a_difference_above_the_tolerance_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"differ by .* export.tolerance in params.yaml allows 1e-12"):
        export_student(make_student(), tmp_path, ExportParams(opset=18, tolerance=1e-12), "")
    student = make_student()
    nn.init.constant_(student.up.bias, float("nan"))
    with pytest.raises(InputError, match="differ by nan"):
        export_student(student, tmp_path, PARAMS, "")


@pytest.mark.parametrize(("value", "rounded"), [(0.0, 0.0), (2.1e-6, 3e-6), (3e-6, 3e-6), (9.5e-6, 1e-5)])
def test_round_up(value: float, rounded: float) -> None:
    assert round_up(value) == rounded


@pytest.mark.slow
def test_two_checkouts_give_the_same_bytes(tmp_path: Path) -> None:
    """Each checkout has its own copy of the network's source, at a path of its own."""
    code = (
        "from pathlib import Path; from test_export import *;"
        "export_onnx(AlphaOnly(make_student()), Path('student.onnx'), 18)"
    )
    hashes = set()
    for name in ("one", "another/deeper"):
        folder = tmp_path / name
        folder.mkdir(parents=True)
        (folder / "test_export.py").write_bytes(Path(__file__).read_bytes())
        subprocess.run([sys.executable, "-c", code], cwd=folder, check=True, capture_output=True)
        hashes.add(sha256(folder / "student.onnx"))
    assert len(hashes) == 1
