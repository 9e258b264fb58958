"""Propagation: what known foreground and background look like, carried into the unknown region.

A sampling method with unlimited reach inside the graph. Known colours are averaged down a pyramid and
filled back from coarse to fine (push-pull, after Gortler et al., "The Lumigraph", 1996), at stride 4 or 8,
where it costs little. Pooling, blurs and doublings alone: it exports to ONNX at any size. From them a closed
form (`closed_form.py`) makes the student's first guess.
"""

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn.functional import avg_pool2d, conv2d, interpolate

from erkd.students import EPSILON, MULTIPLE
from erkd.students.prior.closed_form import STEPS, apply_line, solve
from erkd.students.prior.shared_sampling import sample

DILATIONS = (1, 2, 4, 8, 16)  # then blurs of growing reach at stride 32: 31 cells, about 1,000 pixels
CHANNELS = 5  # of `project`'s cues
BELIEF = 0.04  # in the projection where it explains a cell fully, beside the Laplacian's rows of about 9


def fill(colours: Tensor, known: Tensor, halvings: int) -> tuple[Tensor, Tensor]:
    """Spread known colours over the unknown.

    `colours` B x 3 x H x W and `known` B x 1 x H x W (share of known pixels, [0, 1]), H and W multiples of
    2^`halvings`, as many as lead down to stride 32;
    returns the filled colours of the same shape and B x 1 x H x W of about log2 of the distance to known
    cells, in [0, 1]. Where nothing is known at all the colours are 0 and the distance is 1.
    """
    pyramid = [torch.cat([colours * known, known], dim=1)]
    for _ in range(halvings):
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
        if index < halvings:
            filled = interpolate(filled, scale_factor=2, mode="bilinear")
            distance = interpolate(distance, scale_factor=2, mode="bilinear")
        filled = filled * (1 - trust) + trust * pyramid[index][:, :3] / (share + EPSILON)
        distance = (distance + 1) * (1 - trust)
    return filled, distance / len(pyramid)


def propagate(image: Tensor, trimap: Tensor, stride: int, steps: tuple[int, ...] = STEPS) -> Tensor:
    """The prior, B x 12 x H/s x W/s, of `image` B x 3 x H x W and `trimap` B x 1 x H x W of 0, 0.5, 1; see `spread`.

    `stride` s is 4 or 8; H and W are multiples of 32.
    """
    return spread(pool_known(image, trimap, stride), steps_of(stride, steps))


def steps_of(stride: int, steps: tuple[int, ...] = STEPS) -> tuple[int, ...]:
    """Those of `steps`, by level from stride 32 to 4, that lead down to `stride`."""
    return steps[: (MULTIPLE // stride).bit_length()]


def to_light(image: Tensor) -> Tensor:
    """Stored values in [0, 1] to the power 1.25: on the way from what files store to light.

    On a pixel of a photograph light is mixed, and stored by a curve of about the power 1 / 2.2; composites are mixed
    in stored values. Alpha is a line through colours in the former's light and in the latter's values.
    """
    return image * image.sqrt().sqrt()  # `LIGHT` by two roots: ONNX Runtime's power takes far longer


def pool_known(image: Tensor, trimap: Tensor, stride: int) -> Tensor:
    """Known colours averaged over cells of s x s pixels, s the `stride`: B x 11 x H/s x W/s.

    The mean colour (`to_light`'s); that of its known foreground, and its share; that of its known background, and
    its share.
    """
    image = to_light(image)
    parts = [avg_pool2d(image, stride)]
    for known in ((trimap == 1).to(image.dtype), (trimap == 0).to(image.dtype)):
        share = avg_pool2d(known, stride)
        parts += [avg_pool2d(image * known, stride) / (share + EPSILON), share]
    return torch.cat(parts, dim=1)


def spread(pooled: Tensor, steps: tuple[int, ...]) -> Tensor:
    """The prior, B x 12 x h x w, of `pooled` B x 11 x h x w (`pool_known`).

    `steps` of conjugate gradients run on each level, coarsest first; h and w are multiples of 2^(levels - 1).

    Foreground colours everywhere and a log distance of them, the same of the background, and the closed form's
    line. The line's guess is the projection, believed where the colours differ and explain the cell.
    """
    image, foreground, background = pooled[:, :3], pooled[:, 6:7], pooled[:, 10:]
    known = pooled[:, 3:].unflatten(1, (2, 4)).flatten(0, 1)  # both at once, as a larger batch
    filled = torch.cat(fill(known[:, :3], known[:, 3:], len(steps) - 1), dim=1)
    prior = filled.unflatten(0, (-1, 2))
    chosen, there = sample(image, pooled[:, 3:].unflatten(1, (2, 4))[:, :, :3], pooled[:, 6::4])
    colours = there[:, None] * chosen + (1 - there[:, None]) * prior[:, :, :3]
    prior = torch.cat([colours, prior[:, :, 3:]], dim=2).flatten(1, 2)
    background_colour = prior[:, 4:7]
    guess, residual, energy = compare(image, background_colour, prior[:, :3] - background_colour)
    belief = BELIEF * torch.exp(-residual / 0.03) * energy / (energy + 0.05)
    return torch.cat([prior, solve(image, foreground, background, guess, belief, steps)], dim=1)


def compare(image: Tensor, background: Tensor, difference: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """The image beside two colours: projection, residual and energy, each B x 1 x H x W.

    `difference` is the foreground's colour less the background's. The projection of image - background on it,
    clipped to [0, 1], is an alpha; the residual is what that composite leaves of the image; the energy is the
    contrast of the colours, squared.
    """
    energy = (difference**2).sum(1, keepdim=True)
    offset = image - background
    alpha = ((offset * difference).sum(1, keepdim=True) / (energy + 1e-3)).clamp(0, 1)
    residual = (offset - alpha * difference).abs().mean(1, keepdim=True)
    return alpha, residual, energy


def first_guess(image: Tensor, prior: Tensor, stride: int) -> Tensor:
    """The closed form's alpha, B x 1 x H x W, from `propagate`'s prior at that `stride`."""
    slopes, intercept = enlarge((prior[:, 8:11], prior[:, 11:]), stride)
    return apply_line(slopes, intercept, to_light(image))


def project(image: Tensor, prior: Tensor, stride: int) -> Tensor:
    """The cues beside the first guess, B x 5 x H x W, from `propagate`'s prior at that `stride`.

    `compare`'s three and both log distances.
    """
    background = prior[:, 4:7]
    parts = background, prior[:, :3] - background, prior[:, 3:8:4]
    background, difference, distances = enlarge(parts, stride)
    return torch.cat([*compare(to_light(image), background, difference), distances], dim=1)


def enlarge(parts: Sequence[Tensor], factor: int) -> list[Tensor]:
    """Each part bilinearly. Parts, since a slice is a copy, which costs much after this and little before."""
    return [interpolate(part, scale_factor=factor, mode="bilinear") for part in parts]
