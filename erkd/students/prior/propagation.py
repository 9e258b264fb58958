"""Propagation of known colours into the unknown region, and the prior made of them.

Known foreground and background colours, pooled to stride 4 or 8, are propagated over any distance by a push-pull
pyramid (Gortler et al., "The Lumigraph", 1996) and improved by sampled pairs (`shared_sampling.py`). Projecting the
image on them gives the data term of closed-form matting (`closed_form.py`). Pooling, convolutions and bilinear
upsampling suffice, so it exports to ONNX at any size.
"""

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn.functional import avg_pool2d, conv2d, interpolate

from erkd.students import EPSILON, MULTIPLE
from erkd.students.prior.closed_form import STEPS, apply_linear_model, solve, sum_channels
from erkd.students.prior.shared_sampling import sample_pairs

DILATIONS = (1, 2, 4, 8, 16)  # of the 3 x 3 blurs on top of the pyramid, at stride 32: radius 31 cells
CUE_CHANNELS = 5  # channels of `cues_from_prior`
CONFIDENCE = 0.04  # highest confidence of the projected alpha in the closed form


def push_pull(colours: Tensor, known: Tensor, halvings: int) -> tuple[Tensor, Tensor]:
    """Fill in colours of unknown cells by a push-pull pyramid.

    Args:
        colours: Mean known colour of each cell, B x 3 x H x W; H and W multiples of 2^`halvings`.
        known: Share of known pixels of each cell, B x 1 x H x W in [0, 1].
        halvings: Levels of average pooling, as many as lead to stride 32.

    Returns:
        The filled colours B x 3 x H x W, and a map B x 1 x H x W in [0, 1] that grows with about log2 of the distance
        to known cells. Without any known cell the colours are 0 and the distance is 1.
    """
    pyramid = [torch.cat([colours * known, known], dim=1)]
    for _ in range(halvings):
        pyramid.append(avg_pool2d(pyramid[-1], 2))
    kernel = torch.full((4, 1, 3, 3), 1 / 9, dtype=colours.dtype, device=colours.device)
    for dilation in DILATIONS:
        # zero padding: nothing is known beyond the border, and the share is divided out below
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
    """Compute the prior B x 12 x H/s x W/s (see `spread`) of an image.

    Args:
        image: B x 3 x H x W in [0, 1]; H and W multiples of 32.
        trimap: B x 1 x H x W of 0, 0.5, 1.
        stride: s, 4 or 8 pixels.
        steps: Conjugate gradient steps on each level, coarsest (stride 32) first.
    """
    return spread(pool_known(image, trimap, stride), steps_of(stride, steps))


def steps_of(stride: int, steps: tuple[int, ...] = STEPS) -> tuple[int, ...]:
    """The part of `steps` (levels from stride 32 to 4) that ends at `stride`."""
    return steps[: (MULTIPLE // stride).bit_length()]


def apply_gamma(image: Tensor) -> Tensor:
    """Raise stored values in [0, 1] to the power `PRIOR_GAMMA`, between encoded values and linear light.

    The compositing equation holds in linear light for photographs (encoded by a power of about 1 / 2.2) and in
    encoded values for synthetic composites; the exponent is a compromise.
    """
    return image * image.sqrt().sqrt()  # two square roots are far faster than Pow in ONNX Runtime


def pool_known(image: Tensor, trimap: Tensor, stride: int) -> Tensor:
    """Average-pool colours and known regions to `stride` s: B x 11 x H/s x W/s.

    Channels: mean colour (3); mean colour (3) and share (1) of known foreground; the same of known background.
    Colours are `apply_gamma`'s.
    """
    image = apply_gamma(image)
    parts = [avg_pool2d(image, stride)]
    for known in ((trimap == 1).to(image.dtype), (trimap == 0).to(image.dtype)):
        share = avg_pool2d(known, stride)
        parts += [avg_pool2d(image * known, stride) / (share + EPSILON), share]
    return torch.cat(parts, dim=1)


def spread(pooled: Tensor, steps: tuple[int, ...]) -> Tensor:
    """Compute the prior B x 12 x h x w from `pooled` B x 11 x h x w (see `pool_known`).

    Channels: propagated foreground colour (3) and its log distance (1), the same of the background (4), and the
    closed form's local linear model (4). The closed form's data term is the projected alpha; its confidence is high
    where the two colours differ and reproduce the image. `steps` are conjugate gradient steps on each level,
    coarsest first; h and w are multiples of 2^(levels - 1).
    """
    image, foreground, background = pooled[:, :3], pooled[:, 6:7], pooled[:, 10:]
    known = pooled[:, 3:].unflatten(1, (2, 4)).flatten(0, 1)  # foreground and background as one batch
    filled = torch.cat(push_pull(known[:, :3], known[:, 3:], len(steps) - 1), dim=1)
    prior = filled.unflatten(0, (-1, 2))
    chosen, valid = sample_pairs(image, pooled[:, 3:].unflatten(1, (2, 4))[:, :, :3], pooled[:, 6::4])
    colours = valid[:, None] * chosen + (1 - valid[:, None]) * prior[:, :, :3]
    prior = torch.cat([colours, prior[:, :, 3:]], dim=2).flatten(1, 2)
    background_colour = prior[:, 4:7]
    projected, residual, energy = project_colours(image, background_colour, prior[:, :3] - background_colour)
    confidence = CONFIDENCE * torch.exp(-residual / 0.03) * energy / (energy + 0.05)
    return torch.cat([prior, solve(image, foreground, background, projected, confidence, steps)], dim=1)


def project_colours(image: Tensor, background: Tensor, difference: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Project the image's colours on the line from background to foreground colour.

    Args:
        image: B x 3 x H x W.
        background: Background colour, B x 3 x H x W.
        difference: Foreground minus background colour, B x 3 x H x W.

    Returns:
        Alpha in [0, 1], the mean absolute residual of its composite, the squared colour contrast; each B x 1 x H x W.
    """
    energy = sum_channels(difference * difference)
    offset = image - background
    alpha = (sum_channels(offset * difference) / (energy + 1e-3)).clamp(0, 1)
    residual = sum_channels((offset - alpha * difference).abs()) / 3
    return alpha, residual, energy


def alpha_from_prior(image: Tensor, prior: Tensor, stride: int) -> Tensor:
    """Alpha B x 1 x H x W of the prior's linear model at `image`, by bilinear upsampling from `stride`."""
    slopes, intercept = upsample_each((prior[:, 8:11], prior[:, 11:]), stride)
    return apply_linear_model(slopes, intercept, apply_gamma(image))


def cues_from_prior(image: Tensor, prior: Tensor, stride: int) -> Tensor:
    """The prior's other cues, B x 5 x H x W: `project_colours` at full resolution, and both log distances."""
    background = prior[:, 4:7]
    parts = background, prior[:, :3] - background, prior[:, 3:8:4]
    background, difference, distances = upsample_each(parts, stride)
    return torch.cat([*project_colours(apply_gamma(image), background, difference), distances], dim=1)


def upsample_each(parts: Sequence[Tensor], factor: int) -> list[Tensor]:
    """Upsample each part bilinearly. Slicing before upsampling copies less than slicing after it."""
    return [interpolate(part, scale_factor=factor, mode="bilinear") for part in parts]
