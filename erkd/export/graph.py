"""What the ONNX exporter writes, made fit: free sizes by name, no paths, graphs that can be put into one."""

import copy
import logging
import warnings
from typing import Any

import torch
from torch import Tensor, nn


def trace(model: nn.Module, inputs: tuple[Tensor, ...], names: list[str], output: str, opset: int) -> Any:
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
    name_sizes(network.graph)
    return network


def _forget_source(message: Any) -> None:
    """Clear what the exporter notes about the source, everywhere in the file."""
    for field, value in list(message.ListFields()):
        if field.name in ("doc_string", "metadata_props"):
            message.ClearField(field.name)
        elif field.message_type is not None:
            for part in value if field.is_repeated else [value]:
                _forget_source(part)


def name_sizes(graph: Any) -> None:
    """Call the free sizes batch, height and width, and leave out the sizes of what lies between."""
    del graph.value_info[:]
    for value in [*graph.input, *graph.output]:
        sizes = value.type.tensor_type.shape.dim
        for index, name in enumerate(("batch", "channels", "height", "width")):
            if value.name == "prior":  # its default has one element
                sizes[index].dim_param = f"layers_{name}"
            elif index != 1:
                sizes[index].dim_param = name


def rename(graph: Any, prefix: str, kept: tuple[str, ...]) -> None:
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
                rename(attribute.g, prefix, kept)
