"""Thin opaque structures with many holes: leaves, foliage, dandelions, spider webs."""

import numpy as np

from erkd.data.synth.canvas import Drawing, Sketch, unit_of
from erkd.data.synth.noise import fractal, ramp
from erkd.data.synth.shapes import body_field, inside, paint_body
from erkd.data.synth.strands import Points, Strands, bezier, draw, grow, paint
from erkd.data.synth.textures import colour_name, near, noise_texture, random_colour, vary
from erkd.io.images import Array

GREENS = (
    (0.16, 0.3, 0.1), (0.3, 0.42, 0.14), (0.45, 0.55, 0.2),
    (0.2, 0.34, 0.25), (0.55, 0.45, 0.15), (0.5, 0.2, 0.1),
)  # fmt: skip


def _leaf_colour(rng: np.random.Generator) -> Array:
    return np.asarray(GREENS[rng.integers(len(GREENS))], np.float32)


def _draw_blade(sketch: Sketch, spine: Points, half_width: Points, tone: Array, shadow: Array) -> None:
    """Draw a leaf or petal around its spine (K x 2), its left half in another tone (0 to 255)."""
    tangent = np.gradient(spine, axis=0)
    normal = np.stack([-tangent[:, 1], tangent[:, 0]], axis=1)
    normal /= np.linalg.norm(normal, axis=1, keepdims=True) + 1e-9
    left, right = spine + normal * half_width[:, None], spine - normal * half_width[:, None]
    sketch.fill(np.concatenate([left, right[::-1]]), tone)
    sketch.tint(np.concatenate([left, spine[::-1]]), shadow)


def _disc(centre: Points, radius: float, corners: int) -> Points:
    t = np.linspace(0, 6.3, corners)
    return np.asarray(centre + radius * np.stack([np.cos(t), np.sin(t)], axis=1))


def leaves(rng: np.random.Generator, height: int, width: int, picture: Array | None) -> Drawing:
    """A plant of large leaves, often with blossoms, fanning out of the lower edge; holes show through it."""
    unit = unit_of(height, width)
    colour, petal = _leaf_colour(rng), random_colour(rng)
    foot = np.asarray([width * rng.uniform(0.3, 0.7), height * rng.uniform(0.85, 1.1)])
    sketch = Sketch(noise_texture(rng, height, width, colour))
    count = int(rng.integers(18, 70))
    slender = rng.uniform(0.03, 0.16)
    angles = rng.normal(-np.pi / 2, 0.75, count)
    lengths = unit * rng.uniform(0.3, 1.0, count)
    roots = foot + rng.normal(0, 0.12 * unit, (count, 2))
    spines = grow(rng, roots, angles, lengths, 15, 0.8, (rng.uniform(-0.5, 1.5), np.pi / 2))
    along = np.linspace(0, 1, 16)
    profile = np.sin(np.pi * along ** rng.uniform(0.7, 1.4)) ** rng.uniform(0.6, 1.2)
    ripple = rng.uniform(0, 0.25)
    for spine, length in zip(spines, lengths, strict=True):
        half = slender * length * profile * (1 + ripple * rng.normal(0, 1, 16)) + 0.3
        tone = near(rng, colour, 0.25) * 255
        _draw_blade(sketch, spine, half, tone, np.clip(tone * rng.uniform(0.65, 1.3), 0, 255))
        rib = Strands(spine[None], np.asarray([1.0]), near(rng, tone / 255 * 1.25, 0.1)[None])
        paint(rng, rib, sketch.colours, 1)
    blossoms = int(rng.integers(0, 14)) if rng.random() < 0.6 else 0
    for _ in range(blossoms):
        centre = spines[rng.integers(count), rng.integers(8, 16)]
        radius, petals = unit * rng.uniform(0.03, 0.11), int(rng.integers(5, 12))
        for angle in np.sort(rng.uniform(-np.pi, np.pi, petals)):
            spine = grow(rng, centre[None], np.asarray([angle]), np.asarray([radius]), 7, 0.6)[0]
            half = radius * rng.uniform(0.15, 0.3) * np.sin(np.pi * np.linspace(0.08, 1, 8))
            tone = near(rng, petal, 0.18) * 255
            _draw_blade(sketch, spine, half, tone, tone * 0.8)
    light = 1 + 0.2 * fractal(rng, height, width, 3, 3)[:, :, None]
    painted, alpha = sketch.averaged()
    foreground = np.clip(painted * np.clip(light, 0.5, 1.4), 0, 1)
    shown = f"{colour_name(petal)} flowers" if blossoms else f"{colour_name(colour)} leaves"
    return Drawing(foreground.astype(np.float32), alpha, f"a plant with {shown}")


def foliage(rng: np.random.Generator, height: int, width: int, picture: Array | None) -> Drawing:
    """Branching twigs with many small leaves, or bare: a wide region full of holes."""
    unit = unit_of(height, width)
    colour, bark = _leaf_colour(rng), near(rng, (0.3, 0.22, 0.16), 0.4)
    side = rng.uniform(-0.5, 0.5)
    roots = np.asarray([[width * (0.5 + side), float(height)]])
    angles, lengths = np.asarray([-np.pi / 2 - side]), np.asarray([unit * rng.uniform(0.5, 0.8)])
    widths = np.asarray([unit * rng.uniform(0.01, 0.05)])
    twigs = []
    for level in range(4):
        paths = grow(rng, roots, angles, lengths, 10, 0.5, (rng.uniform(-0.3, 0.3), -np.pi / 2))
        twigs.append(Strands(paths, widths, vary(rng, bark, 0.2, len(paths))))
        branches = int(rng.integers(3, 6)) if level < 3 else 0
        parent = np.repeat(np.arange(len(paths)), branches)
        at = rng.integers(3, 11, len(parent))
        roots = paths[parent, at]
        angles = angles[parent] + rng.choice([-1, 1], len(parent)) * rng.uniform(0.3, 1.1, len(parent))
        lengths = lengths[parent] * rng.uniform(0.4, 0.75, len(parent))
        widths = np.maximum(widths[parent] * rng.uniform(0.35, 0.6, len(parent)), 0.25)
    sketch = Sketch(noise_texture(rng, height, width, colour))
    for strands in twigs:
        draw(rng, strands, sketch, 6)
    tips = np.concatenate([strands.paths[:, 2:].reshape(-1, 2) for strands in twigs[2:]])
    bare = rng.random() < 0.25
    count = 0 if bare else int(rng.integers(300, 1800))
    size, slender = unit * rng.uniform(0.012, 0.06), rng.uniform(0.2, 0.45)
    starts = tips[rng.integers(0, len(tips), count)] + rng.normal(0, 0.01 * unit, (count, 2))
    lengths = size * rng.uniform(0.6, 1.4, count)
    spines = grow(rng, starts, rng.uniform(-np.pi, np.pi, count), lengths, 5, 0.5)
    broadest = (lengths * slender * rng.uniform(0.3, 1, count))[:, None]
    halves = np.sin(np.pi * np.linspace(0.02, 1, 6)) * broadest
    tones = vary(rng, colour, 0.3, count) * 255
    dark = np.clip(tones * rng.uniform(0.7, 1.2, (count, 1)), 0, 255)
    for leaf in zip(spines, halves, tones, dark, strict=True):
        _draw_blade(sketch, *leaf)
    phrase = "bare brown twigs" if bare else f"a branch with {colour_name(colour)} foliage"
    return Drawing(*sketch.averaged(), phrase)


def dandelion(rng: np.random.Generator, height: int, width: int, picture: Array | None) -> Drawing:
    """Seed heads: rays from a small solid core, each ending in a tuft of hairs thinner than a pixel."""
    unit = unit_of(height, width)
    colour = near(rng, (0.85, 0.83, 0.8), 0.15)
    stem = _leaf_colour(rng)
    sketch = Sketch(noise_texture(rng, height, width, colour))
    for _ in range(rng.integers(1, 4)):
        centre = np.asarray([width * rng.uniform(0.2, 0.8), height * rng.uniform(0.25, 0.6)])
        radius = unit * rng.uniform(0.14, 0.32)
        path = grow(rng, centre[None], np.asarray([np.pi / 2]), np.asarray([float(height)]), 12, 0.3)
        stalk = Strands(path, np.asarray([unit * rng.uniform(0.012, 0.03)]), stem[None])
        count = int(rng.integers(90, 260))
        angles = rng.uniform(-np.pi, np.pi, count)
        lengths = radius * np.sqrt(rng.uniform(0.15, 1, count))
        rays = grow(rng, np.broadcast_to(centre, (count, 2)), angles, lengths, 6, 0.15)
        hairs = int(rng.integers(8, 18))
        ends, fan = np.repeat(rays[:, -1], hairs, axis=0), np.repeat(angles, hairs)
        fan = fan + rng.uniform(-1.3, 1.3, len(fan))
        tufts = grow(rng, ends, fan, radius * rng.uniform(0.12, 0.3, len(fan)), 4, 0.3)
        parts = [
            stalk,
            Strands(rays, rng.uniform(0.25, 0.7, count), vary(rng, colour * 0.85, 0.15, count)),
            Strands(tufts, rng.uniform(0.15, 0.4, len(fan)), vary(rng, colour, 0.1, len(fan))),
        ]
        for strands in parts:
            draw(rng, strands, sketch, 8)
        core = _disc(centre, radius * rng.uniform(0.1, 0.3), 30)
        sketch.fill(core, near(rng, (0.4, 0.33, 0.22), 0.3) * 255)
    return Drawing(*sketch.averaged(), "a white dandelion")


def web(rng: np.random.Generator, height: int, width: int, picture: Array | None) -> Drawing:
    """A spider web of sub-pixel threads with drops, in front of a solid body."""
    unit = unit_of(height, width)
    field = body_field(rng, height, width)
    hub = np.asarray([width * rng.uniform(0.3, 0.7), height * rng.uniform(0.25, 0.6)])
    spokes = int(rng.integers(12, 30))
    angles = np.sort(rng.uniform(-np.pi, np.pi, spokes))
    reach = unit * rng.uniform(0.35, 0.6) * rng.uniform(0.8, 1.3, spokes)
    ends = hub + reach[:, None] * np.stack([np.cos(angles), np.sin(angles)], axis=1)
    spoke_paths = hub + np.linspace(0, 1, 8)[None, :, None] * (ends - hub)[:, None]
    rings = int(rng.integers(10, 32))
    ring_paths = []
    for ring in range(1, rings + 1):
        at = ring / rings + rng.normal(0, 0.006, spokes)
        knots = hub + at[:, None] * (ends - hub)
        following = np.roll(knots, -1, axis=0)
        middle = (knots + following) / 2 * (1 - (sag := rng.uniform(0.02, 0.1))) + hub * sag
        ring_paths.append(bezier(knots, middle, following, 7))
    threads = np.concatenate(ring_paths)
    threads = threads[rng.random(len(threads)) < rng.uniform(0.75, 1)]
    colour = near(rng, (0.8, 0.8, 0.8), 0.2)
    thin = rng.uniform(0.25, 0.9)
    spoke = Strands(spoke_paths, np.full(spokes, thin * 1.3), vary(rng, colour, 0.1, spokes))
    spiral = Strands(threads, np.full(len(threads), thin), vary(rng, colour, 0.15, len(threads)))
    surface = noise_texture(rng, height, width, colour)
    share = ramp(field, -2, 2)[:, :, None]
    surface = surface + share * (paint_body(rng, field, picture) - surface)
    sketch = Sketch(surface, inside(field))
    for strands in (spoke, spiral):
        draw(rng, strands, sketch, 6)
    for point in threads.reshape(-1, 2)[rng.integers(0, threads.size // 2, int(rng.integers(0, 200)))]:
        radius = unit * rng.uniform(0.0015, 0.005)
        sketch.fill(_disc(point, radius, 12), np.asarray([240, 245, 250], np.float32))
    return Drawing(*sketch.averaged(), "a white spider web")
