"""Smoke, glass and plastic bags: alpha = 1 - exp(-optical thickness)."""

import cv2
import numpy as np

from erkd.data.synth.canvas import Drawing, average, over, unit_of
from erkd.data.synth.noise import displaced, fractal, log_uniform, pixels, ramp
from erkd.data.synth.shapes import ellipse_field, inside, solid_body, toy_ellipses
from erkd.data.synth.textures import colour_name, near, noise_texture, random_colour
from erkd.io.images import Array


def smoke(rng: np.random.Generator, height: int, width: int, picture: Array | None) -> Drawing:
    """Smoke or steam: a plume of turbulent density, mostly with a solid body."""
    x, y = pixels(height, width)
    unit = unit_of(height, width)
    field = ellipse_field([(e[0], e[1] + 0.35, *e[2:]) for e in toy_ellipses(rng)[:2]], height, width)
    turbulence = fractal(rng, height, width, rng.uniform(2, 4), 6, 0.6)
    swirl = unit * rng.uniform(0.03, 0.09)
    x_from, y_from = (axis + swirl * fractal(rng, height, width, 3, 3) for axis in (x, y))
    turbulence = displaced(turbulence, x_from, y_from)
    rise = 1 - y / height
    foot, sway = width * rng.uniform(0.35, 0.65), unit * rng.uniform(0, 0.15)
    axis = foot + sway * np.sin(rise * rng.uniform(2, 7) + rng.uniform(0, 6))
    spread = unit * (rng.uniform(0.06, 0.2) + rng.uniform(0.05, 0.35) * rise)
    envelope = np.exp(-(((x - axis) / spread) ** 2)) * ramp(y / np.float32(height), 0.03, 0.4)
    density = np.clip(turbulence * 0.6 + rng.uniform(0, 0.8), 0, None) ** rng.uniform(1, 2)
    alpha = 1 - np.exp(-rng.uniform(0.8, 4) * envelope * density)
    alpha = np.where(alpha < 0.01, 0, alpha).astype(np.float32)
    grey = rng.random() < 0.75
    colour = near(rng, [rng.uniform(0.1, 0.95)] * 3, 0.05) if grey else random_colour(rng)
    billows = np.tanh(fractal(rng, height, width, 4, 5))[:, :, None]
    painted = np.clip(colour * (0.9 + 0.15 * billows), 0, 1).astype(np.float32)
    if rng.random() < 0.7:
        body = solid_body(rng, field, picture)
        painted, alpha = over(body, (painted, alpha)) if rng.random() < 0.5 else over((painted, alpha), body)
    return Drawing(painted, alpha, f"{colour_name(colour)} smoke")


def glass(rng: np.random.Generator, height: int, width: int, picture: Array | None) -> Drawing:
    """A bottle or drinking glass: clear in the middle, denser towards its outline, with highlights, often filled."""
    unit = unit_of(height, width)
    x, y = pixels(height, width)
    axis = width * rng.uniform(0.4, 0.6)
    top, bottom = height * rng.uniform(0.05, 0.2), height * rng.uniform(0.8, 0.97)
    at = np.clip((y - top) / (bottom - top), 0, 1)
    knots = rng.uniform(0.1, 0.3, 6) * unit
    if rng.random() < 0.5:
        knots[:2] = rng.uniform(0.04, 0.1) * unit  # a bottle's neck
    steps = np.linspace(0, 1, height)
    angular = np.interp(steps, np.linspace(0, 1, 6), knots)
    profile = np.convolve(angular, np.full(height // 8, 8 / height), "same")
    radius = np.interp(at, steps, np.maximum(profile, 0.03 * unit)).astype(np.float32)
    field = np.minimum(np.minimum(radius - np.abs(x - axis), y - top), bottom - y).astype(np.float32)
    across = np.clip(np.abs(x - axis) / radius, 0, 0.999)
    wall = (1 / np.sqrt(1 - across**2) - 1) * rng.uniform(0.15, 0.6) + rng.uniform(0.02, 0.25)
    wall = wall + 2 * ramp(unit * 0.03 - (bottom - y), 0, unit * 0.02)
    wall = wall + 0.7 * ramp(unit * 0.01 - (y - top), 0, 2)
    tint = near(rng, (0.75, 0.85, 0.82), 0.3, 0.7)
    painted = noise_texture(rng, height, width, tint) * (1.1 - 0.5 * across[:, :, None] ** 3)
    if rng.random() < 0.6:  # a drink, often opaque
        level = top + (bottom - top) * rng.uniform(0.2, 0.75)
        wet = ramp(y - level, -1, 1) * ramp(field, 0, 0.02 * unit)
        wall = wall + wet * float(rng.choice([0.4, 1.2, 8.0], p=[0.2, 0.2, 0.6]))
        drink = random_colour(rng) * (0.75 + 0.35 * (1 - across[:, :, None]))
        painted = painted + wet[:, :, None] * (drink - painted)
    shine = np.zeros((height, width), np.float32)
    for _ in range(rng.integers(1, 5)):
        position, breadth = rng.uniform(-0.9, 0.9), rng.uniform(0.02, 0.12)
        streak = np.exp(-(((x - axis) / radius - position) ** 2) / breadth**2)
        streak = streak * rng.uniform(0.3, 1) * ramp(fractal(rng, height, width, 2, 3), -0.8, 0.8)
        shine = np.maximum(shine, streak)
    alpha = 1 - np.exp(-wall) * (1 - shine)
    painted = np.clip(painted + shine[:, :, None] * (1 - painted), 0, 1).astype(np.float32)
    alpha = (alpha * average(inside(field), height, width)).astype(np.float32)
    return Drawing(painted, alpha, f"a {colour_name(tint)} glass")


def plastic_bag(rng: np.random.Generator, height: int, width: int, picture: Array | None) -> Drawing:
    """A crumpled plastic bag with handles and highlights along its wrinkles, mostly around solid objects."""
    unit = unit_of(height, width)
    x, y = pixels(height, width)
    centre, half = width / 2 + rng.uniform(-0.1, 0.1) * unit, unit * rng.uniform(0.28, 0.5)
    top, bottom = height * rng.uniform(0.12, 0.35), height * rng.uniform(0.85, 1.1)
    ripple = fractal(rng, height, width, 4, 5) * 0.02 * unit
    sack = np.minimum(half + 0.1 * (y - top) - np.abs(x - centre), np.minimum(y - top, bottom - y))
    for side in (-1, 1):  # a handle: a ring above each corner
        distance = np.hypot((x - centre - side * half * 0.6) / 0.6, y - top)
        ring = unit * rng.uniform(0.03, 0.06) - np.abs(distance - unit * rng.uniform(0.12, 0.2))
        sack = np.maximum(sack, ring)
    sack = (sack + ripple).astype(np.float32)
    wrinkle = 1 - np.abs(np.tanh(fractal(rng, height, width, rng.uniform(2, 5), 4, 0.5) * 0.8))
    fine = 1 - np.abs(np.tanh(fractal(rng, height, width, rng.uniform(8, 14), 4, 0.6) * 1.5))
    facets = cv2.Sobel(fractal(rng, height, width, rng.uniform(2, 5), 4, 0.5), cv2.CV_32F, 1, 0, ksize=5)
    slope = np.asarray(facets / (facets.std() + 1e-6), np.float32)
    density = log_uniform(rng, 0.2, 1.8)
    thickness = density * (0.6 + 0.4 * wrinkle**2 + 0.3 * fine**4 + 0.35 * np.abs(slope))
    shine = np.clip(wrinkle**20 * 0.8 + fine**24 * 0.8, 0, 1) * rng.uniform(0.2, 1.0)
    shine = shine * ramp(fractal(rng, height, width, 2, 3), -0.3, 1)
    colour = near(rng, (0.85, 0.86, 0.88), 0.1, 0.6)
    alpha = (1 - np.exp(-thickness) * (1 - shine)) * average(inside(sack), height, width)
    painted = colour * (0.9 + 0.12 * np.clip(slope, -2.5, 2.5)[:, :, None])
    painted = np.clip(painted + shine[:, :, None] * (1 - painted), 0, 1).astype(np.float32)
    if rng.random() < 0.8:
        things = [
            (rng.uniform(-0.2, 0.2), rng.uniform(0.05, 0.35), *rng.uniform(0.09, 0.24, 2), 0.0) for _ in range(4)
        ]
        field = np.minimum(ellipse_field(things, height, width), sack - 0.01 * unit).astype(np.float32)
        painted, alpha = over((painted, alpha.astype(np.float32)), solid_body(rng, field, picture))
    return Drawing(painted, alpha.astype(np.float32), f"a {colour_name(colour)} plastic bag")
