"""Strands: many thin, tapering curves, generated together and drawn by coverage."""

from dataclasses import dataclass
from itertools import pairwise

import cv2
import numpy as np
from numpy.typing import NDArray

from erkd.data.synth.canvas import COLOUR_SCALE, SCALE, SUBPIXEL_BITS, Sketch, fixed_point
from erkd.io.images import Array

Points = NDArray[np.float64]
TAPER = (1.0, 0.8, 0.5)  # relative width of the root, middle and tip third


@dataclass(frozen=True)
class Strands:
    """Curves (N x K x 2: x, y in pixels), root widths (N, pixels) and colours (N x 3)."""

    paths: Points
    widths: Points
    colours: Array


def merge(strands: list[Strands]) -> Strands:
    """Concatenate sets of strands with equally many points."""
    paths, widths, colours = zip(*((s.paths, s.widths, s.colours) for s in strands), strict=True)
    return Strands(np.concatenate(paths), np.concatenate(widths), np.concatenate(colours))


def bezier(start: Points, middle: Points, end: Points, count: int) -> Points:
    """Quadratic Bezier curves, ... x count x 2, through three control points each (... x 2)."""
    t = np.linspace(0, 1, count)[:, None]
    start, middle, end = (points[..., None, :] for points in (start, middle, end))
    return np.asarray((1 - t) ** 2 * start + 2 * t * (1 - t) * middle + t**2 * end)


def grow(
    rng: np.random.Generator,
    roots: Points,
    angles: Points,
    lengths: Points,
    steps: int,
    bend: float,
    pull: tuple[float, float] = (0.0, 0.0),
) -> Points:
    """Grow N strands as random walks of constant curvature plus noise: N x (steps + 1) x 2.

    Args:
        rng: Source of randomness.
        roots: Start points, N x 2, pixels.
        angles: Initial directions, N, radians from x to y axis.
        lengths: N, pixels.
        steps: Segments per strand.
        bend: Standard deviation of the total turn from root to tip, radians.
        pull: Strength and angle of a pull towards one direction, such as gravity.
    """
    count = len(roots)
    curvature = rng.normal(0, bend, (count, 1)) / steps
    wander = rng.normal(0, bend * 0.5 / np.sqrt(steps), (count, steps))
    heading = np.array(angles, np.float64)
    points = [np.asarray(roots, np.float64)]
    for step in range(steps):
        heading = heading + curvature[:, 0] + wander[:, step]
        heading += pull[0] / steps * np.sin(pull[1] - heading)
        stride = (lengths / steps)[:, None]
        points.append(points[-1] + stride * np.stack([np.cos(heading), np.sin(heading)], axis=1))
    return np.stack(points, axis=1)


def waves(
    rng: np.random.Generator, paths: Points, amplitude: float, turns: float, groups: NDArray[np.int64]
) -> Points:
    """Add sideways waves of `amplitude` pixels and about `turns` periods; strands of equal `groups` wave alike."""
    along = np.linspace(0, 1, paths.shape[1])
    phase = rng.uniform(0, 2 * np.pi, groups.max() + 1)[groups][:, None]
    speed = (turns * rng.uniform(0.7, 1.3, groups.max() + 1))[groups][:, None]
    tangent = np.gradient(paths, axis=1)
    normal = np.stack([-tangent[:, :, 1], tangent[:, :, 0]], axis=2)
    normal /= np.linalg.norm(normal, axis=2, keepdims=True) + 1e-9
    swing = amplitude * np.sqrt(along) * np.sin(2 * np.pi * speed * along + phase)
    return np.asarray(paths + normal * swing[:, :, None])


def _thirds(paths: Points) -> list[Points]:
    """Root, middle and tip third of each path, sharing end points."""
    last = paths.shape[1] - 1
    cuts = [0, max(1, round(last * 0.45)), max(2, round(last * 0.75)), last]
    return [paths[:, start : stop + 1] for start, stop in pairwise(cuts) if stop > start]


def _thickness(width: Points) -> NDArray[np.int64]:
    """What to ask OpenCV for to get lines about `width` canvas pixels wide, N.

    Measured over all directions: thickness 1 covers 0.9 pixels, an even one covers one more than it says, and
    an odd one two more, so that only odd widths can be had.
    """
    odd = np.maximum(1, 2 * np.rint((width - 1) / 2) + 1)
    return np.maximum(1, odd - 1).astype(np.int64)


def cover(strands: Strands, canvas: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Draw strands into a coverage canvas (`SCALE` times finer); those thinner than its pixels are drawn fainter."""
    faint = np.zeros_like(canvas)
    for part, taper in zip(_thirds(strands.paths), TAPER, strict=False):
        fine = fixed_point(part, SCALE)
        width = strands.widths * taper * SCALE
        level = np.clip(np.rint(np.minimum(width, 1) * 8), 1, 8).astype(int)
        for value in np.unique(level[width < 1]):
            chosen = list(fine[(width < 1) & (level == value)])
            cv2.polylines(faint, chosen, False, int(value * 255 / 8), 1, cv2.LINE_8, SUBPIXEL_BITS)
        thick = _thickness(width)
        for value in np.unique(thick[width >= 1]):
            chosen = list(fine[(width >= 1) & (thick == value)])
            cv2.polylines(canvas, chosen, False, 255, int(value), cv2.LINE_8, SUBPIXEL_BITS)
    return np.asarray(cv2.max(canvas, faint), np.uint8)


def paint(rng: np.random.Generator, strands: Strands, canvas: NDArray[np.uint8], shades: int = 24) -> None:
    """Draw strands into a colour canvas (`COLOUR_SCALE` times finer, uint8 RGB), at least a pixel wide.

    They are drawn in `shades` groups of similar brightness, each in its mean colour, varied along the strand.
    """
    group = rng.integers(0, shades, len(strands.paths))
    order = np.argsort(strands.colours.sum(axis=1) + rng.normal(0, 0.3, len(group)), kind="stable")
    for chosen in np.array_split(order, shades):
        if not len(chosen):
            continue
        colour = strands.colours[chosen].mean(axis=0)
        width = int(_thickness(strands.widths[chosen].mean(keepdims=True) * COLOUR_SCALE)[0])
        for part in _thirds(strands.paths[chosen]):
            tone = np.clip(colour * rng.uniform(0.8, 1.2) * 255, 0, 255).tolist()
            fine = list(fixed_point(part, COLOUR_SCALE))
            cv2.polylines(canvas, fine, False, tone, width, cv2.LINE_8, SUBPIXEL_BITS)


def draw(rng: np.random.Generator, strands: Strands, sketch: Sketch, shades: int) -> None:
    """`cover` and `paint` in one."""
    sketch.coverage = cover(strands, sketch.coverage)
    paint(rng, strands, sketch.colours, shades)
