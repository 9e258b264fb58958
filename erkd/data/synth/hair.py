"""Hair, fur and yarn: strands around a solid body."""

import cv2
import numpy as np

from erkd.data.synth.canvas import Drawing, Sketch, average, coverage_canvas, fine_colours, unit_of
from erkd.data.synth.noise import fractal, log_uniform, ramp
from erkd.data.synth.shapes import body_field, ellipse_field, inside, paint_body, shade
from erkd.data.synth.strands import Strands, cover, grow, merge, paint, waves
from erkd.data.synth.textures import colour_name, noise_texture, random_colour, vary
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


def hair(rng: np.random.Generator, height: int, width: int, picture: Array | None) -> Drawing:
    """A head and shoulders with hair in clumps, and sub-pixel fly-aways."""
    unit = unit_of(height, width)
    colour, skin = _colour(rng, HAIR_COLOURS), _colour(rng, SKINS)
    head_x, head_y, head = rng.uniform(-0.15, 0.15), rng.uniform(-0.2, 0.02), rng.uniform(0.17, 0.28)
    length = log_uniform(rng, 0.06, 0.75)
    curl = float(rng.choice([0.0, 0.006, 0.02], p=[0.4, 0.3, 0.3]))
    face = (head_x, head_y, head * 0.85, head * 1.1, rng.uniform(-0.2, 0.2))
    shoulders = (head_x + rng.uniform(-0.1, 0.1), 0.62, rng.uniform(0.35, 0.5), rng.uniform(0.2, 0.3), 0.0)
    neck = (head_x, (head_y + 0.5) / 2, head * 0.5, 0.3, 0.0)
    field = ellipse_field([face, neck, shoulders], height, width)
    skin_field = ellipse_field([face, neck], height, width)

    clumps, per_clump = int(rng.integers(60, 200)), int(rng.integers(12, 28))
    angle = rng.uniform(-np.pi * 1.05, 0.05 * np.pi, clumps)
    radius = head * rng.uniform(0.55, 1.1, clumps)
    centre = np.asarray([width / 2 + head_x * unit, height / 2 + head_y * unit])
    roots = centre + unit * np.stack([radius * 0.85 * np.cos(angle), radius * 1.1 * np.sin(angle)], axis=1)
    weight = rng.uniform(0.5, 6) * min(1, length / 0.3)
    lengths = length * unit * rng.uniform(0.6, 1.15, clumps)
    guides = grow(rng, roots, angle + rng.normal(0, 0.3, clumps), lengths, 14, 0.5, (weight, np.pi / 2))
    group = np.repeat(np.arange(clumps), per_clump)
    along = np.linspace(0, 1, guides.shape[1])[:, None]
    spread = head * unit * rng.uniform(0.06, 0.2) * (1 - along * rng.uniform(0.2, 0.9))
    paths = guides[group] + rng.normal(0, 1, (len(group), 1, 2)) * spread
    paths = paths + np.cumsum(rng.normal(0, 0.0012 * unit, paths.shape), axis=1)
    paths = waves(rng, paths, curl * unit, rng.uniform(1, 4), group)
    widths = rng.uniform(0.35, 1.1, len(group))
    locks = Strands(paths, widths, vary(rng, colour, rng.uniform(0.15, 0.35), clumps)[group])

    count = int(rng.integers(20, 160))
    from_lock = paths[rng.integers(0, len(paths), count), rng.integers(4, 15, count)]
    stray_lengths = unit * rng.uniform(0.04, 0.3, count) * (0.4 + length)
    stray_angles = rng.uniform(-np.pi, np.pi, count)
    stray = grow(rng, from_lock, stray_angles, stray_lengths, 14, 1.4, (weight / 3, np.pi / 2))
    fly = Strands(stray, rng.uniform(0.12, 0.5, count), vary(rng, colour, 0.3, count))

    strands = merge([locks, fly])
    drawn = cover(strands, coverage_canvas(height, width))
    alpha = average(np.maximum(drawn, inside(field)), height, width)
    canvas = fine_colours(noise_texture(rng, height, width, colour))
    paint(rng, strands, canvas)
    painted = average(canvas, height, width)
    clothes = paint_body(rng, field, picture)
    skinned = np.clip(noise_texture(rng, height, width, skin) * 0.3 + skin * 0.7, 0, 1)
    body = np.where(skin_field[:, :, None] > 0, skinned, clothes)
    show = (ramp(field, -1, 1) * (1 - average(drawn, height, width)))[:, :, None]
    foreground = np.clip(painted + show * (body - painted), 0, 1)
    size = "short" if length < 0.15 else "long" if length > 0.4 else ""
    kind = "curly" if curl > 0.01 else "wavy" if curl else "straight"
    phrase = " ".join(word for word in (size, kind, colour_name(colour), "hair") if word)
    return Drawing(foreground.astype(np.float32), alpha, phrase)


def fur(rng: np.random.Generator, height: int, width: int, picture: Array | None) -> Drawing:
    """A body covered by short strands that follow its surface, of varying length."""
    unit = unit_of(height, width)
    colour = _colour(rng, HAIR_COLOURS)
    field = body_field(rng, height, width, 0.02)
    patterned = rng.random() < 0.3
    base = paint_body(rng, field, picture) if patterned else noise_texture(rng, height, width, colour)
    length = unit * log_uniform(rng, 0.015, 0.1)
    count = int(min(16000, height * width / 20))
    roots = np.stack([rng.uniform(0, width, count * 3), rng.uniform(0, height, count * 3)], axis=1)
    rows, columns = roots[:, 1].astype(int), roots[:, 0].astype(int)
    depth = field[rows, columns]
    # Deep inside, strands only colour the body; near the outline they are what makes the edge.
    keep = (depth > -0.1 * length) & ((depth < 1.5 * length) | (rng.random(len(depth)) < 0.3))
    roots, rows, columns = roots[keep][:count], rows[keep][:count], columns[keep][:count]
    smooth = cv2.GaussianBlur(field, (0, 0), 3)
    slope_x, slope_y = cv2.Sobel(smooth, cv2.CV_32F, 1, 0), cv2.Sobel(smooth, cv2.CV_32F, 0, 1)
    # Deep inside, fur lies as it is combed; only towards the outline does it stand out from the body.
    inner = np.clip(field / (3 * length), 0, 1) * 12
    swirl = fractal(rng, height, width, rng.uniform(1, 4), 3) * rng.uniform(0.3, 1.2)
    comb = swirl + rng.uniform(-np.pi, np.pi)
    lie = np.arctan2(inner * np.sin(comb) - slope_y, inner * np.cos(comb) - slope_x)
    angles = lie[rows, columns] + rng.normal(0, rng.uniform(0.1, 0.5), len(roots))
    patches = 0.35 + ramp(fractal(rng, height, width, 2, 2), -1.2, 0.6)
    lengths = length * patches[rows, columns] * rng.uniform(0.5, 1.3, len(roots))
    fall = (rng.uniform(0, 1.5), np.pi / 2)
    paths = grow(rng, roots, angles, lengths, 6, rng.uniform(0.2, 1.0), fall)
    tint = base[rows, columns] if rng.random() < 0.5 else np.broadcast_to(colour, (len(roots), 3))
    bright = np.exp(rng.normal(0, rng.uniform(0.1, 0.3), (len(roots), 1)))
    colours = np.clip(tint * bright, 0, 1).astype(np.float32)
    strands = Strands(paths, rng.uniform(0.25, 1.0, len(roots)), colours)
    alpha = average(cover(strands, inside(field)), height, width)
    canvas = fine_colours(base)
    paint(rng, strands, canvas, 48)
    foreground = average(canvas, height, width)
    foreground = shade(rng, foreground, field + length, 0.0, 0.01)
    mean = foreground[field > 0].mean(axis=0) if (field > 0).any() else colour
    size = "short" if length < 0.03 * unit else "long" if length > 0.06 * unit else "soft"
    return Drawing(foreground, alpha, f"an animal with {size} {colour_name(mean)} fur")


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
