"""Feathers: a shaft, dense barbs that split, and down; alone or rooted in a body."""

import numpy as np

from erkd.data.synth.canvas import Drawing, Sketch, over, unit_of
from erkd.data.synth.shapes import body_field, solid_body
from erkd.data.synth.strands import Points, Strands, bezier, draw, grow, merge
from erkd.data.synth.textures import colour_name, noise_texture, random_colour, vary
from erkd.io.images import Array


def _feather(rng: np.random.Generator, foot: Points, angle: float, length: float, colour: Array) -> Strands:
    """Grow one feather from `foot` (x, y) at `angle`: shaft, dense barbs with splits, and down at the foot."""
    end = foot + length * np.asarray([np.cos(angle), np.sin(angle)])
    middle = (foot + end) / 2 + rng.normal(0, 0.12 * length, 2)
    count = int(length * 1.6)
    shaft = bezier(foot, middle, end, count)
    direction = np.unwrap(np.arctan2(*np.gradient(shaft, axis=0).T[::-1]))
    along = np.linspace(0, 1, count)
    reach = length * rng.uniform(0.08, 0.2) * np.sin(np.pi * np.clip(along * 0.85 + 0.13, 0, 1)) ** 0.6
    parts = []
    for side in (-1, 1):
        splits = np.cumsum(rng.random(count) < rng.uniform(0.005, 0.04))
        lean = rng.normal(0, 0.14, splits.max() + 1)[splits]
        down = along < rng.uniform(0.08, 0.3)
        angles = direction + side * (rng.uniform(0.4, 0.8) + lean + rng.normal(0, np.where(down, 0.5, 0.02)))
        lengths = reach * rng.uniform(0.9, 1.05, count) * np.where(down, rng.uniform(0.4, 1.0, count), 1)
        barbs = grow(rng, shaft, angles, lengths, 7, 0.15, (rng.uniform(0, 0.6), angle))
        bands = np.sin(along * rng.uniform(5, 40)) * rng.choice([0.0, 0.25])
        colours = np.clip(vary(rng, colour, 0.08, count) * (1 + bands[:, None]), 0, 1).astype(np.float32)
        parts.append(Strands(barbs, np.where(down, 0.3, rng.uniform(0.7, 1.1, count)), colours))
    quill = shaft[np.linspace(0, count - 1, 8).astype(int)][None]
    return merge([*parts, Strands(quill, np.asarray([max(1.2, length * 0.008)]), vary(rng, colour, 0.4, 1))])


def feather(rng: np.random.Generator, height: int, width: int, picture: Array | None) -> Drawing:
    """One to seven feathers, alone or fanning out of a body."""
    unit = unit_of(height, width)
    colour = random_colour(rng)
    alone = rng.random() < 0.4
    field = body_field(rng, height, width) - (1e4 if alone else 0.0)
    sketch = Sketch(noise_texture(rng, height, width, colour))
    rows, columns = np.nonzero((field > 0) & (field < 0.03 * unit))  # where feathers are rooted
    alone = alone or len(rows) == 0
    middle = np.asarray([columns.mean(), rows.mean()]) if len(rows) else np.zeros(2)
    for _ in range(rng.integers(1, 4) if alone else rng.integers(3, 8)):
        length = unit * rng.uniform(0.45, 0.95)
        if alone:
            angle = rng.uniform(-np.pi, np.pi)
            centre = np.asarray([width / 2, height / 2]) + rng.normal(0, 0.08 * unit, 2)
            foot = centre - length / 2 * np.asarray([np.cos(angle), np.sin(angle)])
        else:
            at = int(rng.integers(len(rows)))
            foot = np.asarray([columns[at], rows[at]], np.float64)
            angle = float(np.arctan2(foot[1] - middle[1], foot[0] - middle[0])) + rng.normal(0, 0.5)
        one = _feather(rng, foot, angle, length * (1 if alone else 0.7), vary(rng, colour, 0.2, 1)[0])
        draw(rng, one, sketch, 32)
    foreground, alpha = sketch.averaged()
    if not alone:
        foreground, alpha = over((foreground, alpha), solid_body(rng, field, picture))
    return Drawing(np.clip(foreground, 0, 1), alpha, f"a {colour_name(colour)} feather")
