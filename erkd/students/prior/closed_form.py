"""Closed-form matting inside the graph: alpha is locally a line through the colours.

Levin, Lischinski, Weiss, "A Closed-Form Solution to Natural Image Matting" (2008), solved from coarse to fine
by a fixed number of conjugate gradient steps, in convolutions with fixed kernels: it runs in ONNX Runtime at
any size. The line (a, b) of each cell carries the coarse solution to full resolution: alpha = a . image + b, as
the guided filter does (He, Sun, Tang, 2010).
"""

from dataclasses import dataclass

import torch
from torch import Tensor
from torch._higher_order_ops import while_loop
from torch.nn.functional import avg_pool2d, conv2d, interpolate, pad

STEPS = (10, 20, 20, 40)  # of conjugate gradients, coarsest level first
FEWER = (10, 20, 30, 15)  # in training, where a first guess may be a little worse
VARIANCE = 1e-6  # added to a window's variances: below it colours count as equal
KNOWN = 0.999  # share of known pixels from which a cell is known
TINY = 1e-20  # a least divisor, which keeps 0 / 0 at 0; the exporter takes a sum with it for no sum at all

WINDOW = [(y, x) for y in range(3) for x in range(3)]
PAIRS = [(i, j) for i in range(9) for j in range(i + 1, 9)]
ENDS = [ends for i, j in PAIRS for ends in ((i, j), (j, i))]  # what a pair says of either of its cells
NEIGHBOURS = [(y, x) for y in range(5) for x in range(5) if (y, x) != (2, 2)]
FROM, TO = torch.tensor(PAIRS).T.contiguous()
ROWS, COLUMNS = torch.triu_indices(3, 3)  # the six entries of a symmetric 3 x 3 matrix
FLOOR = (ROWS == COLUMNS)[:, None, None] * (VARIANCE / 9)


def one_hot(count: int, size: int, places: list[tuple[int, int]]) -> Tensor:
    kernel = torch.zeros(count, 1, size, size)
    for index, (y, x) in enumerate(places):
        kernel[index, 0, y, x] = 1
    return kernel


GATHER = one_hot(9, 3, WINDOW)  # the nine cells of a window, as channels
SCATTER = one_hot(72, 3, [(2 - WINDOW[i][0], 2 - WINDOW[i][1]) for i, _ in ENDS])  # to a pair's two cells
MINUS = one_hot(24, 5, [(2, 2)] * 24) - one_hot(24, 5, NEIGHBOURS)  # a cell less its neighbour
SUM = torch.zeros(24, 72, 1, 1)  # pairs of one offset
for end, (i, j) in enumerate(ENDS):
    offset = (WINDOW[j][0] - WINDOW[i][0] + 2, WINDOW[j][1] - WINDOW[i][1] + 2)
    SUM[NEIGHBOURS.index(offset), end] = 1


@dataclass(frozen=True)
class Level:
    """What the colours of one level say.

    `affinity` B x 24 x h x w of a cell and its neighbours. Of the 3 x 3 window around each cell: `mean` colour B x
    3 x h x w; `lower`, the Cholesky factor of the covariance, six maps B x 1 x h x w; `white`, its cells' colours
    less the mean, whitened by it, B x 3 x 9 x h x w; `inside` B x 1 x h x w, 1 where it is whole.
    """

    affinity: Tensor
    mean: Tensor
    lower: tuple[Tensor, ...]
    white: Tensor
    inside: Tensor


def solve(
    image: Tensor,
    foreground: Tensor,
    background: Tensor,
    guess: Tensor,
    weight: Tensor,
    steps: tuple[int, ...],
) -> Tensor:
    """The line of each cell: a (3 channels) and b, B x 4 x h x w.

    `image` B x 3 x h x w, mean colours in [0, 1]; `foreground` and `background` B x 1 x h x w, shares of pixels
    known to be; `guess` B x 1 x h x w, an alpha from elsewhere, believed by `weight` >= 0 (a row of the
    Laplacian sums to about 9); `steps` of conjugate gradients on each level,
    coarsest first; h and w are multiples of 2^(levels - 1). Where
    nothing is known alpha is 0.5.
    """
    pyramid = [torch.cat([image, foreground, background, guess, weight], dim=1)]
    for _ in steps[1:]:
        pyramid.append(avg_pool2d(pyramid[-1], 2))
    alpha = torch.full_like(pyramid[-1][:, :1], 0.5)
    line = torch.zeros_like(pyramid[-1][:, :4])
    for index, (maps, count) in enumerate(zip(reversed(pyramid), steps, strict=True)):
        colours, share, other, data, trust = maps.split([3, 1, 1, 1, 1], dim=1)
        if index:
            line = interpolate(line, scale_factor=2, mode="bilinear")
            alpha = apply_line(line[:, :3], line[:, 3:], colours)
        level = relate(colours)
        unknown = (share + other < KNOWN).to(maps.dtype)
        alpha = unknown * alpha + (1 - unknown) * share / (share + other).clamp_min(TINY)
        alpha = descend(level, alpha, unknown, data, trust, count)
        line = fit_line(level, alpha.clamp(0, 1))
    return line


def apply_line(slopes: Tensor, intercept: Tensor, image: Tensor) -> Tensor:
    """Alpha B x 1 x H x W in [0, 1] of a line, B x 3 x H x W and B x 1 x H x W, at `image` B x 3 x H x W."""
    return ((slopes * image).sum(1, keepdim=True) + intercept).clamp(0, 1)


def relate(image: Tensor) -> Level:
    """Windows and affinities of mean colours B x 3 x h x w; equation 12 of Levin et al."""
    lower, mean, inside = factorise(image)
    windows = conv2d(image, GATHER.to(image).repeat(3, 1, 1, 1), padding=1, groups=3).unflatten(1, (3, 9))
    white = whiten(lower, (windows - mean[:, :, None]) * inside[:, None])
    one, other = FROM.to(image.device), TO.to(image.device)
    products = (side.index_select(1, one) * side.index_select(1, other) for side in white.unbind(1))
    pairs = (sum(products, torch.ones_like(inside))) * inside / 9
    scattered = conv2d(pairs, SCATTER.to(image), padding=1, groups=len(PAIRS))
    return Level(conv2d(scattered, SUM.to(image)), mean, lower, white, inside)


def factorise(image: Tensor) -> tuple[tuple[Tensor, ...], Tensor, Tensor]:
    """Of each window the covariance's Cholesky factor (xx, yx, yy, zx, zy, zz), the mean, and whether it is whole.

    In double precision, since a covariance is nearly singular; what is whitened by it needs no more than single.
    """
    colours = image.double()
    rows, columns = ROWS.to(colours.device), COLUMNS.to(colours.device)
    inside = window_sums(torch.ones_like(image[:, :1])) > 8.5
    mean = window_sums(colours) / 9
    squares = window_sums(colours.index_select(1, rows) * colours.index_select(1, columns)) / 9
    covariance = squares - mean.index_select(1, rows) * mean.index_select(1, columns)
    covariance = torch.where(inside, covariance, 0) + FLOOR.to(colours)
    xx, xy, xz, yy, yz, zz = covariance.split(1, dim=1)
    a = xx.sqrt()
    b, c = xy / a, xz / a
    d = (yy - b * b).clamp_min(TINY).sqrt()
    e = (yz - b * c) / d
    f = (zz - c * c - e * e).clamp_min(TINY).sqrt()
    lower = tuple(entry.to(image.dtype) for entry in (a, b, d, c, e, f))
    return lower, mean.to(image.dtype), inside.to(image.dtype)


def whiten(lower: tuple[Tensor, ...], colours: Tensor) -> Tensor:
    """Solve L w = c for B x 3 x 9 x h x w."""
    a, b, d, c, e, f = lower
    x, y, z = colours.unbind(1)
    x = x / a
    y = (y - b * x) / d
    return torch.stack([x, y, (z - c * x - e * y) / f], dim=1)


def slope(lower: tuple[Tensor, ...], moments: Tensor) -> Tensor:
    """Solve L^T s = m for B x 3 x h x w: of the means of white colours times alpha, alpha's slopes along colours."""
    a, b, d, c, e, f = lower
    x, y, z = moments.split(1, dim=1)
    z = z / f
    y = (y - e * z) / d
    return torch.cat([(x - b * y - c * z) / a, y, z], dim=1)


def window_sums(maps: Tensor) -> Tensor:
    """Sums over the 3 x 3 window around each cell, zero beyond the border; B x C x h x w."""
    maps = pad(maps, (1, 1, 1, 1))  # faster than pooling, and ONNX Runtime's has no double precision
    rows = maps[:, :, :-2] + maps[:, :, 1:-1] + maps[:, :, 2:]
    return rows[..., :-2] + rows[..., 1:-1] + rows[..., 2:]


def descend(
    level: Level, alpha: Tensor, unknown: Tensor, guess: Tensor, weight: Tensor, steps: int
) -> Tensor:
    """Conjugate gradients on the unknown cells, preconditioned by the diagonal."""
    minus, affinity, weight = MINUS.to(alpha), unknown * level.affinity, unknown * weight
    ones = minus.new_ones(1, len(minus), 1, 1)

    def laplacian(values: Tensor) -> Tensor:
        return conv2d(affinity * conv2d(values, minus, padding=2), ones)  # faster than a sum in ONNX Runtime

    def dot(one: Tensor, two: Tensor) -> Tensor:
        return (one * two).sum((1, 2, 3), keepdim=True)

    inverse = unknown / (affinity.sum(1, keepdim=True).clamp_min(1e-3) + weight)

    def advance(alpha: Tensor, residual: Tensor, direction: Tensor, size: Tensor) -> tuple[Tensor, ...]:
        image = laplacian(direction) + weight * direction
        step = size / dot(direction, image).clamp_min(TINY)
        residual = residual - step * image
        scaled = inverse * residual
        new = dot(residual, scaled)
        return alpha + step * direction, residual, scaled + new / size.clamp_min(TINY) * direction, new

    residual = weight * (guess - alpha) - laplacian(alpha)
    direction = inverse * residual
    state: tuple[Tensor, ...] = (alpha, residual, direction, dot(residual, direction))
    if torch.compiler.is_exporting():  # one loop instead of a hundred copies of its body
        counted = (torch.zeros((), dtype=torch.int64), *state)
        return while_loop(lambda i, *_: i < steps, lambda i, *state: (i + 1, *advance(*state)), counted)[1]
    for _ in range(steps):
        state = advance(*state)
    return state[0]


def fit_line(level: Level, alpha: Tensor) -> Tensor:
    """Each window's regression of alpha B x 1 x h x w on colours, averaged over a cell's windows; B x 4 x h x w."""
    window = conv2d(alpha, GATHER.to(alpha), padding=1)
    slopes = slope(level.lower, (level.white * window[:, None]).mean(2))
    intercept = window.mean(1, keepdim=True) - (slopes * level.mean).sum(1, keepdim=True)
    lines = torch.cat([slopes, intercept, torch.ones_like(intercept)], dim=1) * level.inside
    means = avg_pool2d(lines, 3, 1, 1)
    # without a whole window (sides of less than three cells) alpha is what it is
    alone = torch.cat([torch.zeros_like(slopes), alpha], dim=1)
    return torch.where(means[:, 4:] > 0, means[:, :4] / means[:, 4:].clamp_min(TINY), alone)
