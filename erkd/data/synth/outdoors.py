"""Backgrounds outdoors, with structure up to the image's border: landscapes, meadows, rocks, foliage."""

import cv2
import numpy as np

from erkd.data.synth.canvas import COLOUR_SCALE, Sketch, average, fine_colours, unit_of
from erkd.data.synth.noise import displaced, fractal, log_uniform, pixels, ramp
from erkd.data.synth.plants import KNOTS, Blades, draw_blades, grow_spines, leaf_colour, light_blades, outlines
from erkd.data.synth.strands import Strands, grow, paint
from erkd.data.synth.textures import near, noise_texture, random_colour, vary
from erkd.data.synth.tresses import draw_lights, unit_vectors
from erkd.io.images import Array

STONES = ((0.5, 0.48, 0.45), (0.42, 0.38, 0.34), (0.6, 0.52, 0.42), (0.35, 0.36, 0.38), (0.6, 0.42, 0.33))


def _sky(rng: np.random.Generator, height: int, width: int, horizon: float) -> tuple[Array, Array]:
    """A sky with clouds down to its haze at the horizon (a share of the height), and the haze's colour."""
    _, y = pixels(height, width)
    down = np.clip(y / (height * max(horizon, 0.05)), 0, 1)[:, :, None]
    zenith = np.asarray([0.2, 0.4, 0.75], np.float32) * rng.uniform(0.4, 1.2)
    haze = near(rng, (0.85, 0.6, 0.45) if rng.random() < 0.2 else (0.8, 0.82, 0.85), 0.2)
    cloud = fractal(rng, height, width, 2.5, 6, 0.55)
    cover = ramp(cloud, rng.uniform(-1.5, 1.2), 2.2)[:, :, None]
    shaded = 0.95 - 0.15 * ramp(np.roll(cloud, -max(1, height // 30), axis=0), -0.5, 2)[:, :, None]
    sky = zenith + down**0.8 * (haze - zenith)
    return np.asarray(sky + cover * (shaded * (0.6 + 0.4 * haze) - sky), np.float32), haze


def landscape(rng: np.random.Generator, height: int, width: int) -> tuple[Array, str]:
    """Sky with clouds above ridges that grow darker, and rougher, towards the viewer."""
    _, y = pixels(height, width)
    horizon = rng.uniform(0.15, 0.7)
    image, haze = _sky(rng, height, width, horizon)
    ground = leaf_colour(rng) if rng.random() < 0.6 else random_colour(rng) * 0.7
    for layer in range(rng.integers(2, 5)):
        ridge = fractal(rng, 2, width, rng.uniform(2, 5), 6, rng.uniform(0.4, 0.6))[0] * height * 0.04
        edge = height * (horizon + layer * 0.12) + ridge
        share = ramp(y - edge[None], -1, 1)[:, :, None]
        tone = haze + (ground - haze) * min(1, 0.35 + 0.25 * layer)
        rough = 0.1 + 0.1 * layer
        surface = tone * (1 + rough * fractal(rng, height, width, 8 * (layer + 1), 6, 0.75)[:, :, None])
        image = image + share * (np.clip(surface, 0, 1) - image)
    return np.clip(image, 0, 1).astype(np.float32), "a landscape under a sky"


def meadow(rng: np.random.Generator, height: int, width: int) -> tuple[Array, str]:
    """Grass or soil that runs to a horizon, or fills the image; trees behind, blades and flowers in front."""
    x, y = pixels(height, width)
    horizon = float(rng.choice([-0.3, rng.uniform(0.15, 0.6)]))
    image, haze = _sky(rng, height, width, horizon)
    colour = near(rng, leaf_colour(rng), 0.2)
    far = np.maximum(y / np.float32(height) - np.float32(horizon), np.float32(0.02))
    ground = noise_texture(rng, 512, 512, colour)
    away = np.float32(rng.uniform(20, 60)) / far
    ground = displaced(ground, (x - width / 2) / width * away * 4 + 256, 4 * away)
    misty = 0.5 * ramp(0.25 - far, 0, 0.25)[:, :, None]
    ground = np.asarray(ground + misty * (haze - ground), np.float32)
    trees = height * horizon - unit_of(height, width) * (0.05 + 0.04 * fractal(rng, 2, width, 6, 6, 0.7)[0])[None]
    wood = near(rng, (0.12, 0.2, 0.09), 0.3) * (1 + 0.35 * fractal(rng, height, width, 20, 5, 0.8)[:, :, None])
    wooded = image + ramp(y - trees, -1, 1)[:, :, None] * (wood - image)
    grown = wooded + ramp(y - height * horizon, -1, 1)[:, :, None] * (ground - wooded)
    canvas = fine_colours(np.clip(grown, 0, 1).astype(np.float32))
    count = int(rng.integers(500, 3000))
    depth = np.sort(rng.uniform(max(horizon, 0) + 0.08, 1.25, count))
    roots = np.stack([rng.uniform(-0.05, 1.05, count) * width, depth * height], axis=1)
    lengths = height * rng.uniform(0.1, 0.45) * (depth - horizon) * rng.uniform(0.5, 1.3, count)
    blades = grow(rng, roots, rng.normal(-np.pi / 2, 0.3, count), lengths, 6, 0.6)
    tones = np.clip(vary(rng, colour, 0.25, count) * (0.7 + 0.6 * depth[:, None]), 0, 1).astype(np.float32)
    for rows in np.array_split(np.arange(count), 6):
        widths = np.full(len(rows), unit_of(height, width) * 0.006 * (depth[rows].mean() - horizon))
        paint(rng, Strands(blades[rows], widths, tones[rows]), canvas, 12)
    petal = (random_colour(rng) * 255).tolist()
    for tip in blades[rng.integers(0, count, int(rng.choice([0, 0, 60, 250]))), -1]:
        radius = max(1, round(unit_of(height, width) * 0.012 * (tip[1] / height - horizon + 0.2)))
        cv2.circle(canvas, np.rint(tip * COLOUR_SCALE).astype(int).tolist(), radius, petal, -1, cv2.LINE_AA)
    return average(canvas, height, width), "a meadow under a sky" if horizon > 0 else "a meadow"


def rocks(rng: np.random.Generator, height: int, width: int) -> tuple[Array, str]:
    """Boulders and pebbles over one another, lit from a side, with dark gaps."""
    surface = np.full((height, width), -2.0, np.float32)
    tones = np.zeros((height, width), np.float32)
    rough = fractal(rng, height, width, 10, 6, 0.7)
    largest = unit_of(height, width) * log_uniform(rng, 0.05, 0.3)
    count = int(min(500, 2.5 * height * width / largest**2))
    for centre, size in zip(rng.uniform(-0.1, 1.1, (count, 2)), largest * rng.uniform(0.3, 1, count), strict=True):
        row, column = centre * (height, width)
        ends = ((row, height), (column, width))
        area = tuple(slice(*np.clip([at - size, at + size], 0, side).astype(int)) for at, side in ends)
        y, x = np.mgrid[area]
        turn, flat = rng.uniform(0, np.pi), rng.uniform(0.55, 1)
        along = ((x - column) * np.cos(turn) + (y - row) * np.sin(turn)) / size
        across = ((y - row) * np.cos(turn) - (x - column) * np.sin(turn)) / (size * flat)
        reach = np.abs(along) ** 2.6 + np.abs(across) ** 2.6 + 0.12 * rough[area]
        lump = np.where(reach < 1, rng.uniform(-1, 0.3) + np.sqrt(np.maximum(1 - reach, 0)), -3)
        higher = lump > surface[area]
        surface[area] = np.where(higher, lump, surface[area])
        tones[area] = np.where(higher, rng.normal(0, 0.2), tones[area])
    relief = surface * largest * 0.6 + rough * largest * 0.03
    slope_x, slope_y = (cv2.Sobel(relief, cv2.CV_32F, *axis) / 8 for axis in ((1, 0), (0, 1)))
    light = unit_vectors(np.asarray([rng.uniform(-1, 1), rng.uniform(-1, -0.2), rng.uniform(0.4, 1)]))
    facing = (light[2] - slope_x * light[0] - slope_y * light[1]) / np.sqrt(1 + slope_x**2 + slope_y**2)
    gap = cv2.GaussianBlur(surface, (0, 0), max(1.0, largest * 0.12)) - surface
    shade = (0.3 + 0.8 * np.clip(facing, 0, 1)) * np.exp(-1.2 * np.clip(gap, 0, 2)) * np.exp(tones + 0.12 * rough)
    stone = near(rng, STONES[rng.integers(len(STONES))], 0.2)
    mottled = stone * (1 + 0.12 * fractal(rng, height, width, 6, 6, 0.8)[:, :, None])
    image = mottled * shade[:, :, None]
    return np.clip(image, 0, 1).astype(np.float32), "rocks"


def leafage(rng: np.random.Generator, height: int, width: int) -> tuple[Array, str]:
    """A wall of leaves in two depths, the farther darker, with gaps of shade or sky."""
    unit, colour = unit_of(height, width), leaf_colour(rng)
    lights = draw_lights(rng)
    gaps = near(rng, (0.75, 0.8, 0.85), 0.15) if rng.random() < 0.25 else 0.25 * colour
    sketch = Sketch(noise_texture(rng, height, width, gaps))
    size, slender = unit * log_uniform(rng, 0.04, 0.16), rng.uniform(0.15, 0.4)
    count = int(min(1000, 1.6 * height * width / size**2 / slender))
    for dim in (0.45, 1.0):
        roots = rng.uniform(-0.1, 1.1, (count, 3)) * np.asarray([width, height, 4 * size])
        lengths = size * rng.uniform(0.6, 1.3, count)
        headings = rng.normal(0, 1, (count, 3)) + np.asarray([0, 0.7, 0])
        normals = unit_vectors(np.asarray([0.0, -0.6, 0.7]) + rng.normal(0, 0.5, (count, 3)))
        halves = outlines(rng, count, KNOTS, slender, rng.uniform(0, 0.1)) * lengths[:, None]
        blades = Blades(grow_spines(rng, roots, headings, lengths, KNOTS, 0.5), normals, halves)
        tones = vary(rng, colour, 0.2, count)
        lit = dim * light_blades(rng, blades, tones, np.clip(0.65 * tones + 0.2, 0, 1), lights)
        order = np.argsort(roots[:, 2], kind="stable")
        draw_blades(sketch, blades.edges(), lit, order, rng.uniform(0.8, 1.3))
    return sketch.averaged()[0], "dense foliage"
