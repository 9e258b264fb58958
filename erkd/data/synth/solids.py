"""Solid objects with sharp, defocused or motion-blurred edges."""

import math

import cv2
import numpy as np

from erkd.data.synth.canvas import Drawing, unit_of
from erkd.data.synth.noise import fractal, log_uniform, pixels, turned, unit
from erkd.data.synth.shapes import body_field, ellipse_field, solid_body
from erkd.data.synth.textures import colour_name
from erkd.io.images import Array


def _thing(rng: np.random.Generator, height: int, width: int) -> Array:
    """The field of a body, one in three with holes and rods."""
    field = body_field(rng, height, width, rng.choice([0.0, 0.01, 0.03]))
    if rng.random() < 0.65:
        return field
    length_unit = unit_of(height, width)
    x, y = pixels(height, width)
    for _ in range(rng.integers(1, 4)):  # holes
        hole = [(*rng.uniform(-0.25, 0.3, 2), *rng.uniform(0.03, 0.14, 2), rng.uniform(0, np.pi))]
        field = np.minimum(field, -ellipse_field(hole, height, width))
    for _ in range(rng.integers(1, 6)):  # rods that stick out
        angle, thick = rng.uniform(0, np.pi), length_unit * rng.uniform(0.004, 0.03)
        start = np.asarray([width / 2, height / 2]) + rng.uniform(-0.25, 0.25, 2) * length_unit
        along, off = turned(x - start[0], y - start[1], angle)
        end = length_unit * rng.uniform(0.2, 0.5) - np.abs(along)
        field = np.maximum(field, np.minimum(thick - np.abs(off), end))
    return np.asarray(field, np.float32)


def _phrase(colour: Array, alpha: Array, adjective: str) -> str:
    mean = colour[alpha > 0.9].mean(axis=0) if (alpha > 0.9).any() else colour.mean(axis=(0, 1))
    return f"a {adjective} {colour_name(mean)} object"


def solid(rng: np.random.Generator, height: int, width: int, picture: Array | None) -> Drawing:
    """An object with an antialiased edge."""
    field = _thing(rng, height, width)
    colour, alpha = solid_body(rng, field, picture)
    return Drawing(colour, alpha, _phrase(colour, alpha, "solid"))


def defocus(rng: np.random.Generator, height: int, width: int, picture: Array | None) -> Drawing:
    """An object whose edge is out of focus, by an amount that varies along the contour."""
    field = _thing(rng, height, width)
    colour, alpha = solid_body(rng, field, picture)
    widest = unit_of(height, width) * log_uniform(rng, 0.006, 0.05)
    levels = np.geomspace(0.4, widest, 5)
    stack = np.stack([cv2.GaussianBlur(alpha, (0, 0), level) for level in levels])
    colours = cv2.GaussianBlur(colour, (0, 0), widest / 3)
    at = unit(fractal(rng, height, width, rng.uniform(0.7, 2.5), 2)) * 3.999
    low = at.astype(int)
    rows, columns = np.mgrid[0:height, 0:width]
    sharper, softer = stack[low, rows, columns], stack[low + 1, rows, columns]
    alpha = sharper + (at - low) * (softer - sharper)
    share = (at / 4)[:, :, None]
    colour = colour + share * (colours - colour)
    alpha = np.clip(alpha, 0, 1).astype(np.float32)
    return Drawing(colour.astype(np.float32), alpha, _phrase(colour, alpha, "blurred"))


def motion_blur(rng: np.random.Generator, height: int, width: int, picture: Array | None) -> Drawing:
    """An object blurred by a straight or slightly curved motion during exposure."""
    field = _thing(rng, height, width)
    colour, alpha = solid_body(rng, field, picture)
    length = unit_of(height, width) * log_uniform(rng, 0.015, 0.12)
    side = int(length) // 2 * 2 + 3
    fine = np.zeros((side * 4, side * 4), np.float32)
    angle = rng.uniform(0, np.pi)
    t = np.linspace(-1, 1, 12)
    bend = rng.normal(0, 0.15) * length
    path_x = side / 2 + length / 2 * t * math.cos(angle) - bend * t**2 * math.sin(angle)
    path_y = side / 2 + length / 2 * t * math.sin(angle) + bend * t**2 * math.cos(angle)
    points = np.rint(np.stack([path_x, path_y], axis=1) * 4).astype(np.int32)
    cv2.polylines(fine, [points], False, 1.0, 4)
    kernel = np.asarray(cv2.resize(fine, (side, side), interpolation=cv2.INTER_AREA))
    kernel = kernel / kernel.sum()
    # light is averaged over the exposure, so colours are weighted by alpha
    smeared = cv2.filter2D(colour * alpha[:, :, None], -1, kernel, borderType=cv2.BORDER_REPLICATE)
    alpha = np.clip(cv2.filter2D(alpha, -1, kernel, borderType=cv2.BORDER_REPLICATE), 0, 1).astype(np.float32)
    alpha[alpha < 1 / 512] = 0  # rounding errors of filter2D's Fourier transform
    present = (alpha > 0.004)[:, :, None]
    colour = np.where(present, np.clip(smeared / np.maximum(alpha, 0.004)[:, :, None], 0, 1), colour)
    return Drawing(colour.astype(np.float32), alpha, _phrase(colour, alpha, "moving"))
