"""Colour propagation: what known foreground and background look like, carried into the unknown region.

A sampling method with unlimited reach inside the graph. Known colours are averaged down a pyramid and
filled back from coarse to fine (push-pull, after Gortler et al., "The Lumigraph", 1996), at stride 4, where
it costs next to nothing. Pooling, blurs and doublings alone: it exports to ONNX at any size.
"""

import torch
from torch import Tensor
from torch.nn.functional import avg_pool2d, conv2d, interpolate

from erkd.students import EPSILON, STRIDE

HALVINGS = 3  # down to stride 32, which divides every size that the student takes
DILATIONS = (1, 2, 4, 8, 16)  # then blurs of growing reach at stride 32: 31 cells, about 1,000 pixels
CHANNELS = 5  # of `project`'s cues


def fill(colours: Tensor, known: Tensor) -> tuple[Tensor, Tensor]:
    """Spread known colours over the unknown.

    `colours` B x 3 x H x W and `known` B x 1 x H x W (share of known pixels, [0, 1]), H and W multiples of 8;
    returns the filled colours of the same shape and B x 1 x H x W of about log2 of the distance to known
    cells, in [0, 1]. Where nothing is known at all the colours are 0 and the distance is 1.
    """
    pyramid = [torch.cat([colours * known, known], dim=1)]
    for _ in range(HALVINGS):
        pyramid.append(avg_pool2d(pyramid[-1], 2))
    kernel = torch.full((4, 1, 3, 3), 1 / 9, dtype=colours.dtype, device=colours.device)
    for dilation in DILATIONS:
        # zero padding is right here: beyond the border nothing is known, and shares are divided out below
        pyramid.append(conv2d(pyramid[-1], kernel, padding=dilation, dilation=dilation, groups=4))
    top = pyramid[-1]
    filled = top[:, :3] / (top[:, 3:] + EPSILON)
    distance = torch.zeros_like(top[:, 3:])
    for index in reversed(range(len(pyramid))):
        share = pyramid[index][:, 3:]
        trust = share / (share + 0.02)
        if index < HALVINGS:
            filled = interpolate(filled, scale_factor=2, mode="bilinear")
            distance = interpolate(distance, scale_factor=2, mode="bilinear")
        filled = filled * (1 - trust) + trust * pyramid[index][:, :3] / (share + EPSILON)
        distance = (distance + 1) * (1 - trust)
    return filled, distance / len(pyramid)


def propagate(image: Tensor, trimap: Tensor) -> Tensor:
    """Layers: foreground and background colours everywhere, B x 8 x H/4 x W/4.

    Three colours and a log distance of the foreground, then of the background.

    `image` B x 3 x H x W; `trimap` B x 1 x H x W of 0, 0.5, 1; H and W multiples of 32.
    """
    layers = []
    for known in ((trimap == 1).to(image.dtype), (trimap == 0).to(image.dtype)):
        share = avg_pool2d(known, STRIDE)
        mean = avg_pool2d(image * known, STRIDE) / (share + EPSILON)
        layers.append(torch.cat(fill(mean, share), dim=1))
    return torch.cat(layers, dim=1)


def project(image: Tensor, layers: Tensor) -> Tensor:
    """Cues at full resolution, B x 5 x H x W, from `propagate`'s layers.

    Alpha as the projection of image - background on foreground - background, clipped to [0, 1]; the
    residual of that composite; the contrast of the two colours; both log distances.
    """
    layers = interpolate(layers, scale_factor=STRIDE, mode="bilinear")
    difference = layers[:, :3] - layers[:, 4:7]
    energy = (difference**2).sum(1, keepdim=True)
    offset = image - layers[:, 4:7]
    alpha = ((offset * difference).sum(1, keepdim=True) / (energy + 4e-3)).clamp(0, 1)
    residual = (offset - alpha * difference).abs().mean(1, keepdim=True)
    return torch.cat([alpha, residual, energy, layers[:, 3:4], layers[:, 7:8]], dim=1)
