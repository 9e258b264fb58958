"""A student.onnx that tests can have at once: the prior's first guess as alpha, written operator by operator.

It takes what a real one takes (`erkd.export.onnx`), and what it answers can be said in numpy.
"""

import base64
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from erkd.students import MARGIN, PRIOR_STRIDE, PROPAGATION


def write_student(path: Path, margin: int = 32, prior_count: bool = True) -> Path:
    """alpha = 1 - red where the trimap is unknown, blurred over 3 x 3 pixels, plus the mean of the prior.

    Unlike a real one it needs the prior, but where `prior_count` is False.
    """
    image, trimap, prior = (
        helper.make_tensor_value_info(name, TensorProto.FLOAT, [f"{name}{i}" for i in range(4)])
        for name in ("image", "trimap", "prior")
    )
    constants = {
        "kernel": np.array([[-1 / 9] * 9 + [0] * 18], np.float32).reshape(1, 3, 3, 3),
        "one": np.ones(1, np.float32),
        "half": np.full(1, 0.5, np.float32),
        "prior": np.zeros((1, 1, 1, 1), np.float32),
        "scales": np.array([1, 1, 4, 4], np.float32),
        "axes": np.array([1], np.int64),
    }
    nodes = [
        helper.make_node("Conv", ["image", "kernel", "one"], ["guess"], pads=[1, 1, 1, 1]),
        helper.make_node("ReduceMean", ["prior", "axes"], ["mean"], keepdims=1),
        helper.make_node("Resize", ["mean", "", "scales"], ["fine"], mode="nearest"),
        helper.make_node("Mul", ["fine", "half"], ["little"]),
        helper.make_node("Add", ["guess", "little"], ["sum"]),
        helper.make_node("Clip", ["sum", "", "top"], ["clipped"]),
        helper.make_node("Equal", ["trimap", "half"], ["unknown"]),
        helper.make_node("Where", ["unknown", "clipped", "trimap"], ["alpha"]),
    ]
    if not prior_count:
        nodes = [node for node in nodes if node.output[0] not in ("mean", "fine", "little", "sum")]
        nodes[1].input[0] = "guess"
    constants["top"] = np.array(1, np.float32)
    outputs = [helper.make_tensor_value_info("alpha", TensorProto.FLOAT, ["b", 1, "h", "w"])]
    weights = [numpy_helper.from_array(value, name) for name, value in constants.items()]
    graph = helper.make_graph(nodes, "student", [image, trimap, prior], outputs, weights)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    metadata = {PROPAGATION: base64.b64encode(_mean_everywhere()).decode(), MARGIN: str(margin), PRIOR_STRIDE: "4"}
    helper.set_model_props(model, metadata)
    onnx.checker.check_model(model)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(model.SerializeToString())
    return path


def _mean_everywhere() -> bytes:
    """In place of propagation: the mean over the map, so that only who sees the whole gets it right."""
    pooled, prior = (
        helper.make_tensor_value_info(name, TensorProto.FLOAT, ["b", 11, f"{name}h", f"{name}w"])
        for name in ("pooled", "prior")
    )
    nodes = [
        helper.make_node("GlobalAveragePool", ["pooled"], ["mean"]),
        helper.make_node("Shape", ["pooled"], ["shape"]),
        helper.make_node("Expand", ["mean", "shape"], ["prior"]),
    ]
    graph = helper.make_graph(nodes, "propagation", [pooled], [prior])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    return bytes(model.SerializeToString())
