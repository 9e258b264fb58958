"""Export a student to a single, byte-reproducible ONNX file, and check it against PyTorch."""

import base64
import copy
import math
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate

from erkd.export.fused import fuse
from erkd.export.graph import trace
from erkd.export.propagation import default_prior, propagation_file
from erkd.io.files import InputError, atomic, sha256, write_json
from erkd.params import ExportParams
from erkd.students import MARGIN, MULTIPLE, PRIOR_STRIDE, PROPAGATION
from erkd.students.prior.propagation import propagate
from erkd.students.student import margin

SMALL_WEIGHT = 64  # weights of fewer elements stay float32
CHECKED = ((1, 96, 128), (3, 224, 160))  # batch, height, width of the check; not those traced


class AlphaOnly(nn.Module):
    """A student that returns alpha only, for tracing."""

    def __init__(self, student: nn.Module) -> None:
        super().__init__()
        self.student = student
        self.margin = margin(student)
        config: Any = student.config
        self.prior_stride: int = config.prior_stride

    def forward(self, image: Tensor, trimap: Tensor, prior: Tensor) -> Tensor:
        """`Student.forward`'s alpha, B x 1 x H x W."""
        alpha: Tensor = self.student(image, trimap, prior).alpha
        return alpha


def export_onnx(model: AlphaOnly, path: Path, opset: int) -> None:
    """Write `model` as one ONNX file at `path`; the same weights give the same bytes.

    Inputs, all float32: `image` B x 3 x H x W in [0, 1], `trimap` B x 1 x H x W of 0, 0.5, 1, and optionally `prior`
    B x 12 x H/s x W/s (tiles need the whole image's); H and W are multiples of 32. Output `alpha` B x 1 x H x W in
    [0, 1]. The metadata hold `spread` as ONNX, which computes a whole image's prior.
    """
    import onnx

    stride = model.prior_stride
    prior = torch.rand(2, 12, 64 // stride, 96 // stride)
    inputs = (torch.rand(2, 3, 64, 96), torch.full((2, 1, 64, 96), 0.5), prior)
    network = trace(fuse(model), inputs, ["image", "trimap", "used_prior"], "alpha", opset)
    propagation = propagation_file(stride, opset)
    default_prior(network, propagation, stride, opset)
    metadata = {
        PROPAGATION: base64.b64encode(propagation).decode(),
        MARGIN: str(model.margin),
        PRIOR_STRIDE: str(stride),
    }
    onnx.helper.set_model_props(network, metadata)
    onnx.checker.check_model(network, full_check=True)
    with atomic(path) as temporary:
        temporary.write_bytes(network.SerializeToString(deterministic=True))


def halve(path: Path, small: Path) -> None:
    """Copy the ONNX file `path` to `small` with weights stored as float16; computation stays in float32."""
    import onnx

    network = onnx.load(path)
    graph = network.graph
    casts = []
    for weight in graph.initializer:
        values = onnx.numpy_helper.to_array(weight)
        if values.dtype != np.float32 or values.size < SMALL_WEIGHT:
            continue
        name = weight.name
        stored = onnx.numpy_helper.from_array(values.astype(np.float16), f"{name}_float16")
        weight.CopyFrom(stored)
        casts.append(onnx.helper.make_node("Cast", [stored.name], [name], to=onnx.TensorProto.FLOAT))
    nodes = [*casts, *graph.node]
    del graph.node[:]
    graph.node.extend(nodes)
    onnx.checker.check_model(network, full_check=True)
    with atomic(small) as temporary:
        temporary.write_bytes(network.SerializeToString(deterministic=True))


def largest_difference(model: AlphaOnly, path: Path) -> float:
    """Largest absolute difference of alpha between PyTorch and ONNX Runtime, on smooth noise of two sizes.

    On white noise, unlike photographs, conjugate gradients amplify rounding errors.
    """
    import onnxruntime

    model = copy.deepcopy(model).eval().cpu()
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3  # no warnings about inputs with defaults
    options.enable_mem_reuse = False  # planning it takes longer than the runs
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    differences = []
    for seed, (batch, height, width) in enumerate(CHECKED):
        random = np.random.default_rng(seed)
        coarse = torch.from_numpy(random.random((batch, 3, height // 8, width // 8), np.float32))
        image = interpolate(coarse, scale_factor=8, mode="bilinear").numpy()
        trimap = np.full((batch, 1, height, width), 0.5, np.float32)
        trimap[:, :, : height // 4] = 0
        trimap[:, :, -height // 4 :] = 1
        with torch.inference_mode():
            tensors = torch.from_numpy(image), torch.from_numpy(trimap)
            prior = propagate(*tensors, model.prior_stride)
            expected = model(*tensors, prior).numpy()
        inputs = {"image": image, "trimap": trimap}
        for given in (inputs, inputs | {"prior": prior.numpy()}):
            (found,) = session.run(["alpha"], given)
            differences.append(np.abs(found - expected).max())
    return float(np.max(differences))  # NaN if any is


def export_student(student: nn.Module, folder: Path, params: ExportParams, student_sha256: str) -> float:
    """Write `student.onnx`, `student.fp16.onnx` and `onnx.json` (interface, differences, hashes) to `folder`.

    `student_sha256` identifies the weights. Returns the largest difference from PyTorch; raises InputError when that
    exceeds `params.tolerance`.
    """
    path = folder / "student.onnx"
    model = AlphaOnly(student)
    export_onnx(model, path, params.opset)
    difference = largest_difference(model, path)
    if not difference <= params.tolerance:  # NaN too
        raise InputError(
            f"{path}: ONNX Runtime and PyTorch differ by {difference:.2g}; "
            f"export.tolerance in params.yaml allows {params.tolerance:.2g}"
        )
    small = folder / "student.fp16.onnx"
    halve(path, small)
    record = {
        "inputs": {"image": "batch x 3 x height x width, RGB in [0, 1]", "trimap": "0, 0.5, 1; one channel"},
        "output": {"alpha": "batch x 1 x height x width in [0, 1]"},
        "size_multiple": MULTIPLE,
        "opset": params.opset,
        "parameters": sum(parameter.numel() for parameter in student.parameters()),
        "largest_difference": round_up(difference),
        "student_sha256": student_sha256,
        "sha256": sha256(path),
        "fp16": {"largest_difference": round_up(largest_difference(model, small)), "sha256": sha256(small)},
    }
    write_json(record, folder / "onnx.json")
    return difference


def round_up(value: float) -> float:
    """Round up to one significant digit."""
    if value == 0:
        return 0.0
    unit = 10.0 ** math.floor(math.log10(value))
    return float(f"{math.ceil(value / unit) * unit:.0e}")
