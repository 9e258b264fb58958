"""A student as ONNX: one file, the same bytes wherever it is made, checked against PyTorch.

The only importer of onnx.
"""

import copy
import logging
import math
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from erkd.files import InputError, atomic, sha256, write_json
from erkd.params import ExportParams
from erkd.students.student import MULTIPLE

CHECKED = ((1, 96, 128), (3, 224, 160))  # batch, height, width; none is what is traced


class AlphaOnly(nn.Module):
    """A student as a function of two tensors with one result."""

    def __init__(self, student: nn.Module) -> None:
        super().__init__()
        self.student = student

    def forward(self, image: Tensor, trimap: Tensor) -> Tensor:
        """Alpha B x 1 x H x W of `image` B x 3 x H x W and `trimap` B x 1 x H x W."""
        alpha: Tensor = self.student(image, trimap).alpha
        return alpha


def export_onnx(model: nn.Module, path: Path, opset: int) -> None:
    """Write `model(image, trimap) -> alpha` as one ONNX file.

    Inputs `image` B x 3 x H x W in [0, 1] and `trimap` B x 1 x H x W of 0, 0.5 and 1, output `alpha`
    B x 1 x H x W, all float32; B, H and W are free, H and W multiples of 32. What the exporter notes about
    the source (paths, stack traces) is left out, so the same weights give the same bytes in any folder.
    """
    import onnx

    model = copy.deepcopy(model).eval().cpu()
    inputs = (torch.rand(2, 3, 64, 96), torch.full((2, 1, 64, 96), 0.5))
    # free sizes; that H and W are multiples of 32 is left unsaid, since solving for it takes minutes
    free = dict.fromkeys((0, 2, 3), torch.export.Dim.AUTO)
    logging.getLogger("onnxscript").setLevel(logging.ERROR)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the exporter's own making
        graph = torch.export.export(model, inputs, dynamic_shapes=(free, free), strict=False)
        program = torch.onnx.export(
            graph,
            opset_version=opset,
            input_names=["image", "trimap"],
            output_names=["alpha"],
            external_data=False,
            verbose=False,
        )
    assert program is not None
    network = program.model_proto
    _forget_source(network)
    _name_sizes(network.graph)
    onnx.checker.check_model(network, full_check=True)
    with atomic(path) as temporary:
        temporary.write_bytes(network.SerializeToString(deterministic=True))


def _forget_source(message: Any) -> None:
    """Clear what the exporter notes about the source, everywhere in the file."""
    for field, value in list(message.ListFields()):
        if field.name in ("doc_string", "metadata_props"):
            message.ClearField(field.name)
        elif field.message_type is not None:
            for part in value if field.is_repeated else [value]:
                _forget_source(part)


def _name_sizes(graph: Any) -> None:
    """Call the free sizes batch, height and width, and leave out the sizes of what lies between."""
    del graph.value_info[:]
    for value in [*graph.input, *graph.output]:
        batch, _, height, width = value.type.tensor_type.shape.dim
        batch.dim_param, height.dim_param, width.dim_param = "batch", "height", "width"


def largest_difference(model: nn.Module, path: Path) -> float:
    """The largest absolute difference of alpha between PyTorch and ONNX Runtime, on noise of two sizes."""
    import onnxruntime

    model = copy.deepcopy(model).eval().cpu()
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    differences = []
    for seed, (batch, height, width) in enumerate(CHECKED):
        random = np.random.default_rng(seed)
        image = random.random((batch, 3, height, width), np.float32)
        trimap = np.full((batch, 1, height, width), 0.5, np.float32)
        trimap[:, :, : height // 4] = 0
        trimap[:, :, -height // 4 :] = 1
        with torch.inference_mode():
            expected = model(torch.from_numpy(image), torch.from_numpy(trimap)).numpy()
        (found,) = session.run(["alpha"], {"image": image, "trimap": trimap})
        differences.append(np.abs(found - expected).max())
    return float(np.max(differences))  # NaN if any is


def export_student(student: nn.Module, folder: Path, params: ExportParams, student_sha256: str) -> float:
    """Write `student.onnx` and `onnx.json` (what it takes, how near it is to PyTorch, hashes) to `folder`.

    Returns the largest difference from PyTorch; raises InputError when that is above `params.tolerance`.
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
    record = {
        "inputs": {"image": "batch x 3 x height x width, RGB in [0, 1]", "trimap": "0, 0.5, 1; one channel"},
        "output": {"alpha": "batch x 1 x height x width in [0, 1]"},
        "size_multiple": MULTIPLE,
        "opset": params.opset,
        "parameters": sum(parameter.numel() for parameter in student.parameters()),
        "largest_difference": round_up(difference),
        "student_sha256": student_sha256,
        "sha256": sha256(path),
    }
    write_json(record, folder / "onnx.json")
    return difference


def round_up(value: float) -> float:
    """The next number with one significant digit that is not below `value`."""
    if value == 0:
        return 0.0
    unit = 10.0 ** math.floor(math.log10(value))
    return float(f"{math.ceil(value / unit) * unit:.0e}")
