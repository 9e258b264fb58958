"""See-through cloth: nets, lace and veils."""

from itertools import pairwise

import cv2
import numpy as np
from numpy.typing import NDArray

from erkd.data.synth.canvas import Drawing, average, enlarge, over, unit_of
from erkd.data.synth.noise import fractal, log_uniform, pixels, ramp, turned
from erkd.data.synth.shapes import body_field, inside, solid_body
from erkd.data.synth.textures import colour_name, near, noise_texture, random_colour
from erkd.io.images import Array

FINE = 2  # supersampling of woven patterns


def _cloth(
    rng: np.random.Generator, height: int, width: int, period: float, crumple: float
) -> tuple[Array, Array, Array]:
    """Texture coordinates u, v of a folded cloth (in periods, `FINE` times finer), and the slope of its folds, H x W.

    `period` is the pattern's period in pixels, `crumple` the displacement by folds in units of the image.
    """
    fold_x = fractal(rng, height // 4, width // 4, rng.uniform(1, 4), 4, 0.45)
    fold_y = fractal(rng, height // 4, width // 4, rng.uniform(1, 4), 4, 0.45)
    fine_x, fine_y = (enlarge(fold, height * FINE, width * FINE) for fold in (fold_x, fold_y))
    x, y = pixels(height * FINE, width * FINE)
    swing = crumple * unit_of(height, width)
    x, y = x / FINE + fine_x * swing, y / FINE + fine_y * swing
    angle = rng.uniform(0, np.pi)
    stretch = rng.uniform(0.7, 1.4)
    along, across = turned(x, y, angle)
    u, v = along / period, across / (period * stretch)
    slope = cv2.Sobel(cv2.GaussianBlur(fold_x, (0, 0), 1), cv2.CV_32F, 1, 0)
    slope = enlarge(slope / (slope.std() + 1e-6), height, width)
    return u.astype(np.float32), v.astype(np.float32), slope


def _tile(rng: np.random.Generator, kind: str, side: int) -> NDArray[np.uint8]:
    """One period of a pattern, side x side, 255 where there is thread; it tiles seamlessly."""
    tile = np.zeros((3 * side, 3 * side), np.uint8)
    thread = max(1, int(side * log_uniform(rng, 0.03, 0.2)))
    for row in range(3):
        for column in range(3):
            left, top = column * side, row * side
            right, centre, sixth, low = left + side, left + side // 2, side // 6, top + side - side // 3
            chains: list[list[tuple[int, int]]] = []
            if kind == "net":
                chains = [[(left, top), (right, top)], [(left, top), (left, top + side)]]
            elif kind == "hexagons":
                roof = [(left, top + sixth), (centre, top - sixth), (right, top + sixth)]
                chains = [roof, [roof[0], (left, low), (centre, top + side // 2), (right, low)]]
            for start, end in (line for chain in chains for line in pairwise(chain)):
                cv2.line(tile, start, end, 255, thread, cv2.LINE_AA)
            if kind == "net":
                cv2.circle(tile, (left, top), int(thread * 0.9), 255, -1, cv2.LINE_AA)
    if kind == "holes":
        tile[:] = 255
        for row in range(3):
            for column in range(3):
                middle = (int((column + 0.5) * side), int((row + 0.5) * side))
                cv2.circle(tile, middle, int(side * rng.uniform(0.3, 0.45)), 0, -1, cv2.LINE_AA)
    return np.ascontiguousarray(tile[side : 2 * side, side : 2 * side])


def _lace_tile(rng: np.random.Generator, side: int) -> NDArray[np.uint8]:
    """One period of lace: a flower of petals and rings on a fine mesh."""
    tile = np.zeros((side, side), np.uint8)
    mesh = side // int(rng.integers(8, 16))
    for at in range(0, side, mesh):
        cv2.line(tile, (at, 0), (at + side, side), 255, 1, cv2.LINE_AA)
        cv2.line(tile, (at - side, 0), (at, side), 255, 1, cv2.LINE_AA)
        cv2.line(tile, (at, 0), (at - side, side), 255, 1, cv2.LINE_AA)
        cv2.line(tile, (at + side, 0), (at, side), 255, 1, cv2.LINE_AA)
    centre, petals = side // 2, int(rng.integers(4, 9))
    length, breadth = int(side * rng.uniform(0.12, 0.2)), int(side * rng.uniform(0.05, 0.1))
    for turn in 2 * np.pi * np.arange(petals) / petals:
        middle = (int(centre + 0.24 * side * np.cos(turn)), int(centre + 0.24 * side * np.sin(turn)))
        for breaking, tone in ((1, 255), (2, 0))[: int(rng.integers(1, 3))]:  # half of the petals are hollow
            axes = (length // breaking, breadth // breaking)
            cv2.ellipse(tile, middle, axes, float(np.degrees(turn)), 0, 360, tone, -1, cv2.LINE_AA)
    for radius in rng.uniform(0.06, 0.48, rng.integers(1, 4)):
        cv2.circle(tile, (centre, centre), int(side * radius), 255, int(rng.integers(1, 7)), cv2.LINE_AA)
    return tile


def _woven(tile: NDArray[np.uint8], u: Array, v: Array, height: int, width: int) -> Array:
    """Coverage H x W in [0, 1] of a `tile` repeated over texture coordinates (u, v)."""
    side = np.float32(tile.shape[0])
    read = cv2.remap(tile, (u % 1) * side, (v % 1) * side, cv2.INTER_LINEAR, borderMode=cv2.BORDER_WRAP)
    return average(np.asarray(read, np.uint8), height, width)


def _sheet(rng: np.random.Generator, field: Array) -> Array:
    """Signed field (pixels, positive inside) of a cloth: around a body, or hanging in from a side of the image."""
    height, width = field.shape
    unit = unit_of(height, width)
    if rng.random() < 0.6:
        sheet = field + unit * rng.uniform(0.03, 0.15) + fractal(rng, height, width, 3, 3) * 0.02 * unit
    else:
        x, y = pixels(height, width)
        line, _ = turned(x - width / 2, y - height / 2, rng.uniform(-np.pi, np.pi))
        sheet = line + unit * rng.uniform(-0.1, 0.3) + fractal(rng, height, width, 2, 4) * 0.03 * unit
    return np.asarray(sheet, np.float32)


def _hemmed(thread: Array, sheet: Array) -> Array:
    """The alpha of a sheet of thread, closed along its edge."""
    hem = unit_of(*sheet.shape) * 0.012
    return np.maximum(thread, ramp(hem - np.abs(sheet - hem), 0, 2)) * average(inside(sheet), *sheet.shape)


def _dyed(rng: np.random.Generator, colour: Array, folds: Array, alpha: Array) -> tuple[Array, Array]:
    """A cloth's colours, lighter and darker along its `folds`, and its alpha."""
    height, width = alpha.shape
    painted = np.clip(noise_texture(rng, height, width, colour) * (1 + folds[:, :, None]), 0, 1)
    return painted.astype(np.float32), alpha.astype(np.float32)


def _around(
    rng: np.random.Generator, cloth: tuple[Array, Array], field: Array, picture: Array | None, behind: float
) -> tuple[Array, Array]:
    """Composite a cloth (colour, alpha) over a body or, with probability `behind`, behind it; a fifth have none."""
    if rng.random() < 0.2:
        return cloth
    body = solid_body(rng, field, picture)
    return over(body, cloth) if rng.random() < behind else over(cloth, body)


def net(rng: np.random.Generator, height: int, width: int, picture: Array | None) -> Drawing:
    """A net or a perforated sheet around a body or hanging into the picture: a wide porous region."""
    unit = unit_of(height, width)
    period = unit * log_uniform(rng, 0.015, 0.09)
    u, v, slope = _cloth(rng, height, width, period, rng.uniform(0.005, 0.04))
    kind = str(rng.choice(["net", "hexagons", "holes"], p=[0.5, 0.3, 0.2]))
    thread = _woven(_tile(rng, kind, int(np.clip(period * FINE, 24, 96))), u, v, height, width)
    if rng.random() < 0.3:  # a second layer of the same net, shifted, as where a bag's back shows
        shift = rng.uniform(0.2, 0.8)
        back = _woven(_tile(rng, kind, 48), u + shift, v * 1.07 + shift, height, width)
        thread = 1 - (1 - thread) * (1 - back)
    field = body_field(rng, height, width)
    alpha = _hemmed(thread, _sheet(rng, field))
    colour = random_colour(rng)
    cloth = _dyed(rng, colour, 0.2 * slope, alpha)
    return Drawing(*_around(rng, cloth, field, picture, 0.4), f"a {colour_name(colour)} net")


def lace(rng: np.random.Generator, height: int, width: int, picture: Array | None) -> Drawing:
    """Lace: flowers of dense thread on a fine mesh with a scalloped edge."""
    unit = unit_of(height, width)
    u, v, slope = _cloth(rng, height, width, unit * rng.uniform(0.1, 0.3), rng.uniform(0.003, 0.03))
    thread = _woven(_lace_tile(rng, 160), u, v, height, width)
    field = body_field(rng, height, width)
    sheet = _sheet(rng, field)
    scallop = unit * 0.02 * np.sin(2 * np.pi * rng.uniform(2, 4) * enlarge(u[::FINE, ::FINE], height, width))
    alpha = _hemmed(thread, (sheet + scallop).astype(np.float32))
    colour = near(rng, (0.9, 0.88, 0.84), 0.1, 0.5)
    cloth = _dyed(rng, colour, 0.15 * slope, alpha)
    return Drawing(*_around(rng, cloth, field, picture, 0.3), f"{colour_name(colour)} lace")


def veil(rng: np.random.Generator, height: int, width: int, picture: Array | None) -> Drawing:
    """Thin cloth whose folds and hems are denser, over or behind a body."""
    unit = unit_of(height, width)
    u, v, slope = _cloth(rng, height, width, unit * rng.uniform(0.006, 0.02), rng.uniform(0.02, 0.08))
    density = log_uniform(rng, 0.15, 1.2)
    thickness = density * (0.6 + 0.5 * np.abs(slope) ** rng.uniform(0.8, 2))
    if rng.random() < 0.5:
        thickness = thickness * (0.8 + 0.4 * _woven(_tile(rng, "net", 24), u, v, height, width))
    field = body_field(rng, height, width)
    sheet = _sheet(rng, field)
    layer = ramp(fractal(rng, height, width, 2, 3) - rng.uniform(-0.5, 1), -0.02, 0.02)
    thickness = thickness * (1 + layer) + 1.5 * ramp(unit * 0.008 - np.abs(sheet - unit * 0.008), 0, 2)
    alpha = (1 - np.exp(-thickness)) * average(inside(sheet), height, width)
    colour = random_colour(rng)
    cloth = _dyed(rng, colour, 0.25 * slope, alpha)
    return Drawing(*_around(rng, cloth, field, picture, 0.5), f"a {colour_name(colour)} veil")
