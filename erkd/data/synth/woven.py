"""Stiff woven and perforated things: wire mesh, perforated sheet metal, wicker; bent sheets, and baskets and cups.

A pattern is a function of surface coordinates (u, v) in periods: how far a point lies inside the material (in
periods, negative in holes), its normal, and how much of the light the neighbouring material leaves.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from erkd.data.synth.canvas import Drawing, average, developed, enlarge, over, unit_of
from erkd.data.synth.noise import fractal, log_uniform, pixels, ramp, turned
from erkd.data.synth.shapes import body_field, ellipse_field, inside, solid_body
from erkd.data.synth.textures import colour_name, near, random_colour
from erkd.io.images import Array

FINE = 2  # supersampling of the patterns, whose edges are antialiased besides
METALS = ((0.78, 0.78, 0.8), (0.86, 0.72, 0.42), (0.86, 0.55, 0.4), (0.55, 0.56, 0.58))
WOODS = ((0.62, 0.45, 0.26), (0.42, 0.27, 0.15), (0.78, 0.66, 0.46), (0.3, 0.2, 0.13), (0.85, 0.82, 0.76))


@dataclass(frozen=True)
class Relief:
    """A pattern at every point: depth in the material (periods), normal's x and y, open light, strand number."""

    depth: Array
    x: Array
    y: Array
    light: Array
    strand: Array


def weave(u: Array, v: Array, radius: float, swing: float, flat: float = 0.0) -> Relief:
    """Round wires along u and v, over and under one another in turn.

    Args:
        u: First coordinate, periods.
        v: Second coordinate, periods.
        radius: Of the wires, periods, below 0.5.
        swing: How far they bend up and down, periods.
        flat: Share of their roundness that is missing, as in split cane.
    """
    row, column = np.round(v), np.round(u)
    across, along = v - row, u - column
    row_sign, column_sign = 1 - 2 * (row % 2), 1 - 2 * (column % 2)
    first_lift, second_lift = swing * np.cos(np.pi * u) * row_sign, -swing * np.cos(np.pi * v) * column_sign
    first, second = radius - np.abs(across), radius - np.abs(along)
    upper = (first > 0) & ((second <= 0) | (first_lift > second_lift))
    bend = 0.8 * np.pi * swing
    x = np.where(upper, bend * np.sin(np.pi * u) * row_sign, (1 - flat) * along / radius)
    y = np.where(upper, (1 - flat) * across / radius, -bend * np.sin(np.pi * v) * column_sign)
    other = np.where(upper, np.maximum(-second, 0), np.maximum(-first, 0))  # how far the crossing wire is
    below = np.where(upper, first_lift, second_lift) < 0
    light = 1 - 0.75 * np.where(below, np.exp(-other / (0.5 * radius)), 0)
    strand = np.where(upper, row * 7 + 3, column * 13)
    depth = np.maximum(first, second)
    return Relief(*(np.asarray(field, np.float32) for field in (depth, x, y, light, strand)))


def perforated(u: Array, v: Array, radius: float, thick: float, slots: float) -> Relief:
    """A sheet with round holes or slots in staggered rows, whose inner walls are seen at one side.

    Args:
        u: First coordinate, periods.
        v: Second coordinate, periods.
        radius: Of the holes, periods, below 0.5.
        thick: How far the holes' far rims are shifted, periods.
        slots: Half the length of a slot, periods; 0: round holes.
    """

    def rim(shift: float) -> tuple[Array, Array, Array]:
        best = np.full(u.shape, 9.0, np.float32)
        to_x, to_y = np.zeros_like(best), np.zeros_like(best)
        for stagger in (0.0, 0.5):
            x = (u - shift + stagger) % 1 - 0.5
            y = ((v - 0.6 * shift) / 1.732 + stagger) % 1 * 1.732 - 0.866
            x = np.sign(x) * np.maximum(np.abs(x) - slots, 0)
            distance = np.hypot(x, y)
            nearer = distance < best
            best, to_x, to_y = np.where(nearer, distance, best), np.where(nearer, x, to_x), np.where(nearer, y, to_y)
        return best - radius, to_x / (best + 1e-6), to_y / (best + 1e-6)

    front, x, y = rim(0.0)
    back = rim(thick)[0]
    bevel = -0.7 * np.exp(-np.maximum(front, 0) / 0.05)
    wall = front < 0
    tilt = np.where(wall, -0.95, bevel)
    fields = (np.maximum(front, back), x * tilt, y * tilt, np.where(wall, 0.55, 1.0), np.zeros_like(front))
    return Relief(*(np.asarray(field, np.float32) for field in fields))


def reflections(rng: np.random.Generator) -> Callable[[Array, Array], Array]:
    """What surroundings a mirror of normal (x, y) shows: bright above, dark below, and a few windows or lamps."""
    ground, sky = rng.uniform(0.02, 0.15), rng.uniform(0.3, 0.8)
    horizon, blur = rng.uniform(-0.2, 0.3), rng.uniform(0.05, 0.4)
    lamps = [(*rng.uniform(-0.8, 0.8, 2), log_uniform(rng, 0.08, 0.35), log_uniform(rng, 0.8, 8)) for _ in range(3)]

    def seen(x: Array, y: Array) -> Array:
        z = np.sqrt(np.maximum(1 - x * x - y * y, 0))
        across, down = 2 * z * x, 2 * z * y
        light = ground + (sky - ground) * ramp(-down, horizon - blur, horizon + blur)
        for at_x, at_y, size, strength in lamps:
            light = light + strength * np.exp(-((across - at_x) ** 2 + (down - at_y) ** 2) / size**2)
        return np.asarray(light, np.float32)

    return seen


@dataclass(frozen=True)
class Finish:
    """How a surface looks: stored colour, share of it that is a metal's mirror, gloss, and spread among strands."""

    colour: Array
    metal: float
    gloss: float
    spread: float


def _draw_finish(rng: np.random.Generator, wood: bool) -> Finish:
    if wood:
        return Finish(near(rng, WOODS[rng.integers(len(WOODS))], 0.15), 0.0, rng.uniform(0, 0.25), 0.2)
    if rng.random() < 0.6:
        return Finish(near(rng, METALS[rng.integers(len(METALS))], 0.08), 1.0, 0.0, 0.03)
    paint = near(rng, (0.05, 0.05, 0.05), 0.3) if rng.random() < 0.5 else random_colour(rng)
    return Finish(paint, 0.0, rng.uniform(0.2, 0.8), 0.02)


@dataclass(frozen=True)
class Surface:
    """A side of a thing: coordinates in pixels (fine), the bent surface's normals (fine), and its field (pixels)."""

    u: Array
    v: Array
    x: Array
    y: Array
    field: Array


def _surface(*fields: NDArray[Any]) -> Surface:
    return Surface(*(np.asarray(field, np.float32) for field in fields))


def _paint(
    rng: np.random.Generator, surface: Surface, period: float, relief: Relief, finish: Finish, dim: float
) -> tuple[Array, Array]:
    """Colours and alpha of a surface; `dim` scales its light."""
    height, width = surface.field.shape
    covered = np.clip(0.5 + relief.depth * period * FINE, 0, 1).astype(np.float32)
    x, y = relief.x + surface.x, relief.y + surface.y
    steep = np.maximum(np.sqrt(x * x + y * y), 1e-6)
    limit = np.minimum(1, 0.98 / steep)
    x, y = (np.asarray(axis * limit, np.float32) for axis in (x, y))
    mirrored = reflections(rng)(x, y)
    z = np.sqrt(np.maximum(1 - x * x - y * y, 0))
    toward = np.asarray([rng.uniform(-0.7, 0.7), rng.uniform(-0.8, 0.1), 0.7])
    facing = np.clip(x * toward[0] + y * toward[1] + z * toward[2], 0, 1)
    tone = np.exp(rng.normal(0, finish.spread, 512))[relief.strand.astype(int) % 512]
    albedo = (finish.colour**2)[None, None] * tone[:, :, None]
    plain = (
        albedo * (0.15 + 0.9 * facing)[:, :, None]
        + (0.08 + 0.9 * (1 - z) ** 5)[:, :, None] * finish.gloss * (mirrored[:, :, None])
    )
    light = finish.metal * albedo * mirrored[:, :, None] + (1 - finish.metal) * plain
    uneven = np.exp(0.25 * fractal(rng, height, width, rng.uniform(1, 4), 4, 0.6))
    light = light * relief.light[:, :, None] * enlarge(uneven, height * FINE, width * FINE)[:, :, None] * dim
    base = np.broadcast_to(finish.colour, (height, width, 3))
    colours = developed(light.astype(np.float32), covered, base.astype(np.float32))
    alpha = average(np.rint(covered * 255).astype(np.uint8), height, width)
    edge = average(inside(surface.field), height, width)
    return colours, np.asarray(alpha * edge, np.float32)


def _bent(rng: np.random.Generator, height: int, width: int, field: Array) -> list[Surface]:
    """A sheet around a body, or from a side of the image, bent and turned."""
    unit = unit_of(height, width)
    bulge = fractal(rng, height // 4, width // 4, rng.uniform(0.7, 2), 2, 0.4) * rng.uniform(0.2, 1)
    scale = unit * 0.04
    fine_bulge = enlarge(bulge, height * FINE, width * FINE)
    x, y = (np.asarray(grid / FINE, np.float32) for grid in pixels(height * FINE, width * FINE))
    slope = [cv2.Sobel(fine_bulge, cv2.CV_32F, *axis) / 8 * FINE * scale for axis in ((1, 0), (0, 1))]
    u, v = turned(x + scale * fine_bulge, y + 0.6 * scale * fine_bulge, rng.uniform(0, np.pi))
    u = u * rng.uniform(1, 1.6)
    if rng.random() < 0.5:
        sheet = field + unit * rng.uniform(0.02, 0.12)
    else:
        coarse_x, coarse_y = pixels(height, width)
        line, _ = turned(coarse_x - width / 2, coarse_y - height / 2, rng.uniform(-np.pi, np.pi))
        sheet = line + unit * rng.uniform(-0.1, 0.3)
    ragged = fractal(rng, height, width, 3, 4) * rng.uniform(0, 0.02) * unit
    return [_surface(u, v, *slope, sheet + ragged)]


def _cup(rng: np.random.Generator, height: int, width: int) -> list[Surface]:
    """A cup or basket, wider at the top, seen a little from above: its near side, then its far side."""
    unit = unit_of(height, width)
    radius, axis = unit * rng.uniform(0.2, 0.45), width * rng.uniform(0.35, 0.65)
    top, bottom = height * rng.uniform(0.2, 0.45), height * rng.uniform(0.8, 1.1)
    flare, tilt = rng.uniform(-0.05, 0.25), rng.uniform(0.1, 0.35)

    def wall(scale: int, depth: int) -> tuple[NDArray[Any], ...]:
        """Half the width, the position across and the height down the wall, at the near (1) or far (-1) side."""
        x, y = (grid / scale for grid in pixels(height * scale, width * scale))
        half = radius * (1 + flare * (bottom - y) / (bottom - top))
        across = (x - axis) / half
        return half, across, y - depth * tilt * half * np.sqrt(np.maximum(1 - across**2, 0.002))

    sides = []
    for depth in (1, -1):
        _, across, down = wall(FINE, depth)
        across = np.clip(across, -0.999, 0.999)
        turn = np.arcsin(across)
        u = (turn if depth > 0 else np.pi - turn) * radius
        half, beside, coarse = wall(1, depth)
        field = np.minimum(half * (1 - np.abs(beside)), np.minimum(coarse - top, bottom - coarse))
        sides.append(_surface(u, down, 0.9 * depth * across, np.full_like(u, -0.1), field))
    return sides


def _woven(
    rng: np.random.Generator, shape: tuple[int, int], picture: Array | None, finish: Finish, period: float,
    pattern: Callable[[Array, Array], Relief],
) -> tuple[Array, Array]:  # fmt: skip
    """A cup with things in it, or a sheet around a body: colours and alpha."""
    field = body_field(rng, *shape)
    cup = rng.random() < 0.5
    surfaces = _cup(rng, *shape) if cup else _bent(rng, *shape, field)
    angle = rng.uniform(0.4, 1.2) if not cup and rng.random() < 0.5 else 0.0
    painted = []
    for number, surface in enumerate(surfaces):
        u, v = turned(surface.u / period, surface.v / period, angle)
        relief = pattern(u.astype(np.float32), v.astype(np.float32))
        painted.append(_paint(rng, surface, period, relief, finish, rng.uniform(0.7, 1.1) * (0.5 if number else 1)))
        if cup:  # a rim
            rim = _paint_rim(surface, finish, unit_of(*shape) * 0.012)
            painted[-1] = over(rim, painted[-1])
    if cup:
        front, back = painted
        if rng.random() < 0.6:
            unit = unit_of(*shape)
            rows, columns = np.nonzero(surfaces[0].field > 0)
            middle = (columns.mean() - shape[1] / 2) / unit, (rows.min() - shape[0] / 2) / unit
            lumps = [
                (middle[0] + rng.normal(0, 0.08), middle[1] + rng.uniform(0, 0.25), *rng.uniform(0.04, 0.14, 2), 0.0)
                for _ in range(int(rng.integers(1, 5)))
            ]
            content = ellipse_field(lumps, *shape)
            back = over(solid_body(rng, content, picture), back)
        return over(front, back)
    if rng.random() < 0.2:
        return painted[0]
    body = solid_body(rng, field, picture)
    return over(body, painted[0]) if rng.random() < 0.3 else over(painted[0], body)


def _paint_rim(surface: Surface, finish: Finish, thick: float) -> tuple[Array, Array]:
    """A band along the edge of a surface."""
    band = thick - np.abs(surface.field - thick)
    round_ = np.clip(band / thick, 0, 1)[:, :, None]
    colours = np.clip(finish.colour * (0.35 + 0.9 * round_), 0, 1)
    return colours.astype(np.float32), average(inside(band.astype(np.float32)), *surface.field.shape)


def wire_mesh(rng: np.random.Generator, height: int, width: int, picture: Array | None) -> Drawing:
    """Woven wire or perforated sheet metal, mirroring or painted, as a bent sheet or a cup."""
    period = unit_of(height, width) * log_uniform(rng, 0.012, 0.06)
    finish = _draw_finish(rng, wood=False)
    if rng.random() < 0.55:
        name, pattern = "wire mesh", partial(weave, radius=rng.uniform(0.08, 0.3), swing=rng.uniform(0.05, 0.2))
    else:
        slots = float(rng.choice([0, 0, 0.12]))
        radius, thick = min(rng.uniform(0.2, 0.42), 0.45 - slots), rng.uniform(0.02, 0.12)
        name, pattern = "perforated sheet", partial(perforated, radius=radius, thick=thick, slots=slots)
    painted = _woven(rng, (height, width), picture, finish, period, pattern)
    return Drawing(*painted, f"a {colour_name(finish.colour)} {name}")


def wicker(rng: np.random.Generator, height: int, width: int, picture: Array | None) -> Drawing:
    """Wicker or cane, loosely or tightly woven, as a bent sheet or a basket."""
    period = unit_of(height, width) * log_uniform(rng, 0.02, 0.08)
    finish = _draw_finish(rng, wood=True)
    cane = partial(weave, radius=rng.uniform(0.3, 0.48), swing=rng.uniform(0.1, 0.3), flat=rng.uniform(0, 0.7))
    painted = _woven(rng, (height, width), picture, finish, period, cane)
    return Drawing(*painted, f"{colour_name(finish.colour)} wicker")
