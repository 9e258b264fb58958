"""The form of a student that is exported is the same function."""

import copy

import onnx
import pytest
import torch
from torch import nn

from erkd.export.fused import FusedDecoder, FusedEdges, FusedHead, fuse
from erkd.export.graph import merge_concats
from tests.support.students import small_student


@pytest.mark.parametrize("coarse", [False, True], ids=["fine", "coarse"])
def test_a_fused_student_gives_the_same_alpha_and_leaves_the_student_alone(coarse):
    student = small_student(coarse=coarse).eval()
    generator = torch.Generator().manual_seed(0)
    for module in student.modules():
        if isinstance(module, nn.BatchNorm2d):
            for values in (module.running_var, module.weight, module.bias, module.running_mean):
                values.data = torch.rand(values.shape, generator=generator) + 0.5
    nn.init.normal_(student.head.out.weight, std=0.1, generator=generator)
    before = copy.deepcopy(student.state_dict())
    fused = fuse(student)
    assert [type(part) for part in (fused.edge_reserved, fused.decoder, fused.head)] == [
        FusedEdges, FusedDecoder, FusedHead,
    ]  # fmt: skip
    torch.testing.assert_close(student.state_dict(), before, rtol=0, atol=0)
    image = torch.rand(2, 3, 64, 96, generator=generator)
    trimap = torch.full((2, 1, 64, 96), 0.5)
    trimap[..., :20], trimap[..., 70:] = 0, 1
    prior = torch.rand(2, 12, 64 // student.config.prior_stride, 96 // student.config.prior_stride)
    with torch.inference_mode():
        expected, found = student(image, trimap, prior).alpha, fused(image, trimap, prior).alpha
    assert expected[..., 20:70].std() > 0.01
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=0)


def test_concatenated_maps_are_concatenated_once():
    make = onnx.helper.make_node
    nodes = [
        make("Concat", ["a", "b"], ["ab"], axis=1),
        make("Concat", ["ab", "c"], ["abc"], axis=1),
        make("Concat", ["abc", "abc"], ["rows"], axis=2),
    ]
    graph = onnx.helper.make_graph(nodes, "g", [], [onnx.helper.make_empty_tensor_value_info("rows")])
    merge_concats(graph)
    assert [(list(node.input), node.output[0]) for node in graph.node] == [
        (["a", "b", "c"], "abc"),
        (["abc", "abc"], "rows"),
    ]
