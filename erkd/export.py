"""A student as ONNX: one file, the same bytes wherever it is made, checked against PyTorch.

The only importer of onnx.
"""

import base64
import copy
import logging
import math
import warnings
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate

from erkd.files import InputError, atomic, sha256, write_json
from erkd.params import ExportParams
from erkd.students import LAYER_STRIDE, LAYER_STRIDES, MARGIN, MULTIPLE, PROPAGATION
from erkd.students.propagation import cells, propagate, spread, steps_of
from erkd.students.student import margin

SOURCE = Path(__file__).parent
TRACED_FROM = ("__init__.py", "closed_form.py", "propagation.py", "sampling.py")  # of erkd/students
SMALL_WEIGHT = 64  # numbers; fewer are not worth a cast
CHECKED = ((1, 96, 128), (3, 224, 160))  # batch, height, width; none is what is traced


class AlphaOnly(nn.Module):
    """A student as a function of tensors with one result."""

    def __init__(self, student: nn.Module) -> None:
        super().__init__()
        self.student = student
        self.margin = margin(student)
        config: Any = student.config
        self.layer_stride: int = config.layer_stride

    def forward(self, image: Tensor, trimap: Tensor, layers: Tensor) -> Tensor:
        """Alpha B x 1 x H x W of B x 3 x H x W, B x 1 x H x W and B x 12 x H/s x W/s, s the `layer_stride`."""
        alpha: Tensor = self.student(image, trimap, layers).alpha
        return alpha


class Cells(nn.Module):
    """`propagation.cells` as the exporter wants a function."""

    def __init__(self, stride: int) -> None:
        super().__init__()
        self.stride = stride

    def forward(self, image: Tensor, trimap: Tensor) -> Tensor:
        """B x 3 x H x W and B x 1 x H x W -> B x 11 x H/s x W/s."""
        return cells(image, trimap, self.stride)


class Spread(nn.Module):
    """`propagation.spread` as the exporter wants a function."""

    def __init__(self, stride: int) -> None:
        super().__init__()
        self.steps = steps_of(stride)

    def forward(self, cells: Tensor) -> Tensor:
        """B x 11 x h x w -> B x 12 x h x w."""
        return spread(cells, self.steps)


def export_onnx(model: AlphaOnly, path: Path, opset: int) -> None:
    """Write `model(image, trimap, layers) -> alpha` as one ONNX file.

    Inputs `image` B x 3 x H x W in [0, 1], `trimap` B x 1 x H x W of 0, 0.5 and 1, and `layers` B x 12 x H/s x
    W/s, which may be left out: only a tile of a larger image needs those of the whole. Output `alpha` B x 1
    x H x W. All are float32; B, H and W are free, H and W multiples of 32. What makes a whole image's layers
    lies in the file's metadata. The same weights give the same bytes in any folder.
    """
    import onnx

    stride = model.layer_stride
    layers = torch.rand(2, 12, 64 // stride, 96 // stride)
    inputs = (torch.rand(2, 3, 64, 96), torch.full((2, 1, 64, 96), 0.5), layers)
    network = _traced(model, inputs, ["image", "trimap", "used_layers"], "alpha", opset)
    propagation = _propagation(stride, opset)
    _default_layers(network, propagation, stride, opset)
    metadata = {
        PROPAGATION: base64.b64encode(propagation).decode(),
        MARGIN: str(model.margin),
        LAYER_STRIDE: str(stride),
    }
    onnx.helper.set_model_props(network, metadata)
    onnx.checker.check_model(network, full_check=True)
    with atomic(path) as temporary:
        temporary.write_bytes(network.SerializeToString(deterministic=True))


def traced(stride: int) -> Path:
    """Where propagation at this stride lies as ONNX."""
    return SOURCE / f"propagation-{stride}.onnx"


def _propagation(stride: int, opset: int) -> bytes:
    """`spread` as an ONNX file: `cells` B x 11 x h x w -> `layers` B x 12 x h x w.

    It has no weights, and tracing it takes a minute: the file that `store_propagation` wrote is taken unless the
    source has changed since.
    """
    import onnx

    content = traced(stride).read_bytes() if traced(stride).is_file() else b""
    model = onnx.load_model_from_string(content)
    made_of = {entry.key: entry.value for entry in model.metadata_props}
    return content if made_of == _made_of(opset) else _trace_propagation(stride, opset)


@cache
def _trace_propagation(stride: int, opset: int) -> bytes:
    import onnx

    model = _traced(Spread(stride), (torch.rand(2, 11, 16, 24),), ["cells"], "layers", opset)
    onnx.helper.set_model_props(model, _made_of(opset))
    content: bytes = model.SerializeToString(deterministic=True)
    return content


def _made_of(opset: int) -> dict[str, str]:
    """What a traced propagation depends on."""
    hashes = {name: sha256(SOURCE / "students" / name) for name in TRACED_FROM}
    return {**hashes, "opset": str(opset)}


def store_propagation(opset: int) -> None:
    """Trace propagation once for all exports of this source: `python -c "from erkd.export import
    store_propagation; store_propagation(18)"` after a change of `TRACED_FROM`."""
    for stride in LAYER_STRIDES:
        traced(stride).write_bytes(_trace_propagation(stride, opset))


def _default_layers(network: Any, propagation: bytes, stride: int, opset: int) -> None:
    """Let `network` make its layers from the image where none are given (one NaN, the default, stands for them)."""
    import onnx

    inputs = (torch.rand(2, 3, 64, 96), torch.full((2, 1, 64, 96), 0.5))
    first = _traced(Cells(stride), inputs, ["image", "trimap"], "cells", opset).graph
    made = onnx.load_model_from_string(propagation).graph
    _rename(first, "cells_of_", kept=("image", "trimap", "cells"))
    _rename(made, "made_", kept=("cells",))
    nodes = [*first.node, *made.node]
    del made.node[:], made.input[:]  # a branch takes its inputs from the graph around it
    made.node.extend(nodes)
    made.initializer.extend(first.initializer)
    given = onnx.helper.make_graph(
        [onnx.helper.make_node("Identity", ["layers"], ["given_layers"])],
        "given",
        [],
        [onnx.helper.make_tensor_value_info("given_layers", onnx.TensorProto.FLOAT, None)],
    )
    graph = network.graph
    one = onnx.numpy_helper.from_array(np.array(1, np.int64), "one")
    none = onnx.numpy_helper.from_array(np.full((1, 1, 1, 1), np.nan, np.float32), "layers")
    graph.initializer.extend([one, none])
    choice = [
        onnx.helper.make_node("Size", ["layers"], ["layers_size"]),
        onnx.helper.make_node("Equal", ["layers_size", "one"], ["no_layers"]),
        onnx.helper.make_node("If", ["no_layers"], ["used_layers"], then_branch=made, else_branch=given),
    ]
    nodes = [*choice, *graph.node]
    del graph.node[:]
    graph.node.extend(nodes)
    next(value for value in graph.input if value.name == "used_layers").name = "layers"
    _name_sizes(graph)


def _rename(graph: Any, prefix: str, kept: tuple[str, ...]) -> None:
    """Put `prefix` before every name of a graph and of the graphs inside it, but those that are `kept`."""

    def new(name: str) -> str:
        return prefix + name if name and name not in kept else name

    del graph.value_info[:]
    for value in [*graph.input, *graph.output, *graph.initializer]:
        value.name = new(value.name)
    for node in graph.node:
        node.name = new(node.name)
        node.input[:], node.output[:] = map(new, node.input), map(new, node.output)
        for attribute in node.attribute:
            if attribute.HasField("g"):
                _rename(attribute.g, prefix, kept)


def _traced(model: nn.Module, inputs: tuple[Tensor, ...], names: list[str], output: str, opset: int) -> Any:
    """A model as ONNX, batch and sizes free, without the paths and stack traces that the exporter notes."""
    model = copy.deepcopy(model).eval().cpu()
    # that sizes are multiples of 32 is left unsaid, since solving for it takes minutes
    free = dict.fromkeys((0, 2, 3), torch.export.Dim.AUTO)
    logging.getLogger("onnxscript").setLevel(logging.ERROR)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the exporter's own making
        graph = torch.export.export(model, inputs, dynamic_shapes=(free,) * len(inputs), strict=False)
        program = torch.onnx.export(
            graph,
            opset_version=opset,
            input_names=names,
            output_names=[output],
            external_data=False,
            verbose=False,
        )
    assert program is not None
    network = program.model_proto
    _forget_source(network)
    _name_sizes(network.graph)
    return network


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
        sizes = value.type.tensor_type.shape.dim
        for index, name in enumerate(("batch", "channels", "height", "width")):
            if value.name == "layers":  # its default has one element
                sizes[index].dim_param = f"layers_{name}"
            elif index != 1:
                sizes[index].dim_param = name


def halve(path: Path, small: Path) -> None:
    """Write the ONNX file `path` to `small` with its weights as float16, cast to float32 as it is loaded.

    Half the bytes; sums stay float32, so any processor runs it, as fast.
    """
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
    """The largest absolute difference of alpha between PyTorch and ONNX Runtime, on smooth noise of two sizes.

    Smooth, as photographs are: on noise of single pixels conjugate gradients make much of rounding.
    """
    import onnxruntime

    model = copy.deepcopy(model).eval().cpu()
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3  # it warns of every input that has a default
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
            layers = propagate(*tensors, model.layer_stride)
            expected = model(*tensors, layers).numpy()
        inputs = {"image": image, "trimap": trimap}
        for given in (inputs, inputs | {"layers": layers.numpy()}):
            (found,) = session.run(["alpha"], given)
            differences.append(np.abs(found - expected).max())
    return float(np.max(differences))  # NaN if any is


def export_student(student: nn.Module, folder: Path, params: ExportParams, student_sha256: str) -> float:
    """Write `student.onnx`, `student.fp16.onnx` (half the bytes) and `onnx.json` (what they take, how near they
    are to PyTorch, hashes) to `folder`.

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
        "fp16": {
            "largest_difference": round_up(largest_difference(model, small)),
            "sha256": sha256(small),
        },
    }
    write_json(record, folder / "onnx.json")
    return difference


def round_up(value: float) -> float:
    """The next number with one significant digit that is not below `value`."""
    if value == 0:
        return 0.0
    unit = 10.0 ** math.floor(math.log10(value))
    return float(f"{math.ceil(value / unit) * unit:.0e}")
