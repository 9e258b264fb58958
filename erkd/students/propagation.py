"""Propagation: what known foreground and background look like, carried into the unknown region.

A sampling method with unlimited reach inside the graph. Known colours are averaged down a pyramid and
filled back from coarse to fine (push-pull, after Gortler et al., "The Lumigraph", 1996), at stride 4, where
it costs next to nothing. Pooling, blurs and doublings alone: it exports to ONNX at any size. From them a closed
form (`closed_form.py`) makes the student's first guess.
"""

import torch
from torch import Tensor
from torch.nn.functional import avg_pool2d, conv2d, interpolate

from erkd.students import EPSILON, STRIDE
from erkd.students.closed_form import STEPS, apply_line, solve
from erkd.students.sampling import sample

HALVINGS = 3  # down to stride 32, which divides every size that the student takes
DILATIONS = (1, 2, 4, 8, 16)  # then blurs of growing reach at stride 32: 31 cells, about 1,000 pixels
CHANNELS = 6  # of `project`'s cues
BELIEF = 0.04  # in the projection where it explains a cell fully, beside the Laplacian's rows of about 9


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


def propagate(image: Tensor, trimap: Tensor, steps: tuple[int, ...] = STEPS) -> Tensor:
    """Layers B x 12 x H/4 x W/4 of `image` B x 3 x H x W and `trimap` B x 1 x H x W of 0, 0.5, 1; see `spread`.

    H and W are multiples of 32.
    """
    return spread(cells(image, trimap), steps)


def to_light(image: Tensor) -> Tensor:
    """Stored values in [0, 1] to the power 1.25: on the way from what files store to light.

    On a pixel of a photograph light is mixed, and stored by a curve of about the power 1 / 2.2; composites are mixed
    in stored values. Alpha is a line through colours in the former's light and in the latter's values.
    """
    return image * image.sqrt().sqrt()  # `LIGHT` by two roots: ONNX Runtime's power takes far longer


def cells(image: Tensor, trimap: Tensor) -> Tensor:
    """What is known of each cell of 4 x 4 pixels, B x 11 x H/4 x W/4.

    The mean colour (`to_light`'s); that of its known foreground, and its share; that of its known background, and
    its share.
    """
    image = to_light(image)
    parts = [avg_pool2d(image, STRIDE)]
    for known in ((trimap == 1).to(image.dtype), (trimap == 0).to(image.dtype)):
        share = avg_pool2d(known, STRIDE)
        parts += [avg_pool2d(image * known, STRIDE) / (share + EPSILON), share]
    return torch.cat(parts, dim=1)


def spread(cells: Tensor, steps: tuple[int, ...] = STEPS) -> Tensor:
    """Layers B x 12 x h x w of `cells` B x 11 x h x w; h and w are multiples of 8.

    Foreground colours everywhere and a log distance of them, the same of the background, and the closed form's
    line. The line's guess is the projection, believed where the colours differ and explain the cell.
    """
    image, foreground, background = cells[:, :3], cells[:, 6:7], cells[:, 10:]
    known = cells[:, 3:].unflatten(1, (2, 4)).flatten(0, 1)  # both at once, as a larger batch
    filled = torch.cat(fill(known[:, :3], known[:, 3:]), dim=1)
    layers = filled.unflatten(0, (-1, 2))
    chosen, there = sample(image, cells[:, 3:].unflatten(1, (2, 4))[:, :, :3], cells[:, 6::4])
    colours = there[:, None] * chosen + (1 - there[:, None]) * layers[:, :, :3]
    layers = torch.cat([colours, layers[:, :, 3:]], dim=2).flatten(1, 2)
    guess, residual, energy = compare(image, layers)
    belief = BELIEF * torch.exp(-residual / 0.03) * energy / (energy + 0.05)
    return torch.cat([layers, solve(image, foreground, background, guess, belief, steps)], dim=1)


def compare(image: Tensor, layers: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """The image beside the two colours, each B x 1 x H x W: projection, residual, energy.

    The projection of image - background on foreground - background, clipped to [0, 1], is an alpha; the
    residual is what that composite leaves of the image; the energy is the contrast of the colours, squared.
    """
    difference = layers[:, :3] - layers[:, 4:7]
    energy = (difference**2).sum(1, keepdim=True)
    offset = image - layers[:, 4:7]
    alpha = ((offset * difference).sum(1, keepdim=True) / (energy + 1e-3)).clamp(0, 1)
    residual = (offset - alpha * difference).abs().mean(1, keepdim=True)
    return alpha, residual, energy


def project(image: Tensor, layers: Tensor) -> Tensor:
    """Cues at full resolution, B x 6 x H x W, from `propagate`'s layers.

    The closed form's alpha, the student's first guess; `compare`'s three; both log distances.
    """
    layers = interpolate(layers, scale_factor=STRIDE, mode="bilinear")
    image = to_light(image)
    guess = apply_line(layers[:, 8:], image)
    return torch.cat([guess, *compare(image, layers), layers[:, 3:4], layers[:, 7:8]], dim=1)
