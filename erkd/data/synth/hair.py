"""Hair, fur and yarn: strands around a solid body."""

import cv2
import numpy as np

from erkd.data.synth.canvas import (
    COLOUR_SCALE,
    Drawing,
    Sketch,
    average,
    coverage_canvas,
    developed,
    enlarge,
    unit_of,
)
from erkd.data.synth.noise import fractal, log_uniform, pixels, ramp
from erkd.data.synth.shapes import body_field, ellipse_field, inside, paint_body, shade
from erkd.data.synth.strands import Points, Strands, cover, grow, paint, waves
from erkd.data.synth.textures import colour_name, noise_texture, random_colour, vary
from erkd.data.synth.tresses import Solid, coil, draw_lights, grow_around, light_strands, splat
from erkd.io.images import Array

HAIR_COLOURS = (
    (0.07, 0.06, 0.06), (0.22, 0.13, 0.08), (0.42, 0.26, 0.14), (0.75, 0.58, 0.33), (0.9, 0.78, 0.52),
    (0.6, 0.25, 0.1), (0.85, 0.35, 0.1), (0.55, 0.53, 0.5), (0.9, 0.89, 0.86),
)  # fmt: skip
SKINS = ((0.95, 0.78, 0.66), (0.8, 0.58, 0.44), (0.55, 0.36, 0.25), (0.34, 0.21, 0.14))


def _colour(rng: np.random.Generator, choices: tuple[tuple[float, float, float], ...]) -> Array:
    """One of `choices` or, with probability 0.2, any colour."""
    if rng.random() < 0.2:
        return random_colour(rng)
    return np.asarray(choices[rng.integers(len(choices))], np.float32)


def _scalp(rng: np.random.Generator, count: int, from_behind: bool) -> Points:
    """Directions from a head's centre to the roots of hair, count x 3: neither in the face nor on the neck."""
    drawn = rng.normal(0, 1, (count * 6, 3))
    drawn /= np.linalg.norm(drawn, axis=1, keepdims=True)
    ahead = drawn[:, 2] * (-1 if from_behind else 1)
    hairline = rng.uniform(-0.6, -0.3)
    grown = (drawn[:, 1] < 0.5) & ((ahead < 0.25) | (drawn[:, 1] < hairline))
    return np.asarray(drawn[grown][:count])


def _shortened(rng: np.random.Generator, paths: Points, least: float) -> Points:
    """Strands cut to random shares of their length, from `least` to 1."""
    at = rng.uniform(least, 1, (len(paths), 1)) * np.arange(paths.shape[1])
    low = np.minimum(at.astype(int), paths.shape[1] - 2)
    share = (at - low)[:, :, None]
    first, second = (np.take_along_axis(paths, (low + step)[:, :, None], axis=1) for step in (0, 1))
    return np.asarray(first + share * (second - first))


def _surface(solids: list[Solid], height: int, width: int) -> Array:
    """The z of the nearest solid at every pixel, H x W; far behind where there is none."""
    x, y = pixels(height, width)
    nearest = np.full((height, width), -1e6, np.float32)
    for centre, radii in solids:
        inside = 1 - ((x - centre[0]) / radii[0]) ** 2 - ((y - centre[1]) / radii[1]) ** 2
        front = np.where(inside > 0, centre[2] + radii[2] * np.sqrt(np.maximum(inside, 0)), -1e6)
        nearest = np.maximum(nearest, front)
    return np.asarray(nearest, np.float32)


def hair(rng: np.random.Generator, height: int, width: int, picture: Array | None) -> Drawing:
    """A head and shoulders, seen from the front or behind, with straight, wavy or curly hair, and fly-aways."""
    unit = unit_of(height, width)
    colour, skin = _colour(rng, HAIR_COLOURS), _colour(rng, SKINS)
    head_x, head_y, head = rng.uniform(-0.15, 0.15), rng.uniform(-0.2, 0.02), log_uniform(rng, 0.17, 0.42)
    style = rng.choice(["straight", "wavy", "curly"], p=[0.5, 0.25, 0.25])
    length = log_uniform(rng, 0.15, 1.1) if style == "straight" else log_uniform(rng, 0.06, 0.8)
    from_behind = rng.random() < 0.35
    face = (head_x, head_y, head * 0.85, head * 1.1, rng.uniform(-0.2, 0.2))
    shoulders = (head_x + rng.uniform(-0.1, 0.1), 0.62, rng.uniform(0.35, 0.5), rng.uniform(0.2, 0.3), 0.0)
    neck = (head_x, (head_y + 0.5) / 2, head * 0.5, 0.3, 0.0)
    field = ellipse_field([face, neck, shoulders], height, width)
    skin_field = ellipse_field([face, neck], height, width)
    middle = np.asarray([width / 2, height / 2, 0.0])
    solids = [
        (middle + unit * np.asarray([x, y, z]), unit * np.asarray([along, across, deep]))
        for (x, y, along, across, _), z, deep in (
            (face, 0.0, head * 0.95), (neck, -0.1 * head, head * 0.45), (shoulders, -0.1 * head, head * 0.7)
        )
    ]  # fmt: skip

    tidy = rng.random() if style == "straight" else rng.uniform(0, 0.5)
    count = int(55 * unit * head * rng.uniform(0.7, 1.2))  # strands are as thin in small images: so many cover a head
    clumps = int(count / (rng.uniform(14, 36) - 8 * tidy))
    outward = _scalp(rng, clumps, from_behind)
    roots = solids[0][0] + outward * solids[0][1] * 1.02
    weight = rng.uniform(0.4, 5) * min(1.5, length / 0.3) * (1 + 3 * tidy)
    lengths = length * unit * rng.uniform(0.85 - 0.25 * (1 - tidy), 1.1, clumps)
    comb = np.asarray([np.sign(rng.normal()) * rng.uniform(0, 0.8), 0.3, 0.0])
    headings = outward * rng.uniform(0.4, 1.2) + comb * tidy + rng.normal(0, 0.35 - 0.3 * tidy, outward.shape)
    steps = 40 if style == "curly" else 24
    bend = 1.0 - 0.75 * tidy
    grown = [(centre, radii * 1.04) for centre, radii in solids]
    wind = weight * rng.normal(0, 0.6) if rng.random() < 0.4 else 0.0
    guides = grow_around(rng, roots, headings, lengths, steps, bend, weight, grown, wind)
    group = rng.integers(0, clumps, count)
    along = np.linspace(0, 1, steps + 1)[:, None]
    spread = head * unit * rng.uniform(0.1, 0.24) * (1 - along * rng.uniform(0.0, 0.85))
    paths = guides[group] + rng.normal(0, 1, (len(group), 1, 3)) * spread
    paths = paths + np.cumsum(rng.normal(0, (0.0014 - 0.0011 * tidy) * unit, paths.shape), axis=1)
    if style != "straight":
        wide, turns = (log_uniform(rng, 0.008, 0.03), 9) if style == "curly" else (rng.uniform(0.004, 0.014), 2.5)
        turns = min(turns * rng.uniform(0.6, 1.4) * (0.4 + length), steps / 8)  # enough knots for round curls
        paths = coil(rng, paths, wide * unit, turns, group)
    paths = _shortened(rng, paths, 0.7 + 0.25 * tidy)

    count = int(rng.integers(20, 200))
    from_lock = paths[rng.integers(0, len(paths), count), rng.integers(3, steps, count)]
    stray_lengths = unit * rng.uniform(0.04, 0.3, count) * (0.4 + length)
    stray = grow_around(
        rng, from_lock, rng.normal(0, 1, (count, 3)), stray_lengths, steps, 1.4, weight / 4, [], wind / 4
    )
    paths = np.concatenate([paths, stray])
    widths = np.concatenate([rng.uniform(0.2, 0.8, len(group)), rng.uniform(0.12, 0.5, count)])
    clump_colours = vary(rng, colour, rng.uniform(0.05, 0.25 - 0.15 * tidy), clumps)
    colours = np.concatenate([clump_colours[group], vary(rng, colour, 0.2, count)]) * rng.uniform(0.85, 1.15)
    colours = np.clip(colours * np.exp(rng.normal(0, 0.08, (len(paths), 1))), 0, 0.97)

    strands = Strands(paths[:, :, :2], widths, colours.astype(np.float32))
    drawn = cover(strands, coverage_canvas(height, width))
    alpha = average(np.maximum(drawn, inside(field)), height, width)
    lights = draw_lights(rng)
    away = (paths - solids[0][0]) / solids[0][1]
    distance = np.maximum(np.linalg.norm(away, axis=2, keepdims=True), 1)
    light = light_strands(rng, paths, widths, colours**2, lights, 0.8 * away / distance**3)
    clothes = paint_body(rng, field, picture)
    skinned = np.clip(noise_texture(rng, height, width, skin) * 0.2 + skin * 0.8, 0, 1)
    skinned = shade(rng, skinned, skin_field, 0.1, 0.01)
    scalp = ellipse_field([face], height, width)
    if not from_behind:
        scalp = np.minimum(scalp, np.float32(height * 0.5 + unit * (head_y - 0.45 * head)) - pixels(height, width)[1])
    under = ramp(scalp, -0.03 * unit, 0.03 * unit)[:, :, None]
    skinned = skinned + under * (0.45 * colour - skinned)
    body = np.where(skin_field[:, :, None] > 0, skinned, clothes)
    shadow = cv2.GaussianBlur(average(drawn, height, width), (0, 0), 0.015 * unit)
    shaded = (body**2 * (1 - 0.6 * shadow[:, :, None])).astype(np.float32)
    canvas = enlarge(shaded, height * COLOUR_SCALE, width * COLOUR_SCALE)
    shown = cv2.resize(field, (width * COLOUR_SCALE, height * COLOUR_SCALE)) > 0
    splat(paths, widths, light, canvas, shown, _surface(solids, height, width))
    foreground = developed(canvas, shown, np.broadcast_to(colour, (height, width, 3)))
    size = "short" if length < 0.15 else "long" if length > 0.4 else ""
    phrase = " ".join(word for word in (size, str(style), colour_name(colour), "hair") if word)
    return Drawing(foreground, alpha, phrase)


def fur(rng: np.random.Generator, height: int, width: int, picture: Array | None) -> Drawing:
    """A body covered by short strands that follow its surface, of varying length."""
    unit = unit_of(height, width)
    colour = _colour(rng, HAIR_COLOURS)
    field = body_field(rng, height, width, 0.02)
    patterned = rng.random() < 0.3
    base = paint_body(rng, field, picture) if patterned else noise_texture(rng, height, width, colour)
    length = unit * log_uniform(rng, 0.015, 0.1)
    count = int(min(24000, height * width / 12))
    roots = np.stack([rng.uniform(0, width, count * 3), rng.uniform(0, height, count * 3)], axis=1)
    rows, columns = roots[:, 1].astype(int), roots[:, 0].astype(int)
    depth = field[rows, columns]
    # Deep inside, strands only colour the body; near the outline they are what makes the edge.
    keep = (depth > -0.1 * length) & ((depth < 1.5 * length) | (rng.random(len(depth)) < 0.6))
    roots, rows, columns = roots[keep][:count], rows[keep][:count], columns[keep][:count]
    deepest = max(float(field.max()), 4.0)
    share = np.clip(cv2.GaussianBlur(field, (0, 0), 2) / deepest, 0, 1)
    bulge = np.sqrt(share * (2 - share)) * deepest
    smooth = cv2.GaussianBlur(bulge, (0, 0), 2)
    slope = [cv2.Sobel(smooth, cv2.CV_32F, *axis)[rows, columns] / 8 for axis in ((1, 0), (0, 1))]
    normals = np.stack([-slope[0], -slope[1], np.ones(len(roots))], axis=1)
    normals /= np.linalg.norm(normals, axis=1, keepdims=True)
    swirl = fractal(rng, height, width, rng.uniform(1, 4), 3) * rng.uniform(0.3, 1.2)
    comb = (swirl + rng.uniform(-np.pi, np.pi))[rows, columns] + rng.normal(0, rng.uniform(0.1, 0.5), len(roots))
    lie = np.stack([np.cos(comb), np.sin(comb), np.zeros(len(roots))], axis=1)
    lie -= (lie * normals).sum(axis=1, keepdims=True) * normals
    headings = lie + normals * rng.uniform(0.3, 1.3) + rng.normal(0, 0.15, lie.shape)
    patches = 0.35 + ramp(fractal(rng, height, width, 2, 2), -1.2, 0.6)
    lengths = length * patches[rows, columns] * rng.uniform(0.5, 1.3, len(roots))
    starts = np.concatenate([roots, bulge[rows, columns][:, None]], axis=1)
    paths = grow_around(rng, starts, headings, lengths, 7, rng.uniform(0.2, 1.2), rng.uniform(0, 1.2), [])
    tint = base[rows, columns] if rng.random() < 0.5 else np.broadcast_to(colour, (len(roots), 3))
    bright = np.exp(rng.normal(0, rng.uniform(0.1, 0.3), (len(roots), 1)))
    colours = np.clip(tint * bright, 0, 0.97)
    widths = rng.uniform(0.25, 1.0, len(roots))
    alpha = average(cover(Strands(paths[:, :, :2], widths, colours.astype(np.float32)), inside(field)), height, width)
    facing = np.broadcast_to(0.85 * normals[:, None], paths.shape)
    light = light_strands(rng, paths, widths, colours**2, draw_lights(rng), facing)
    # between strands the undercoat shows, in their light
    under = cv2.GaussianBlur(_spread(roots, light[:, 0], height, width), (0, 0), 3)
    coat = (under[:, :, :3] / np.maximum(under[:, :, 3:], 1e-3)).astype(np.float32)
    canvas = enlarge(0.8 * coat, height * COLOUR_SCALE, width * COLOUR_SCALE)
    shown = cv2.resize(field, (width * COLOUR_SCALE, height * COLOUR_SCALE)) > 0
    splat(paths, widths, light, canvas, shown, np.full((height, width), -1e6, np.float32))
    foreground = developed(canvas, shown, base)
    mean = foreground[field > 0].mean(axis=0) if (field > 0).any() else colour
    size = "short" if length < 0.03 * unit else "long" if length > 0.06 * unit else "soft"
    return Drawing(foreground, alpha, f"an animal with {size} {colour_name(mean)} fur")


def _spread(roots: Points, light: Points, height: int, width: int) -> Array:
    """Sums of light, and counts, of the strands rooted at each pixel: H x W x 4."""
    place = roots[:, 1].astype(int) * width + roots[:, 0].astype(int)
    sums = [np.bincount(place, weights, height * width) for weights in (*light.T, np.ones(len(place)))]
    return np.stack(sums, axis=1).reshape(height, width, 4).astype(np.float32)


def yarn(rng: np.random.Generator, height: int, width: int, picture: Array | None) -> Drawing:
    """A fringe of thick twisted strands hanging from a solid piece of cloth or a handle."""
    unit = unit_of(height, width)
    colours = np.stack([random_colour(rng) for _ in range(rng.integers(1, 6))])
    edge = height * rng.uniform(0.1, 0.4)
    left, right = sorted(rng.uniform(0, width, 2))
    left, right = max(0.0, float(left) - 0.2 * width), min(float(width), float(right) + 0.2 * width)
    x = np.broadcast_to(np.arange(width, dtype=np.float32), (height, width))
    y = np.broadcast_to(np.arange(height, dtype=np.float32)[:, None], (height, width))
    field = np.minimum(np.minimum(x - left, right - x), edge - y)
    field = field + fractal(rng, height, width, 3, 3) * 0.006 * unit
    count = int(rng.integers(40, 220))
    thick = unit * log_uniform(rng, 0.004, 0.02)
    roots = np.stack([rng.uniform(left, right, count), rng.uniform(edge * 0.6, edge, count)], axis=1)
    lengths = (height - edge) * rng.uniform(0.4, 0.95) * rng.uniform(0.6, 1.2, count)
    angles = np.pi / 2 + rng.normal(0, rng.uniform(0.05, 0.35), count)
    paths = grow(rng, roots, angles, lengths, 24, rng.uniform(0.2, 0.8), (2.0, np.pi / 2))
    paths = waves(rng, paths, unit * rng.uniform(0, 0.02), rng.uniform(1, 5), np.arange(count))
    widths = thick * rng.uniform(0.6, 1.3, count)
    sketch = Sketch(paint_body(rng, field, picture), inside(field))
    for index in rng.permutation(count):
        colour = colours[rng.integers(len(colours))]
        for ply in range(3):  # a dark rim, the strand, and a lighter ply twisted around it
            one, turns = paths[index : index + 1], lengths[index] / (thick * 4 + 1)
            twist = waves(rng, one, thick * 0.3 * (ply == 2), turns, np.zeros(1, np.int64))
            scale = (1.0, 0.8, 0.35)[ply]
            tone = np.clip(colour * (0.45, 1.0, 1.3)[ply] * rng.uniform(0.85, 1.1), 0, 1)[None]
            strand = Strands(twist if ply == 2 else one, widths[index : index + 1] * scale, tone.astype(np.float32))
            paint(rng, strand, sketch.colours, 1)
    fuzz = count * 12
    which, at = rng.integers(0, count, fuzz), rng.integers(2, 25, fuzz)
    fuzz_angles, fuzz_lengths = rng.uniform(-np.pi, np.pi, fuzz), thick * rng.uniform(0.4, 1.6, fuzz)
    fuzz_paths = grow(rng, paths[which, at], fuzz_angles, fuzz_lengths, 4, 1.0)
    for curves, broad in ((paths, widths), (fuzz_paths, np.full(fuzz, 0.2))):
        uncoloured = Strands(curves, broad, np.zeros((len(curves), 3), np.float32))
        sketch.coverage = cover(uncoloured, sketch.coverage)
    name = colour_name(colours[0]) if len(colours) == 1 else "colourful"
    return Drawing(*sketch.averaged(), f"{name} yarn fringe")
