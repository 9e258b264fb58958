"""Closed-form matting inside the graph: alpha is locally a line through the colours.

Levin, Lischinski, Weiss, "A Closed-Form Solution to Natural Image Matting" (2008), solved from coarse to fine
by a fixed number of conjugate gradient steps. The Laplacian is never written down: its product with an alpha is the
windows' regressions on the colours, in sums over windows (He, Sun, Tang, "Fast Matting Using Large Kernel Matting
Laplacian Matrices", 2010), which run in ONNX Runtime at any size. The line (a, b) of each cell carries the coarse
solution to full resolution: alpha = a . image + b, as the guided filter does (the same authors, 2010).
"""

from dataclasses import dataclass

import torch
from torch import Tensor
from torch._higher_order_ops import while_loop
from torch.nn.functional import avg_pool2d, interpolate, pad

HALVINGS = 3  # levels below the finest
STEPS = (20, 40, 40, 40)  # of conjugate gradients, coarsest level first
VARIANCE = 1e-6  # added to a window's variances, nine times the mean's: below it colours count as equal
KNOWN = 0.999  # share of known pixels from which a cell is known
TINY = 1e-20  # a least divisor, which keeps 0 / 0 at 0; the exporter takes a sum with it for no sum at all

# the six entries of a symmetric 3 x 3 matrix in reading order, and where its nine are among them
ROWS, COLUMNS = torch.triu_indices(3, 3)
NINE = torch.tensor([0, 1, 2, 1, 3, 4, 2, 4, 5])
FLOOR = (ROWS == COLUMNS)[:, None, None] * (VARIANCE / 9)
# the six of its adjugate: m[a] m[b] - m[c] m[d]
COFACTORS = torch.tensor([[3, 2, 1, 0, 1, 0], [5, 4, 4, 5, 2, 3], [4, 1, 2, 2, 0, 1], [4, 5, 3, 2, 4, 1]])


@dataclass(frozen=True)
class Level:
    """What the colours of one level say.

    `colours` B x 3 x h x w. Of the 3 x 3 window around each cell: `mean` colour B x 3 x h x w; `inverse` of the
    colours' covariance, B x 3 x 3 x h x w; `inside` B x 1 x h x w, 1 where the window is whole. `diagonal` B x 1 x h x w
    of the Laplacian, each window's share of it spread over its cells; `windows` B x 1 x h x w, the whole ones
    that a cell is in.
    """

    colours: Tensor
    mean: Tensor
    inverse: Tensor
    inside: Tensor
    diagonal: Tensor
    windows: Tensor


def solve(image: Tensor, foreground: Tensor, background: Tensor, guess: Tensor, weight: Tensor) -> Tensor:
    """The line of each cell: a (3 channels) and b, B x 4 x h x w.

    `image` B x 3 x h x w, mean colours in [0, 1]; `foreground` and `background` B x 1 x h x w, shares of pixels
    known to be; `guess` B x 1 x h x w, an alpha from elsewhere, believed by `weight` >= 0 (a row of the
    Laplacian sums to about 9). h and w are multiples of 8. Where nothing is known alpha is 0.5.
    """
    pyramid = [torch.cat([image, foreground, background, guess, weight], dim=1)]
    for _ in range(HALVINGS):
        pyramid.append(avg_pool2d(pyramid[-1], 2))
    alpha = torch.full_like(pyramid[-1][:, :1], 0.5)
    line = torch.zeros_like(pyramid[-1][:, :4])
    for index, (maps, steps) in enumerate(zip(reversed(pyramid), STEPS, strict=True)):
        # clones, since an exported loop may not see two parts of one tensor
        colours, share, other, data, trust = (part.clone() for part in maps.split([3, 1, 1, 1, 1], dim=1))
        if index:
            line = interpolate(line, scale_factor=2, mode="bilinear")
            alpha = apply_line(line, colours)
        level = relate(colours)
        unknown = (share + other < KNOWN).to(maps.dtype)
        alpha = unknown * alpha + (1 - unknown) * share / (share + other).clamp_min(TINY)
        alpha = descend(level, alpha, unknown, data, trust, steps)
        # without a whole window (sides of less than three cells) alpha is what it is
        alone = torch.cat([torch.zeros_like(colours), alpha], dim=1)
        lines = sum_lines(level, alpha.clamp(0, 1)) / level.windows.clamp_min(1)
        line = torch.where(level.windows > 0, lines, alone)
    return line


def apply_line(line: Tensor, image: Tensor) -> Tensor:
    """Alpha B x 1 x H x W in [0, 1] of `line` B x 4 x H x W and `image` B x 3 x H x W."""
    return ((line[:, :3] * image).sum(1, keepdim=True) + line[:, 3:]).clamp(0, 1)


def window_sums(maps: Tensor) -> Tensor:
    """Sums over the 3 x 3 window around each cell, zero beyond the border; B x C x h x w."""
    maps = pad(maps, (1, 1, 1, 1))  # five times faster than pooling, and for double precision in ONNX, too
    rows = maps[:, :, :-2] + maps[:, :, 1:-1] + maps[:, :, 2:]
    return rows[..., :-2] + rows[..., 1:-1] + rows[..., 2:]


def relate(colours: Tensor) -> Level:
    """The windows of mean colours B x 3 x h x w.

    In double precision, since a covariance is nearly singular, and inverted by cofactors, which ONNX has.
    """
    exact = colours.double()
    rows, columns, nine = (index.to(colours.device) for index in (ROWS, COLUMNS, NINE))
    inside = (window_sums(torch.ones_like(colours[:, :1])) > 8.5).to(colours.dtype)
    mean = window_sums(exact) / 9
    squares = window_sums(exact.index_select(1, rows) * exact.index_select(1, columns)) / 9
    centred = squares - mean.index_select(1, rows) * mean.index_select(1, columns)
    covariance = centred * inside + FLOOR.to(exact)
    first, second, third, fourth = (covariance.index_select(1, six) for six in COFACTORS.to(colours.device))
    adjugate = first * second - third * fourth
    inverse = adjugate / (covariance[:, :3] * adjugate[:, :3]).sum(1, keepdim=True)
    trace = inverse[:, :1] + inverse[:, 3:4] + inverse[:, 5:]
    # a window's share of the Laplacian has the trace 8 - tr(covariance^-1 centred), over nine cells
    share = (5 + VARIANCE / 9 * trace).to(colours.dtype) / 9 * inside
    nine_of = inverse.index_select(1, nine).unflatten(1, (3, 3)).to(colours.dtype)
    return Level(
        colours, mean.to(colours.dtype), nine_of, inside, window_sums(share), window_sums(inside)
    )


def sum_lines(level: Level, alpha: Tensor) -> Tensor:
    """The sum over a cell's windows of their regressions of alpha B x 1 x h x w on colours, B x 4 x h x w."""
    means = window_sums(torch.cat([level.colours * alpha, alpha], dim=1)) / 9
    covariance = means[:, :3] - level.mean * means[:, 3:]
    slopes = (level.inverse * covariance[:, None]).sum(2)
    intercept = means[:, 3:] - (slopes * level.mean).sum(1, keepdim=True)
    return window_sums(torch.cat([slopes, intercept], dim=1) * level.inside)


def laplacian(level: Level, alpha: Tensor) -> Tensor:
    """The matting Laplacian's product with alpha B x 1 x h x w: what the windows' lines leave of it."""
    lines = sum_lines(level, alpha)
    return level.windows * alpha - (lines[:, :3] * level.colours).sum(1, keepdim=True) - lines[:, 3:]


def descend(
    level: Level, alpha: Tensor, unknown: Tensor, guess: Tensor, weight: Tensor, steps: int
) -> Tensor:
    """Conjugate gradients on the unknown cells, preconditioned by the diagonal."""

    def dot(one: Tensor, two: Tensor) -> Tensor:
        return (one * two).sum((1, 2, 3), keepdim=True)

    inverse = unknown / (level.diagonal.clamp_min(1e-3) + weight)

    def advance(alpha: Tensor, residual: Tensor, direction: Tensor, size: Tensor) -> tuple[Tensor, ...]:
        image = unknown * (laplacian(level, direction) + weight * direction)
        step = size / dot(direction, image).clamp_min(TINY)
        residual = residual - step * image
        scaled = inverse * residual
        new = dot(residual, scaled)
        return alpha + step * direction, residual, scaled + new / size.clamp_min(TINY) * direction, new

    residual = unknown * (weight * (guess - alpha) - laplacian(level, alpha))
    direction = inverse * residual
    state: tuple[Tensor, ...] = (alpha, residual, direction, dot(residual, direction))
    if torch.compiler.is_exporting():  # one loop instead of a hundred copies of its body
        counted = (torch.zeros((), dtype=torch.int64), *state)
        return while_loop(lambda i, *_: i < steps, lambda i, *state: (i + 1, *advance(*state)), counted)[1]
    for _ in range(steps):
        state = advance(*state)
    return state[0]
