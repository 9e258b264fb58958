"""A student as ONNX: one file, the same bytes wherever it is made, checked against PyTorch. Only importer of onnx."""

import copy
import logging
import math
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from erkd.files import InputError, atomic

MULTIPLE = 32
CHECKED_SIZES = ((96, 128), (224, 160))  # height, width; neither is the size that is traced


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
    batch, rows, columns = (
        torch.export.Dim(name, min=1, max=1 << 12) for name in ("batch", "rows", "columns")
    )
    shape = {0: batch, 2: MULTIPLE * rows, 3: MULTIPLE * columns}
    logging.getLogger("onnxscript").setLevel(logging.ERROR)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the exporter's own making
        program = torch.onnx.export(
            model,
            inputs,
            dynamo=True,
            opset_version=opset,
            input_names=["image", "trimap"],
            output_names=["alpha"],
            dynamic_shapes=(shape, shape),
            external_data=False,
            verbose=False,
        )
    assert program is not None
    network = program.model_proto
    _forget_source(network)
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


def largest_difference(model: nn.Module, path: Path) -> float:
    """The largest absolute difference of alpha between PyTorch and ONNX Runtime, on noise of two sizes."""
    import onnxruntime

    model = copy.deepcopy(model).eval().cpu()
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    worst = 0.0
    for seed, (height, width) in enumerate(CHECKED_SIZES):
        random = np.random.default_rng(seed)
        image = random.random((1, 3, height, width), np.float32)
        trimap = np.full((1, 1, height, width), 0.5, np.float32)
        trimap[..., : height // 3, :] = 0
        trimap[..., -height // 3 :, :] = 1
        with torch.inference_mode():
            expected = model(torch.from_numpy(image), torch.from_numpy(trimap)).numpy()
        (found,) = session.run(["alpha"], {"image": image, "trimap": trimap})
        worst = max(worst, float(np.abs(found - expected).max()))
    return worst


def check_onnx(model: nn.Module, path: Path, tolerance: float) -> float:
    """`largest_difference`, or InputError when it is above `tolerance`, or not a number."""
    difference = largest_difference(model, path)
    if math.isnan(difference) or difference > tolerance:
        raise InputError(
            f"{path}: ONNX Runtime and PyTorch differ by {difference:.3g}; export.tolerance allows {tolerance:.3g}"
        )
    return difference
