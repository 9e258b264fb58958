"""A student's modules rewritten for inference: the same function, in fewer and faster operations of ONNX Runtime.

BatchNorm is folded into convolutions. A 1 x 1 convolution of concatenated maps is a sum of convolutions, so that
nothing is concatenated and maps stay in the runtime's blocked layout.
"""

import copy
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import conv2d, max_pool2d, pixel_shuffle, relu
from torch.nn.utils.fusion import fuse_conv_bn_eval

from erkd.students.blocks import upsample
from erkd.students.decoder import Decoder, Head
from erkd.students.edge_reserved import EdgeReserved
from erkd.students.prior.propagation import sum_channels


def fuse(model: nn.Module) -> nn.Module:
    """A copy of a model in eval mode whose edge module, decoder and head are fused; for alpha alone."""
    model = copy.deepcopy(model).eval().cpu()
    for parent in list(model.modules()):
        for name, part in parent.named_children():
            if type(part) in FUSED:
                setattr(parent, name, FUSED[type(part)](part))
    return model


def fold(block: nn.Sequential) -> nn.Conv2d:
    """The convolution that does what a `blocks.conv` (convolution, BatchNorm, ReLU) does before its ReLU."""
    convolution, norm = block[0], block[1]
    assert isinstance(convolution, nn.Conv2d)
    assert isinstance(norm, nn.BatchNorm2d)
    return fuse_conv_bn_eval(convolution, norm)


class FusedEdges(nn.Module):
    """`EdgeReserved` without its edge maps: the fixed filters and the convolution that reads them are one."""

    kernels: Tensor

    def __init__(self, edges: EdgeReserved) -> None:
        super().__init__()
        self.learned, self.refine, self.down = fold(edges.learned), edges.fuse[1], fold(edges.down)
        first, fixed = fold(edges.fuse[0]), len(edges.kernels)  # type: ignore[arg-type]
        kernels = torch.einsum("of,fcyx->ocyx", first.weight.detach()[:, :fixed, 0, 0], edges.kernels)
        # the image's mean as a sum, and the sum a part of the filters
        self.register_buffer("kernels", kernels / torch.tensor([3.0, 1.0])[:, None, None])
        self.second = nn.Conv2d(first.in_channels - fixed, first.out_channels, 1)
        self.second.weight.data, self.second.bias = first.weight.detach()[:, fixed:].clone(), first.bias

    def forward(
        self, image: Tensor, alpha: Tensor, unknown: Tensor, inputs: Tensor
    ) -> tuple[dict[int, Tensor], dict[int, Tensor]]:
        """As `EdgeReserved.forward`; no edge maps."""
        signal = torch.cat([sum_channels(image), alpha], dim=1)
        learned = self.second(relu(self.learned(inputs)))
        gate = max_pool2d(unknown, 2)
        fine = self.refine(relu(conv2d(signal, self.kernels, stride=2, padding=4) + learned)) * gate
        return {2: fine, 4: relu(self.down(fine)) * max_pool2d(gate, 2)}, {}


class FusedDecoder(nn.Module):
    """`Decoder` whose levels read the coarser map before it is upsampled, and each skip connection by itself."""

    def __init__(self, decoder: Decoder) -> None:
        super().__init__()
        folded = [fold(block) for block in decoder.fuse]  # type: ignore[arg-type]
        self.weights = nn.ParameterList(layer.weight for layer in folded)
        self.biases = nn.ParameterList(layer.bias for layer in folded)
        self.refine = decoder.refine

    def forward(self, deep: Tensor, skips: Sequence[Sequence[Tensor]]) -> Tensor:
        """As `Decoder.forward`."""
        features = deep
        for weight, bias, refine, skip in zip(self.weights, self.biases, self.refine, skips, strict=True):
            first, *others = weight.split([part.shape[1] for part in (features, *skip)], dim=1)
            features = upsample(conv2d(features, first, bias))
            for part, other in zip(skip, others, strict=True):
                features = features + conv2d(part, other)
            features = refine(relu(features))
        return features


class FusedHead(nn.Module):
    """`Head` whose last layer computes 4 x 4 pixels at once: 16 channels, as many as a block of the runtime has."""

    def __init__(self, head: Head) -> None:
        super().__init__()
        self.coarse, self.fine = fold(head.coarse), fold(head.fine)
        weight = head.out.weight.detach()
        packed = weight.new_zeros(4, 4, weight.shape[1], 4, 4)  # by row and column of the 4 x 4 pixels
        for row in range(4):
            for column in range(4):
                down, right = row // 2, column // 2
                packed[row, column, :, down : down + 3, right : right + 3] = weight[row % 2 * 2 + column % 2]
        self.out = nn.Conv2d(weight.shape[1], 16, 4, stride=2, padding=1, bias=False)
        self.out.weight.data = packed.flatten(0, 1)

    def forward(self, features: Tensor, image: Tensor, cues: Tensor) -> Tensor:
        """As `Head.forward`."""
        hidden = relu(self.fine(torch.cat([image, cues], dim=1)) + self.coarse(features))
        return (cues[:, :1] + pixel_shuffle(self.out(hidden), 4)).clamp(0, 1)


FUSED: dict[type, Callable[[Any], nn.Module]] = {EdgeReserved: FusedEdges, Decoder: FusedDecoder, Head: FusedHead}
