"""Strands in three dimensions under a few lights: growth, scattering, shadow among strands, and depth order.

x points to the right, y down, z towards the viewer, in pixels. Colours are linear light here: the square of stored
values. Scattering has the three lobes of Marschner et al. ("Light scattering from human hair fibers", 2003):
reflection (R), transmission (TT) and internal reflection (TRT), each a Gaussian along the fibre, and closed-form
azimuthal parts as are usual in real-time rendering.
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from erkd.data.synth.canvas import COLOUR_SCALE
from erkd.data.synth.strands import Points
from erkd.io.images import Array

Solid = tuple[Points, Points]  # centre and radii of an ellipsoid, 3 each
CELLS = 40  # of the grid that shadows are looked up in, along each axis
TILT, ROUGH = 0.06, 0.13  # of a fibre's scales and its lobes along the fibre, radians
SHADOW = 0.55  # how much of a light a full cover of strands takes


@dataclass(frozen=True)
class Lights:
    """Directions towards the lights (L x 3, unit vectors) and their linear colours (L x 3)."""

    directions: Points
    colours: Points


def draw_lights(rng: np.random.Generator) -> Lights:
    """A key light, a fill light and, mostly, one or two from behind; at times the sun behind is the key."""
    yaw = [rng.uniform(-1.2, 1.2), rng.uniform(-1.5, 1.5)]
    strengths = [1.0, rng.uniform(0.15, 0.5)]
    for _ in range(int(rng.choice([0, 1, 2], p=[0.25, 0.5, 0.25]))):
        yaw.append(rng.choice([-1, 1]) * rng.uniform(1.9, 3.0))
        strengths.append(rng.uniform(0.4, 2.5))
    if rng.random() < 0.2:
        strengths[0] = 0.2
    pitch = rng.uniform(0.1, 1.2, len(yaw))
    directions = np.stack([np.cos(pitch) * np.sin(yaw), -np.sin(pitch), np.cos(pitch) * np.cos(yaw)], axis=1)
    warm = np.asarray([1.0, 0.93, 0.84]) ** rng.normal(0, 1.2, (len(yaw), 1))
    return Lights(directions, np.asarray(strengths)[:, None] * warm)


def _length(vectors: Points) -> Points:
    return np.asarray(np.sqrt(np.einsum("...i,...i->...", vectors, vectors)))


def unit_vectors(vectors: Points) -> Points:
    return np.asarray(vectors / (_length(vectors)[..., None] + 1e-9))


def grow_around(
    rng: np.random.Generator,
    roots: Points,
    headings: Points,
    lengths: Points,
    steps: int,
    bend: float,
    weight: float,
    solids: list[Solid],
    wind: float = 0.0,
) -> Points:
    """Grow N strands that fall by their `weight` and slide along solids: N x (steps + 1) x 3.

    Args:
        rng: Source of randomness.
        roots: N x 3.
        headings: Initial directions, N x 3.
        lengths: N, pixels.
        steps: Segments per strand.
        bend: Standard deviation of the turn from root to tip, radians.
        weight: Strength of the pull downwards over the whole length.
        solids: What strands must stay outside of.
        wind: Strength of a pull to the right.
    """
    heading, points = unit_vectors(headings), [np.asarray(roots, np.float64)]
    turn = rng.normal(0, bend, roots.shape) / steps
    for _ in range(steps):
        heading = heading + turn + rng.normal(0, 0.4 * bend / math.sqrt(steps), roots.shape)
        heading[:, :2] += np.asarray([wind, weight]) / steps
        point = points[-1] + unit_vectors(heading) * (lengths / steps)[:, None]
        for centre, radii in solids:
            scaled = (point - centre) / radii
            away = _length(scaled)[:, None]
            point = np.where(away < 1, centre + scaled / np.maximum(away, 1e-3) * radii, point)
        heading = unit_vectors(point - points[-1])
        points.append(point)
    return np.stack(points, axis=1)


def coil(rng: np.random.Generator, paths: Points, radius: float, turns: float, groups: NDArray[np.int64]) -> Points:
    """Wind strands around their own course; those of equal `groups` do so nearly alike."""
    count, knots = groups.max() + 1, paths.shape[1]
    along = np.linspace(0, 1, knots)
    phase = rng.uniform(0, 2 * np.pi, count)[groups] + rng.normal(0, 0.35, len(groups))
    speed = (turns * rng.uniform(0.7, 1.3, count))[groups]
    size = radius * rng.uniform(0.6, 1.4, count)[groups][:, None] * np.minimum(1, 4 * along)
    tangent = unit_vectors(np.gradient(paths, axis=1))
    side = unit_vectors(np.cross(tangent, np.asarray([0.3, 0.1, 1.0])))
    angle = 2 * np.pi * speed[:, None] * along + phase[:, None]
    across = np.cos(angle)[:, :, None] * side + np.sin(angle)[:, :, None] * np.cross(tangent, side)
    return np.asarray(paths + size[:, :, None] * across)


def optical_depth(rng: np.random.Generator, paths: Points, widths: Points, direction: Points) -> Points:
    """How many covers of strands lie between each point (N x K) and a light."""
    side = unit_vectors(np.cross(direction, np.asarray([0.31, 0.87, 0.37])))
    axes = np.stack([side, np.cross(direction, side), direction], axis=1)
    local = paths @ axes
    low, high = local.min(axis=(0, 1)), local.max(axis=(0, 1))
    size = np.maximum((high - low) / (CELLS - 1), 1.0)
    index = ((local - low) / size + rng.random(local.shape)).astype(np.int64).clip(0, CELLS - 1)
    flat = (index[:, :, 0] * CELLS + index[:, :, 1]) * CELLS + index[:, :, 2]
    step = _length(np.diff(paths, axis=1, append=paths[:, -1:]))
    mass = np.bincount(flat.ravel(), (step * widths[:, None]).ravel(), CELLS**3).reshape(CELLS, CELLS, CELLS)
    before = mass[:, :, ::-1].cumsum(axis=2)[:, :, ::-1] - mass
    return np.asarray(before.ravel()[flat] / (size[0] * size[1]))


def scatter(tangents: Points, albedo: Points, lights: Lights, reached: list[Points]) -> Points:
    """Linear light, N x K x 3, that strands send towards the viewer.

    Args:
        tangents: Directions of the strands, N x K x 3.
        albedo: Linear colours, N x 3.
        lights: Where light comes from.
        reached: Per light the share of it that reaches each point, N x K x 3.
    """
    colour = np.clip(albedo, 0.01, 0.98)[:, None]
    sin_view = tangents[:, :, 2]
    view_length = np.sqrt(np.maximum(1 - sin_view**2, 0)) + 1e-6
    total = np.zeros_like(tangents)
    for direction, light, share in zip(lights.directions, lights.colours, reached, strict=True):
        sin_light = tangents @ direction
        flat_length = np.sqrt(np.maximum(1 - sin_light**2, 0)) + 1e-6
        cos_phi = np.clip((direction[2] - sin_light * sin_view) / (flat_length * view_length), -1, 1)
        shift = sin_light + sin_view
        cos_half = np.sqrt(0.5 + 0.5 * cos_phi)
        reflected = 0.06 * cos_half * _lobe(shift - 2 * TILT, ROUGH)
        through = np.exp(-3.6 * cos_phi - 3.7) * _lobe(shift + TILT, ROUGH / 2)
        inner = 0.35 * np.exp(9 * (cos_phi - 1)) * _lobe(shift + 3 * TILT, 1.6 * ROUGH)
        diffuse = 0.3 * flat_length * (0.65 + 0.35 * cos_phi)
        lobes = reflected[:, :, None] + (0.22 * through)[:, :, None] * np.sqrt(colour)
        lobes = lobes + inner[:, :, None] * colour + diffuse[:, :, None] * colour
        total += light * share * lobes
    return total


def _lobe(shift: Points, width: float) -> Points:
    return np.asarray(np.exp(-0.5 * (shift / width) ** 2) / (width * math.sqrt(2 * math.pi)))


def light_strands(
    rng: np.random.Generator, paths: Points, widths: Points, albedo: Points, lights: Lights, normals: Points
) -> Points:
    """`scatter` with the shadow that strands and the body below cast, exposed to about the strands' own brightness.

    `normals` (N x K x 3) are those of the body; their lengths in [0, 1] say how much of the other side it hides.
    """
    hidden = _length(normals)
    tangents = unit_vectors(np.gradient(paths, axis=1))
    opacity = SHADOW * (1 - 0.75 * albedo)[:, None]  # light strands pass light on
    reached = []
    for direction in lights.directions:
        body = 1 - hidden + np.clip(0.4 * hidden + 1.2 * (normals @ direction), 0, hidden)
        among = np.exp(-opacity * optical_depth(rng, paths, widths, direction)[:, :, None])
        reached.append(body[:, :, None] * among)
    light = scatter(tangents, albedo, lights, reached)
    from_above = optical_depth(rng, paths, widths, unit_vectors(np.asarray([0.0, -0.5, 0.8])))
    light += 0.12 * lights.colours.sum(axis=0) * albedo[:, None] * np.exp(-opacity * from_above[:, :, None])
    exposure = rng.uniform(0.6, 1.25) * albedo.mean() / (light.mean() + 1e-9)
    brightest = float(np.quantile(light[:, ::4, 1], 0.9)) + 1e-9
    return np.asarray(light * min(exposure, rng.uniform(0.5, 1.0) / brightest))


def splat(
    paths: Points, widths: Points, light: Points, canvas: Array, drawn: NDArray[np.bool_], ground: Array
) -> None:
    """Draw strands into a canvas of linear colours, nearer ones over farther ones.

    Args:
        paths: N x K x 3.
        widths: N, pixels of the image; strands broader than 0.7 pixels are drawn two canvas pixels wide.
        light: Linear colours, N x K x 3.
        canvas: Drawn into, (H x W x 3) of `COLOUR_SCALE` times the image's size.
        drawn: Set where strands are drawn, like the canvas.
        ground: The z below which strands are hidden, of the image's size.
    """
    height, width = drawn.shape
    paths = paths.astype(np.float32)
    longest = _length(np.diff(paths[:, :, :2], axis=1)).sum(axis=1)
    places, depths, strands, positions = [], [], [], []
    for chosen in np.array_split(np.argsort(longest, kind="stable"), 6):
        count = int(longest[chosen].max(initial=0) * COLOUR_SCALE) + 2
        at = np.linspace(0, paths.shape[1] - 1.001, count).astype(np.float32)
        broad = chosen[widths[chosen] > 0.7]
        for aside, some in ((0, chosen), (1, broad)):
            x, y, z = (
                _between(paths[some][:, at.astype(int)], paths[some][:, at.astype(int) + 1], at).reshape(-1, 3).T
            )
            column, row = (x * COLOUR_SCALE).astype(np.int32) + aside, (y * COLOUR_SCALE).astype(np.int32)
            seen = np.flatnonzero((x >= 0) & (column >= 0) & (column < width) & (y >= 0) & (row < height))
            row, column, z = row[seen], column[seen], z[seen]
            above = z >= ground[row // COLOUR_SCALE, column // COLOUR_SCALE]
            places.append((row * width + column)[above])
            depths.append(z[above])
            strands.append(some[seen[above] // count])
            positions.append(at[seen[above] % count])
    place, depth, strand, at = (np.concatenate(parts) for parts in (places, depths, strands, positions))
    if not len(place):
        return
    level = (depth - depth.min()) / (np.ptp(depth) + 1e-6) * 65535
    order = np.argsort(level.astype(np.uint16), kind="stable")
    nearest = np.full(height * width, -1)
    nearest[place[order]] = order
    shown = np.flatnonzero(nearest >= 0)
    strand, at = strand[nearest[shown]], at[nearest[shown]]
    colours = _between(light[strand, at.astype(int)], light[strand, at.astype(int) + 1], at)
    canvas.reshape(-1, 3)[shown] = colours
    drawn.reshape(-1)[shown] = True


def _between(first: Points, second: Points, at: Array) -> Points:
    """Linear interpolation, ... x 3, by the fraction of the position `at`."""
    return np.asarray(first + (at % 1)[:, None] * (second - first))
