"""The prior's propagation as ONNX: a model of its own, and a branch in a student's graph."""

from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from erkd.export.graph import name_sizes, rename, trace
from erkd.io.files import read_json, sha256, write_json
from erkd.students import PRIOR_STRIDES
from erkd.students.prior.propagation import pool_known, spread, steps_of

HERE = Path(__file__).parent
STUDENTS = HERE.parent / "students"
TRACED_FROM = ("__init__.py", "prior/closed_form.py", "prior/propagation.py", "prior/shared_sampling.py")
RECORD = HERE / "propagation.json"  # hashes of the source that the stored files were traced from


class PoolKnown(nn.Module):
    """`propagation.pool_known` as a module, for the exporter."""

    def __init__(self, stride: int) -> None:
        super().__init__()
        self.stride = stride

    def forward(self, image: Tensor, trimap: Tensor) -> Tensor:
        """B x 3 x H x W and B x 1 x H x W -> B x 11 x H/s x W/s."""
        return pool_known(image, trimap, self.stride)


class Spread(nn.Module):
    """`propagation.spread` as a module, for the exporter."""

    def __init__(self, stride: int) -> None:
        super().__init__()
        self.steps = steps_of(stride)

    def forward(self, pooled: Tensor) -> Tensor:
        """B x 11 x h x w -> B x 12 x h x w."""
        return spread(pooled, self.steps)


def traced(stride: int) -> Path:
    """Path of the stored ONNX file for this stride."""
    return HERE / f"propagation-{stride}.onnx"


def propagation_file(stride: int, opset: int) -> bytes:
    """`spread` as the content of an ONNX file: `pooled` B x 11 x h x w -> `prior` B x 12 x h x w.

    Tracing takes a minute, so the file that `store_propagation` wrote is used unless the source has changed.
    """
    if RECORD.is_file() and read_json(RECORD) == made_of(opset):
        return traced(stride).read_bytes()
    return _trace_propagation(stride, opset)


@cache
def _trace_propagation(stride: int, opset: int) -> bytes:
    model = trace(Spread(stride), (torch.rand(2, 11, 16, 24),), ["pooled"], "prior", opset)
    content: bytes = model.SerializeToString(deterministic=True)
    return content


def made_of(opset: int) -> dict[str, str]:
    """Hashes of the source and the opset that a traced propagation depends on."""
    hashes = {name: sha256(STUDENTS / name) for name in TRACED_FROM}
    return {**hashes, "opset": str(opset)}


def store_propagation(opset: int) -> None:
    """Trace propagation once for all exports of this source: `python -c "from erkd.export.propagation import
    store_propagation; store_propagation(18)"` after a change of `TRACED_FROM`."""
    for stride in PRIOR_STRIDES:
        traced(stride).write_bytes(_trace_propagation(stride, opset))
    write_json(made_of(opset), RECORD)


def default_prior(network: Any, propagation: bytes, stride: int, opset: int) -> None:
    """Make the input `prior` of `network` optional: an If node computes it when the default, a single NaN, is given.

    `propagation` is `propagation_file`'s content; `stride` and `opset` are those of the student.
    """
    import onnx

    inputs = (torch.rand(2, 3, 64, 96), torch.full((2, 1, 64, 96), 0.5))
    first = trace(PoolKnown(stride), inputs, ["image", "trimap"], "pooled", opset).graph
    made = onnx.load_model_from_string(propagation).graph
    rename(first, "pooling_", kept=("image", "trimap", "pooled"))
    rename(made, "made_", kept=("pooled",))
    nodes = [*first.node, *made.node]
    del made.node[:], made.input[:]  # a branch takes its inputs from the graph around it
    made.node.extend(nodes)
    made.initializer.extend(first.initializer)
    given = onnx.helper.make_graph(
        [onnx.helper.make_node("Identity", ["prior"], ["given_prior"])],
        "given",
        [],
        [onnx.helper.make_tensor_value_info("given_prior", onnx.TensorProto.FLOAT, None)],
    )
    graph = network.graph
    one = onnx.numpy_helper.from_array(np.array(1, np.int64), "one")
    none = onnx.numpy_helper.from_array(np.full((1, 1, 1, 1), np.nan, np.float32), "prior")
    graph.initializer.extend([one, none])
    choice = [
        onnx.helper.make_node("Size", ["prior"], ["prior_size"]),
        onnx.helper.make_node("Equal", ["prior_size", "one"], ["no_prior"]),
        onnx.helper.make_node("If", ["no_prior"], ["used_prior"], then_branch=made, else_branch=given),
    ]
    nodes = [*choice, *graph.node]
    del graph.node[:]
    graph.node.extend(nodes)
    next(value for value in graph.input if value.name == "used_prior").name = "prior"
    name_sizes(graph)
