"""Solid bodies as signed fields (positive inside): their coverage, and their textured, shaded surface."""

import math

import cv2
import numpy as np
from numpy.typing import NDArray

from erkd.data.synth.canvas import SCALE, average, enlarge, unit_of
from erkd.data.synth.noise import fractal, ramp, turned
from erkd.data.synth.textures import random_colour, texture
from erkd.io.images import Array

COARSE = 4  # fields are computed this many times coarser than the image
# x, y, radii along and across, angle; in units of the picture (unit_of)
Ellipse = tuple[float, float, float, float, float]


def ellipse_field(ellipses: list[Ellipse], height: int, width: int, roundness: float = 0.02) -> Array:
    """Smooth union of ellipses as a field H x W, about the signed distance to the outline in pixels.

    `roundness`, in `unit_of`, smooths the joints.
    """
    rows, columns = height // COARSE + 1, width // COARSE + 1
    unit = unit_of(height, width)
    y, x = np.mgrid[0:rows, 0:columns].astype(np.float32)
    y = ((y + 0.5) * height / rows - height / 2) / unit
    x = ((x + 0.5) * width / columns - width / 2) / unit
    total = np.zeros((rows, columns), np.float32)
    for centre_x, centre_y, along, across, angle in ellipses:
        u, v = turned(x - centre_x, y - centre_y, angle)
        inside = (1 - np.hypot(u / along, v / across)) * min(along, across)
        total += np.exp(np.clip(inside / roundness, -60, 60))
    return enlarge(np.log(total + 1e-12) * roundness * unit, height, width)


def toy_ellipses(rng: np.random.Generator) -> list[Ellipse]:
    """A sitting figure cut off by the image's lower border: torso, head, ears, arms."""
    x, lean = rng.uniform(-0.2, 0.2), rng.uniform(-0.15, 0.15)
    torso = rng.uniform(0.22, 0.36)
    head = rng.uniform(0.15, 0.24)
    head_x, head_y = x + lean, rng.uniform(-0.22, -0.05)
    ellipses = [
        (x, 0.48, torso, 0.48 - head_y - head * rng.uniform(0.6, 0.95), rng.uniform(-0.15, 0.15)),
        ((x + head_x) / 2, (head_y + 0.35) / 2, head * rng.uniform(0.5, 0.8), 0.22, -lean),
        (head_x, head_y, head, head * rng.uniform(0.85, 1.15), rng.uniform(-0.4, 0.4)),
    ]
    ear_length, ear_width = head * rng.uniform(0.3, 1.2), head * rng.uniform(0.25, 0.45)
    if rng.random() < 0.75:
        for side in (-1, 1):
            angle = side * rng.uniform(0.2, 0.9)
            reach = head * 0.85 + ear_length * 0.5
            ear_x, ear_y = head_x + reach * math.sin(angle), head_y - reach * math.cos(angle)
            ellipses.append((ear_x, ear_y, ear_width, ear_length, angle))
    for side in (-1, 1):
        if rng.random() < 0.7:
            angle = side * rng.uniform(0.3, 1.9)
            arm_x, arm_y = x + side * (torso + 0.06), rng.uniform(0.15, 0.35)
            ellipses.append((arm_x, arm_y, rng.uniform(0.05, 0.09), rng.uniform(0.12, 0.22), angle))
    return ellipses


def lump_ellipses(rng: np.random.Generator) -> list[Ellipse]:
    """A lying or free-standing body: a chain of overlapping lumps."""
    x, y, angle = rng.uniform(-0.35, 0), rng.uniform(-0.1, 0.3), rng.uniform(-0.5, 0.5)
    ellipses = []
    for _ in range(rng.integers(2, 6)):
        radius = rng.uniform(0.1, 0.27)
        ellipses.append((x, y, radius, radius * rng.uniform(0.6, 1.0), rng.uniform(0, np.pi)))
        x, y = x + radius * math.cos(angle), y + radius * math.sin(angle)
        angle += rng.normal(0, 0.6)
    return ellipses


def body_field(rng: np.random.Generator, height: int, width: int, rough: float = 0.01) -> Array:
    """The field of a random body; `rough`, in `unit_of`, is the amplitude of ripples of its outline."""
    ellipses = toy_ellipses(rng) if rng.random() < 0.6 else lump_ellipses(rng)
    zoom = rng.uniform(0.9, 1.6)
    ellipses = [
        (x * zoom, (y - 0.1) * zoom + 0.1, along * zoom, across * zoom, angle)
        for x, y, along, across, angle in ellipses
    ]
    field = ellipse_field(ellipses, height, width, rng.uniform(0.008, 0.03))
    ripple = fractal(rng, height, width, rng.uniform(3, 8), 4)
    return np.asarray(field + ripple * rough * unit_of(height, width) * rng.uniform(0.2, 1), np.float32)


def inside(field: Array) -> NDArray[np.uint8]:
    """Coverage canvas (`SCALE` times finer): 255 where a field is positive, else 0."""
    height, width = field.shape
    fine = cv2.resize(field, (width * SCALE, height * SCALE), interpolation=cv2.INTER_LINEAR)
    return np.where(fine > 0, np.uint8(255), np.uint8(0))


def shade(rng: np.random.Generator, colour: Array, field: Array, gloss: float, bumps: float = 0.05) -> Array:
    """Shade a body's `colour` H x W x 3 as if it bulged towards the viewer, by the depth inside its `field`.

    `gloss` is the strength of specular highlights, `bumps` that of surface relief.
    """
    small = cv2.resize(np.asarray(field, np.float32), None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)
    depth = max(float(small.max()), 4.0)
    bump = fractal(rng, small.shape[0], small.shape[1], 6, 4) * depth * rng.uniform(0, bumps)
    bulge = np.sqrt(np.clip(small / depth, 0, 1) * (2 - np.clip(small / depth, 0, 1))) * depth + bump
    bulge = cv2.GaussianBlur(bulge.astype(np.float32), (0, 0), 2)
    slope_x, slope_y = cv2.Sobel(bulge, cv2.CV_32F, 1, 0) / 4, cv2.Sobel(bulge, cv2.CV_32F, 0, 1) / 4
    light = np.asarray([rng.uniform(-1, 1), rng.uniform(-1, 0.2), rng.uniform(0.6, 1.2)])
    light /= np.linalg.norm(light)
    normal = np.sqrt(slope_x**2 + slope_y**2 + 1)
    facing = np.clip((-slope_x * light[0] - slope_y * light[1] + light[2]) / normal, 0, 1)
    facing = cv2.resize(facing, (field.shape[1], field.shape[0]), interpolation=cv2.INTER_LINEAR)[:, :, None]
    ambient = rng.uniform(0.4, 0.8)
    lit = colour * (ambient + (1.15 - ambient) * facing) + gloss * facing ** rng.uniform(20, 60)
    return np.asarray(np.clip(lit, 0, 1), np.float32)


def paint_body(rng: np.random.Generator, field: Array, picture: Array | None) -> Array:
    """Colours of a body, H x W x 3: up to three textures in patches, some spots, and shading."""
    height, width = field.shape
    colour = texture(rng, picture, height, width)
    for _ in range(rng.integers(0, 3)):
        border = fractal(rng, height, width, rng.uniform(1, 4), 3) - rng.uniform(-0.3, 1.2)
        share = ramp(border, -0.03, 0.03)[:, :, None]
        colour = colour + share * (texture(rng, picture, height, width) - colour)
    spots = np.rint(colour * 255).astype(np.uint8)
    for _ in range(rng.integers(0, 7)):
        centre = (int(rng.integers(width)), int(rng.integers(height)))
        radii = tuple(int(radius) for radius in rng.uniform(0.008, 0.05, 2) * unit_of(height, width) + 1)
        paint = (random_colour(rng) * rng.uniform(0.1, 1) * 255).tolist()
        cv2.ellipse(spots, centre, radii, rng.uniform(0, 180), 0, 360, paint, -1, cv2.LINE_AA)
    gloss = rng.choice([0.0, 0.15, 0.5], p=[0.5, 0.3, 0.2])
    return shade(rng, spots.astype(np.float32) / np.float32(255), field, float(gloss))


def solid_body(rng: np.random.Generator, field: Array, picture: Array | None) -> tuple[Array, Array]:
    """Colours and alpha of a body."""
    return paint_body(rng, field, picture), average(inside(field), *field.shape)
