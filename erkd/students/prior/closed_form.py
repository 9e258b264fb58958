"""Closed-form matting inside the graph (Levin, Lischinski, Weiss, 2008), exportable to ONNX at any size.

The matting Laplacian's system is solved coarse to fine by a fixed number of preconditioned conjugate gradient
steps, in convolutions with fixed kernels. Each cell's local linear model alpha = a . image + b carries the solution
to higher resolution, as in the guided filter (He, Sun, Tang, 2010).
"""

from dataclasses import dataclass
from functools import lru_cache

import torch
from torch import Tensor
from torch._higher_order_ops import while_loop
from torch.nn.functional import avg_pool2d, conv2d, interpolate, pad

STEPS = (10, 20, 20, 40)  # conjugate gradient steps by level, coarsest first
TRAINING_STEPS = (10, 20, 30, 15)  # the same in training: cheaper, a little less accurate
VARIANCE = 1e-6  # Levin et al.'s epsilon, which regularises a window's covariance by VARIANCE / 9
KNOWN = 0.999  # a cell counts as known from this share of known pixels on
TINY = 1e-20  # lower bound of divisors: 0 / 0 is 0 (as a summand it would be optimised away on export)

WINDOW = [(y, x) for y in range(3) for x in range(3)]
PAIRS = [(i, j) for i in range(9) for j in range(i + 1, 9)]
ENDS = [ends for i, j in PAIRS for ends in ((i, j), (j, i))]  # every pair in both directions
NEIGHBOURS = [(y, x) for y in range(5) for x in range(5) if (y, x) != (2, 2)]
FROM, TO = torch.tensor(PAIRS).T.contiguous()
ROWS, COLUMNS = torch.triu_indices(3, 3)  # the six entries of a symmetric 3 x 3 matrix
FLOOR = (ROWS == COLUMNS)[:, None, None] * (VARIANCE / 9)


def placed(constant: Tensor, like: Tensor) -> Tensor:
    """`constant` on the device of `like`, of its type unless it holds indices; a GPU gets one copy and keeps it."""
    dtype = like.dtype if constant.is_floating_point() else constant.dtype
    if like.device.type == "cpu":  # an export's own tensors must not be kept
        return constant.to(dtype)
    return _kept(constant, like.device, dtype)


@lru_cache
def _kept(constant: Tensor, device: torch.device, dtype: torch.dtype) -> Tensor:
    return constant.to(device, dtype)


def one_hot_kernels(count: int, size: int, places: list[tuple[int, int]]) -> Tensor:
    """Kernels count x 1 x size x size with a single 1 each, at `places` (row, column)."""
    kernel = torch.zeros(count, 1, size, size)
    for index, (y, x) in enumerate(places):
        kernel[index, 0, y, x] = 1
    return kernel


GATHER = one_hot_kernels(9, 3, WINDOW)  # the nine cells of a window, as channels
# from a window's 36 pairs to the two cells of each
SCATTER = one_hot_kernels(72, 3, [(2 - WINDOW[i][0], 2 - WINDOW[i][1]) for i, _ in ENDS])
# a cell minus each of its 24 neighbours in 5 x 5
DIFFERENCES = one_hot_kernels(24, 5, [(2, 2)] * 24) - one_hot_kernels(24, 5, NEIGHBOURS)
DIFFERENCES_AND_CELL = torch.cat([DIFFERENCES, one_hot_kernels(1, 5, [(2, 2)])])
SUM_BY_OFFSET = torch.zeros(24, 72, 1, 1)  # adds up the pairs of one neighbour
for end, (i, j) in enumerate(ENDS):
    offset = (WINDOW[j][0] - WINDOW[i][0] + 2, WINDOW[j][1] - WINDOW[i][1] + 2)
    SUM_BY_OFFSET[NEIGHBOURS.index(offset), end] = 1


@dataclass(frozen=True)
class WindowStatistics:
    """Colour statistics of the 3 x 3 window around each cell, and the matting Laplacian's affinities.

    Attributes:
        affinity: Negated off-diagonal entries of the Laplacian for the 24 neighbours in 5 x 5, B x 24 x h x w.
        mean: Mean colour, B x 3 x h x w.
        cholesky: Cholesky factor of the colour covariance: xx, yx, yy, zx, zy, zz, each B x 1 x h x w.
        whitened: The nine cells' colours, centred and whitened by that factor, B x 3 x 9 x h x w.
        inside: 1 where the whole window lies inside the image, else 0, B x 1 x h x w.
    """

    affinity: Tensor
    mean: Tensor
    cholesky: tuple[Tensor, ...]
    whitened: Tensor
    inside: Tensor


def solve(
    image: Tensor,
    foreground: Tensor,
    background: Tensor,
    projected: Tensor,
    confidence: Tensor,
    steps: tuple[int, ...],
) -> Tensor:
    """Solve for alpha coarse to fine and return its local linear model.

    Args:
        image: Mean colours, B x 3 x h x w in [0, 1]; h and w multiples of 2^(len(steps) - 1).
        foreground: Share of known foreground pixels per cell, B x 1 x h x w in [0, 1].
        background: Share of known background pixels per cell, B x 1 x h x w in [0, 1].
        projected: Data term: another estimate of alpha, B x 1 x h x w.
        confidence: Its weight >= 0, B x 1 x h x w; diagonal entries of the Laplacian are 5 to 8.
        steps: Conjugate gradient steps on each level, coarsest first.

    Returns:
        a (three channels) and b of alpha = a . image + b, B x 4 x h x w; alpha is 0.5 where nothing is known.
    """
    pyramid = [torch.cat([image, foreground, background, projected, confidence], dim=1)]
    for _ in steps[1:]:
        pyramid.append(avg_pool2d(pyramid[-1], 2))
    alpha = torch.full_like(pyramid[-1][:, :1], 0.5)
    model = torch.zeros_like(pyramid[-1][:, :4])
    for index, (maps, count) in enumerate(zip(reversed(pyramid), steps, strict=True)):
        colours, share, other, target, weight = maps.split([3, 1, 1, 1, 1], dim=1)
        if index:
            model = interpolate(model, scale_factor=2, mode="bilinear")
            alpha = apply_linear_model(model[:, :3], model[:, 3:], colours)
        statistics = window_statistics(colours)
        unknown = (share + other < KNOWN).to(maps.dtype)
        alpha = unknown * alpha + (1 - unknown) * share / (share + other).clamp_min(TINY)
        alpha = conjugate_gradients(statistics, alpha, unknown, target, weight, count)
        model = fit_linear_model(statistics, alpha.clamp(0, 1))
    return model


def apply_linear_model(slopes: Tensor, intercept: Tensor, image: Tensor) -> Tensor:
    """Alpha B x 1 x H x W: `slopes` (B x 3 x H x W) . `image` + `intercept` (B x 1 x H x W), clamped to [0, 1]."""
    return (sum_channels(slopes * image) + intercept).clamp(0, 1)


def sum_channels(maps: Tensor) -> Tensor:
    """B x C x h x w -> B x 1 x h x w; for few channels faster in ONNX Runtime than its own sum."""
    first, *others = maps.split(1, dim=1)
    return sum(others, first)


def window_statistics(image: Tensor) -> WindowStatistics:
    """Window statistics and affinities of colours B x 3 x h x w (equation 12 of Levin et al.)."""
    cholesky, mean, inside = cholesky_factors(image)
    windows = conv2d(image, placed(GATHER, image).repeat(3, 1, 1, 1), padding=1, groups=3).unflatten(1, (3, 9))
    whitened = whiten(cholesky, (windows - mean[:, :, None]) * inside[:, None])
    one, other = placed(FROM, image), placed(TO, image)
    products = (side.index_select(1, one) * side.index_select(1, other) for side in whitened.unbind(1))
    pairs = (sum(products, torch.ones_like(inside))) * inside / 9
    scattered = conv2d(pairs, placed(SCATTER, image), padding=1, groups=len(PAIRS))
    return WindowStatistics(conv2d(scattered, placed(SUM_BY_OFFSET, image)), mean, cholesky, whitened, inside)


def cholesky_factors(image: Tensor) -> tuple[tuple[Tensor, ...], Tensor, Tensor]:
    """`cholesky`, `mean` and `inside` of `WindowStatistics`.

    Computed in float64, since covariances are nearly singular; float32 suffices for what follows.
    """
    colours = image.double()
    rows, columns = placed(ROWS, colours), placed(COLUMNS, colours)
    inside = window_sums(torch.ones_like(image[:, :1])) > 8.5
    mean = window_sums(colours) / 9
    squares = window_sums(colours.index_select(1, rows) * colours.index_select(1, columns)) / 9
    covariance = squares - mean.index_select(1, rows) * mean.index_select(1, columns)
    covariance = torch.where(inside, covariance, 0) + placed(FLOOR, colours)
    xx, xy, xz, yy, yz, zz = covariance.split(1, dim=1)
    a = xx.sqrt()
    b, c = xy / a, xz / a
    d = (yy - b * b).clamp_min(TINY).sqrt()
    e = (yz - b * c) / d
    f = (zz - c * c - e * e).clamp_min(TINY).sqrt()
    cholesky = tuple(entry.to(image.dtype) for entry in (a, b, d, c, e, f))
    return cholesky, mean.to(image.dtype), inside.to(image.dtype)


def whiten(cholesky: tuple[Tensor, ...], colours: Tensor) -> Tensor:
    """Solve L w = c for colours c, B x 3 x 9 x h x w, with L the Cholesky factor of the covariance."""
    a, b, d, c, e, f = cholesky
    x, y, z = colours.unbind(1)
    x = x / a
    y = (y - b * x) / d
    return torch.stack([x, y, (z - c * x - e * y) / f], dim=1)


def regression_slopes(cholesky: tuple[Tensor, ...], moments: Tensor) -> Tensor:
    """Solve L^T s = m: from the means m of whitened colours times alpha to regression slopes s, B x 3 x h x w."""
    a, b, d, c, e, f = cholesky
    x, y, z = moments.split(1, dim=1)
    z = z / f
    y = (y - e * z) / d
    return torch.cat([(x - b * y - c * z) / a, y, z], dim=1)


def window_sums(maps: Tensor) -> Tensor:
    """Sums over the 3 x 3 window around each cell, zero beyond the border; B x C x h x w."""
    maps = pad(maps, (1, 1, 1, 1))  # faster than pooling, which ONNX Runtime lacks in float64
    rows = maps[:, :, :-2] + maps[:, :, 1:-1] + maps[:, :, 2:]
    return rows[..., :-2] + rows[..., 1:-1] + rows[..., 2:]


def conjugate_gradients(
    statistics: WindowStatistics, alpha: Tensor, unknown: Tensor, projected: Tensor, confidence: Tensor, steps: int
) -> Tensor:
    """Conjugate gradients on the unknown cells, with the Jacobi (diagonal) preconditioner.

    Args:
        statistics: Gives the affinities of this level.
        alpha: Starting point, B x 1 x h x w; known cells keep their values.
        unknown: 1 for cells to solve for, B x 1 x h x w.
        projected: Data term, B x 1 x h x w.
        confidence: Its weight >= 0, B x 1 x h x w.
        steps: How many steps are taken.
    """
    differences, affinity = placed(DIFFERENCES_AND_CELL, alpha), unknown * statistics.affinity
    confidence = unknown * confidence
    system = torch.cat([affinity, confidence], dim=1)
    ones = differences.new_ones(1, len(differences), 1, 1)

    def apply_system(values: Tensor) -> Tensor:
        # a convolution with ones is faster than a sum in ONNX Runtime
        return conv2d(system * conv2d(values, differences, padding=2), ones)

    def dot(one: Tensor, two: Tensor) -> Tensor:
        return (one * two).sum((1, 2, 3), keepdim=True)

    inverse = unknown / (affinity.sum(1, keepdim=True).clamp_min(1e-3) + confidence)

    def advance(alpha: Tensor, residual: Tensor, direction: Tensor, size: Tensor) -> tuple[Tensor, ...]:
        product = apply_system(direction)
        step = size / dot(direction, product).clamp_min(TINY)
        residual = residual - step * product
        scaled = inverse * residual
        new = dot(residual, scaled)
        return alpha + step * direction, residual, scaled + new / size.clamp_min(TINY) * direction, new

    residual = confidence * projected - apply_system(alpha)
    direction = inverse * residual
    state: tuple[Tensor, ...] = (alpha, residual, direction, dot(residual, direction))
    if torch.compiler.is_exporting():  # an ONNX Loop instead of an unrolled graph
        counted = (torch.zeros((), dtype=torch.int64), *state)
        return while_loop(lambda i, *_: i < steps, lambda i, *state: (i + 1, *advance(*state)), counted)[1]
    for _ in range(steps):
        state = advance(*state)
    return state[0]


def fit_linear_model(statistics: WindowStatistics, alpha: Tensor) -> Tensor:
    """Regress alpha B x 1 x h x w on colours in each window, and average the models over a cell's windows.

    Returns the slopes and the intercept, B x 4 x h x w.
    """
    window = conv2d(alpha, placed(GATHER, alpha), padding=1)
    slopes = regression_slopes(statistics.cholesky, (statistics.whitened * window[:, None]).mean(2))
    intercept = window.mean(1, keepdim=True) - (slopes * statistics.mean).sum(1, keepdim=True)
    models = torch.cat([slopes, intercept, torch.ones_like(intercept)], dim=1) * statistics.inside
    means = avg_pool2d(models, 3, 1, 1)
    # no whole window (sides shorter than three cells): the model is constant
    constant = torch.cat([torch.zeros_like(slopes), alpha], dim=1)
    return torch.where(means[:, 4:] > 0, means[:, :4] / means[:, 4:].clamp_min(TINY), constant)
