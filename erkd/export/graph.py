"""Trace modules to ONNX graphs with named dynamic axes and without source paths; prefix names for merging."""

import copy
import logging
import warnings
from typing import Any

import torch
from torch import Tensor, nn


def trace(model: nn.Module, inputs: tuple[Tensor, ...], names: list[str], output: str, opset: int) -> Any:
    """Export `model(*inputs)` to an ONNX model with dynamic batch, height and width, without source paths.

    Args:
        model: Module of one output.
        inputs: Example inputs, each B x C x H x W.
        names: Names of the inputs.
        output: Name of the output.
        opset: ONNX opset.
    """
    model = copy.deepcopy(model).eval().cpu()
    # divisibility by 32 is not declared: solving for it takes minutes
    free = dict.fromkeys((0, 2, 3), torch.export.Dim.AUTO)
    logging.getLogger("onnxscript").setLevel(logging.ERROR)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the exporter's own
        graph = torch.export.export(model, inputs, dynamic_shapes=(free,) * len(inputs), strict=False)
        program = torch.onnx.export(
            graph, opset_version=opset, input_names=names, output_names=[output], external_data=False, verbose=False
        )
    assert program is not None
    network = program.model_proto
    _forget_source(network)
    merge_concats(network.graph)
    name_sizes(network.graph)
    return network


def merge_concats(graph: Any) -> None:
    """Let what concatenates concatenated maps take their parts, so that nothing is copied twice."""
    concats = {node.output[0]: node for node in graph.node if node.op_type == "Concat"}
    for node in concats.values():  # in order, so that the parts are parts of no other
        parts = [concats[name].input if _same_axis(concats.get(name), node) else [name] for name in node.input]
        node.input[:] = [name for names in parts for name in names]
    used = {name for node in graph.node for name in node.input} | {value.name for value in graph.output}
    for output, node in concats.items():
        if output not in used:
            graph.node.remove(node)


def _same_axis(inner: Any, outer: Any) -> bool:
    return inner is not None and inner.attribute[0].i == outer.attribute[0].i


def _forget_source(message: Any) -> None:
    """Clear doc strings and metadata, which hold source paths, in all nested messages."""
    for field, value in list(message.ListFields()):
        if field.name in ("doc_string", "metadata_props"):
            message.ClearField(field.name)
        elif field.message_type is not None:
            for part in value if field.is_repeated else [value]:
                _forget_source(part)


def name_sizes(graph: Any) -> None:
    """Name dynamic axes batch, height and width, and drop the shapes of intermediate values."""
    del graph.value_info[:]
    for value in [*graph.input, *graph.output]:
        sizes = value.type.tensor_type.shape.dim
        for index, name in enumerate(("batch", "channels", "height", "width")):
            if value.name == "prior":  # its default is 1 x 1 x 1 x 1
                sizes[index].dim_param = f"layers_{name}"
            elif index != 1:
                sizes[index].dim_param = name


def rename(graph: Any, prefix: str, kept: tuple[str, ...]) -> None:
    """Prefix all names in a graph and its subgraphs except those in `kept`."""

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
                rename(attribute.g, prefix, kept)
