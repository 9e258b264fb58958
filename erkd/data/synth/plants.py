"""Thin opaque structures with many holes: leaves, foliage, dandelions, spider webs."""

from collections.abc import Iterable
from dataclasses import dataclass

import cv2
import numpy as np

from erkd.data.synth.canvas import COLOUR_SCALE, SUBPIXEL_BITS, Drawing, Sketch, fixed_point, unit_of
from erkd.data.synth.noise import fractal, ramp
from erkd.data.synth.shapes import body_field, inside, paint_body
from erkd.data.synth.strands import Points, Strands, bezier, cover, draw, grow, paint
from erkd.data.synth.textures import colour_name, near, noise_texture, random_colour, vary
from erkd.data.synth.tresses import Lights, draw_lights, grow_around, optical_depth, unit_vectors
from erkd.io.images import Array

KNOTS, LARGE = 12, 28  # of the spine of a blade, and of a large one
VEINED = 14  # length of a blade from which its midrib is drawn, pixels; side veins from 2.5 times that
THIN = 1.3  # width up to which a twig has one tone, pixels
THINNER = (1.0, 0.62, 0.33)  # relative width of a twig's thirds
GOLDEN = 2.39996  # the golden angle, radians

GREENS = (
    (0.16, 0.3, 0.1), (0.3, 0.42, 0.14), (0.45, 0.55, 0.2),
    (0.2, 0.34, 0.25), (0.55, 0.45, 0.15), (0.5, 0.2, 0.1),
)  # fmt: skip


def leaf_colour(rng: np.random.Generator) -> Array:
    return np.asarray(GREENS[rng.integers(len(GREENS))], np.float32)


@dataclass(frozen=True)
class Blades:
    """Leaves or petals: spines (N x K x 3, pixels), directions of their upper sides (N x 3), half widths (N x K)."""

    spines: Points
    normals: Points
    halves: Points

    def edges(self) -> tuple[Points, Points, Points]:
        """Left edges, spines and right edges in the image's plane, N x K x 2 each."""
        aside = self.sides() * self.halves[:, :, None]
        left, right = self.spines + aside, self.spines - aside
        return left[:, :, :2], self.spines[:, :, :2], right[:, :, :2]

    def sides(self) -> Points:
        """Unit vectors across the blades, N x K x 3."""
        return unit_vectors(np.cross(unit_vectors(np.gradient(self.spines, axis=1)), self.normals[:, None]))


def light_blades(rng: np.random.Generator, blades: Blades, colours: Array, under: Array, lights: Lights) -> Points:
    """Stored colours, N x 2 x K x 3 of 0 to 255, along the two halves of each blade.

    Blades are folded along their spines. The side that faces the viewer reflects light, `colours` (N x 3) above and
    `under` below, or lets light from behind through, yellower; others shade it.
    """
    across, fold = blades.sides(), rng.uniform(0.1, 0.6, (len(colours), 1, 1))
    upper = np.cross(across, unit_vectors(np.gradient(blades.spines, axis=1)))
    broad = 2 * blades.halves.max(axis=1)
    covers = [optical_depth(rng, blades.spines, broad, direction) for direction in lights.directions]
    reached = [np.exp(-0.6 * cv2.blur(cover, (9, 1)))[:, :, None] for cover in covers]
    gloss, through = rng.uniform(0, 0.5), np.asarray([1.15, 1.1, 0.35])
    halves = []
    for turn in (-1, 1):
        normal = unit_vectors(upper + turn * fold * across)
        above = normal[:, [normal.shape[1] // 2], 2:] > 0
        normal = np.where(above, normal, -normal)
        albedo = np.where(above, colours[:, None], under[:, None]) ** 2
        light = 0.25 * lights.colours.sum(axis=0) * albedo * reached[0]
        for direction, colour, share in zip(lights.directions, lights.colours, reached, strict=True):
            facing = (normal @ direction)[:, :, None]
            half_way = np.maximum(normal @ unit_vectors(direction + np.asarray([0, 0, 1.0])), 0)[:, :, None]
            passed = 0.8 * np.maximum(-facing, 0) * albedo**0.8 * through
            shine = gloss * (above & (facing > 0)) * half_way**24
            light += colour * share * (np.maximum(facing, 0) * albedo + passed + shine)
        halves.append(light)
    both = np.stack(halves, axis=1)
    exposure = rng.uniform(0.7, 1.3) * (colours**2).mean() / (both.mean() + 1e-9)
    return np.asarray(255 * np.sqrt(np.clip(both * exposure, 0, 1)))


def draw_blades(
    sketch: Sketch, edges: tuple[Points, Points, Points], lit: Points, order: Iterable[int], paler: float
) -> None:
    """Draw the blades of `order` by their edges, each half in its colours of `light_blades`; veins on larger ones."""
    knots = lit.shape[2]
    for index in order:
        left, spine, right = (curves[index] for curves in edges)
        tone, length = lit[index], float(np.hypot(*(spine[-1] - spine[0])))
        sketch.fill(np.concatenate([left, right[::-1]]), tone[0, knots // 2])
        if length < VEINED:
            sketch.tint(np.concatenate([right, spine[::-1]]), tone[1, knots // 2])
            continue
        for half, edge in enumerate((left, right)):
            for at in range(knots - 1):
                corners = np.stack([spine[at], spine[at + 1], edge[at + 1], edge[at]])
                sketch.tint(corners, tone[half, at])
        vein = np.clip(tone.mean(axis=(0, 1)) * paler, 0, 255).tolist()
        veins = [spine] if length < 2.5 * VEINED else [spine, *_side_veins(left, right, spine, knots)]
        lines = [fixed_point(one, COLOUR_SCALE) for one in veins]
        cv2.polylines(sketch.colours, lines, False, vein, 1, cv2.LINE_AA, SUBPIXEL_BITS)


def _side_veins(left: Points, right: Points, spine: Points, knots: int) -> list[Points]:
    """From every second knot of the spine towards the edges, a knot farther on."""
    return [
        np.stack([spine[at], spine[at] + 0.8 * (edge[at + 1] - spine[at])])
        for at in range(1, knots - 2, 2)
        for edge in (left, right)
    ]


def _thirds(paths: Points, widths: Points) -> list[tuple[Points, Points]]:
    """Root, middle and tip thirds of twigs (N x K x 3) in the image's plane, with their widths (N)."""
    third = paths.shape[1] // 3
    parts = (slice(third + 1), slice(third, 2 * third + 1), slice(2 * third, None))
    pairs = zip(parts, THINNER, strict=True)
    return [(paths[:, part, :2], np.maximum(widths * share, 0.3)) for part, share in pairs]


def _paint_twig(
    rng: np.random.Generator, sketch: Sketch, path: Points, width: float, bark: Array, side: float
) -> None:
    """Paint a round twig: dark at one side, with a lit streak towards `side` (-1 or 1)."""
    tone = near(rng, bark, 0.12)[None]
    for course, broad in _thirds(path[None], np.asarray([width])):
        paint(rng, Strands(course, broad, (0.8 if width < THIN else 0.5) * tone), sketch.colours, 1)
        for offset, share, bright in ((0.1, 0.75, 0.9), (0.22, 0.35, 1.35)) if width >= THIN else ():
            streak = course + np.asarray([side * offset, -0.12]) * broad
            paint(rng, Strands(streak, broad * share, np.clip(bright * tone, 0, 1)), sketch.colours, 1)


def _disc(centre: Points, radius: float, corners: int) -> Points:
    t = np.linspace(0, 6.3, corners)
    return np.asarray(centre + radius * np.stack([np.cos(t), np.sin(t)], axis=1))


def outlines(rng: np.random.Generator, count: int, knots: int, slender: float, ripple: float) -> Points:
    """Half widths along blades of length 1, N x K: pointed or rounded, at times wavy or toothed."""
    along = np.linspace(0.01, 1, knots)
    profile = np.sin(np.pi * along ** rng.uniform(0.55, 1.3)) ** rng.uniform(0.6, 1.2)
    teeth = 1 + ripple * rng.normal(0, 1, (count, knots))
    return np.asarray(slender * profile * np.clip(teeth, 0.4, 1.6) + 0.004)


def grow_spines(
    rng: np.random.Generator, roots: Points, headings: Points, lengths: Points, knots: int, weight: float
) -> Points:
    """Smoothly bent spines of blades, N x K x 3."""
    points = grow_around(rng, roots, headings, lengths, 2, 0.9, weight, [])
    return bezier(points[:, 0], points[:, 1], points[:, 2], knots)


def leaves(rng: np.random.Generator, height: int, width: int, picture: Array | None) -> Drawing:
    """A plant of large leaves, often with blossoms, fanning out of the lower edge; holes show through it."""
    unit = unit_of(height, width)
    colour, petal = leaf_colour(rng), random_colour(rng)
    foot = np.asarray([width * rng.uniform(0.3, 0.7), height * rng.uniform(0.85, 1.1), 0.0])
    sketch = Sketch(noise_texture(rng, height, width, colour))
    count, lights = int(rng.integers(18, 70)), draw_lights(rng)
    angles = rng.normal(-np.pi / 2, 0.75, count)
    lengths = unit * rng.uniform(0.3, 1.0, count)
    roots = foot + rng.normal(0, 0.12 * unit, (count, 3))
    headings = np.stack([np.cos(angles), np.sin(angles), rng.normal(0, 0.5, count)], axis=1)
    spines = grow_spines(rng, roots, headings, lengths, LARGE, rng.uniform(-0.3, 1.2))
    normals = unit_vectors(np.asarray([0.0, -0.5, 0.8]) + rng.normal(0, 0.5, (count, 3)))
    halves = outlines(rng, count, LARGE, rng.uniform(0.03, 0.16), rng.uniform(0, 0.08)) * lengths[:, None]
    tones = vary(rng, colour, 0.2, count)
    big = Blades(spines, normals, halves)
    lit = light_blades(rng, big, tones, np.clip(0.6 * tones + 0.25, 0, 1), lights)
    order = np.argsort(spines[:, :, 2].mean(axis=1), kind="stable")
    draw_blades(sketch, big.edges(), lit, order, rng.uniform(0.8, 1.3))
    blossoms = int(rng.integers(0, 14)) if rng.random() < 0.6 else 0
    for _ in range(blossoms):
        centre = spines[rng.integers(count), rng.integers(LARGE // 2, LARGE)]
        radius, petals = unit * rng.uniform(0.03, 0.11), int(rng.integers(5, 12))
        angles = np.sort(rng.uniform(-np.pi, np.pi, petals))
        out = np.stack([np.cos(angles), np.sin(angles), np.full(petals, rng.uniform(0, 0.6))], axis=1)
        grown = grow_spines(rng, np.tile(centre, (petals, 1)), out, np.full(petals, radius), KNOTS, 0.0)
        facing = unit_vectors(np.asarray([0.0, 0.0, 1.0]) + rng.normal(0, 0.3, (petals, 3)))
        flower = Blades(grown, facing, radius * outlines(rng, petals, KNOTS, rng.uniform(0.15, 0.3), 0.05))
        tones = vary(rng, petal, 0.12, petals)
        draw_blades(sketch, flower.edges(), light_blades(rng, flower, tones, tones, lights), range(petals), 0.9)
    painted, alpha = sketch.averaged()
    uneven = 1 + 0.1 * fractal(rng, height, width, 6, 5, 0.8)[:, :, None]
    shown = f"{colour_name(petal)} flowers" if blossoms else f"{colour_name(colour)} leaves"
    return Drawing(np.clip(painted * uneven, 0, 1), alpha, f"a plant with {shown}")


def branch_off(
    rng: np.random.Generator, paths: Points, widths: Points, lengths: Points, flat: bool
) -> tuple[Points, Points, Points]:
    """Side branches of branches (N x K x 3): their paths, root widths and lengths.

    They leave at regular distances, in turn to either side where the plant is `flat`, else by the golden angle, the
    farther out the shorter; each takes its share of the parent's cross-section.
    """
    count, opening = int(rng.integers(4, 9)), rng.uniform(0.5, 1.0)
    parent, node = np.repeat(np.arange(len(paths)), count), np.tile(np.arange(count), len(paths))
    share = (0.2 + 0.75 * (node + rng.uniform(0, 0.8, len(node))) / count).clip(0, 0.97)
    at = share * (paths.shape[1] - 1)
    low = at.astype(int)
    tangents = unit_vectors(np.gradient(paths, axis=1))[parent, low]
    roots = paths[parent, low] + (at - low)[:, None] * (paths[parent, low + 1] - paths[parent, low])
    side = unit_vectors(np.cross(tangents, np.asarray([0.0, 0.0, 1.0]) + 1e-3))
    turn = np.pi * node if flat else GOLDEN * node + rng.uniform(0, 2 * np.pi)
    turn = turn + rng.normal(0, 0.3, len(node))
    aside = np.cos(turn)[:, None] * side + np.sin(turn)[:, None] * np.cross(tangents, side)
    angle = (opening + rng.normal(0, 0.15, len(node)))[:, None]
    reach = lengths[parent] * rng.uniform(0.3, 0.7, len(node)) * (1.15 - 0.7 * share)
    headings = np.cos(angle) * tangents + np.sin(angle) * aside
    grown = grow_around(rng, roots, headings, reach, paths.shape[1] - 1, rng.uniform(0.3, 1.2), -0.3, [])
    thick = np.maximum(widths[parent] * np.sqrt(1 - share * 0.6) * rng.uniform(0.3, 0.6, len(node)), 0.35)
    return grown, thick, reach


def foliage(rng: np.random.Generator, height: int, width: int, picture: Array | None) -> Drawing:
    """Branching twigs with many small leaves or needles, or bare: a wide region full of holes."""
    unit = unit_of(height, width)
    colour, bark = leaf_colour(rng), near(rng, (0.34, 0.27, 0.21), 0.4)
    kind = str(rng.choice(["leaves", "needles", "bare"], p=[0.62, 0.13, 0.25]))
    stems = int(rng.integers(1, 4))
    border = rng.uniform(0, 1, stems)
    roots = np.stack([width * border, np.full(stems, 1.02 * height), np.zeros(stems)], axis=1)
    if rng.random() < 0.5:  # from a side of the image
        roots[:, 0], roots[:, 1] = np.where(border < 0.5, -0.02, 1.02) * width, height * rng.uniform(0.1, 1, stems)
    centre = np.asarray([width / 2, 0.4 * height, 0.0]) + rng.normal(0, 0.15 * unit, (stems, 3))
    paths = grow_around(rng, roots, centre - roots, unit * rng.uniform(0.6, 1.1, stems), 12, 0.7, -0.2, [])
    widths, lengths = unit * rng.uniform(0.008, 0.04, stems), np.full(stems, 0.8 * unit)
    flat = rng.random() < 0.5
    levels = [(paths, widths, lengths)]
    for _ in range(3 if kind == "bare" else 2):
        levels.append(branch_off(rng, *levels[-1], flat))
    twigs = np.concatenate([level[0] for level in levels])
    thick = np.concatenate([level[1] for level in levels])

    lights = draw_lights(rng)
    outer = np.concatenate([level[0] for level in levels[1:]])
    size = unit * rng.uniform(0.015, 0.1) if kind == "leaves" else unit * rng.uniform(0.02, 0.06)
    many = int(min(1600, rng.uniform(0.5, 3) * unit**2 / size**2)) if kind == "leaves" else 1500
    count = 0 if kind == "bare" else many
    which, at = rng.integers(0, len(outer), count), rng.integers(2, outer.shape[1], count)
    starts, along = outer[which, at], unit_vectors(np.gradient(outer, axis=1))[which, at]
    out = unit_vectors(rng.normal(0, 1, (count, 3))) * rng.uniform(0.5, 1.5) + along + np.asarray([0, 0.3, 0])
    reach = size * rng.uniform(0.6, 1.3, count)
    spines = grow_spines(rng, starts, out, reach, KNOTS, rng.uniform(0, 0.6))
    normals = unit_vectors(np.asarray([0.0, -0.6, 0.6]) + rng.normal(0, 0.5, (count, 3)))
    slender = rng.uniform(0.2, 0.4) if kind == "leaves" else 0.02
    blades = Blades(spines, normals, outlines(rng, count, KNOTS, slender, rng.uniform(0, 0.12)) * reach[:, None])
    tones = vary(rng, colour, 0.18, count)
    lit = (
        light_blades(rng, blades, tones, np.clip(0.65 * tones + 0.2, 0, 1), lights)
        if count
        else np.zeros((0, 2, KNOTS, 3))
    )

    sketch = Sketch(noise_texture(rng, height, width, bark if kind == "bare" else colour))
    depth = np.concatenate([twigs[:, :, 2].mean(axis=1), spines[:, :, 2].mean(axis=1)])
    veins, lit_side = rng.uniform(0.8, 1.3), float(np.sign(lights.directions[0, 0]) or 1)
    for courses, broad in _thirds(twigs, thick):
        sketch.coverage = cover(Strands(courses, broad, np.zeros((len(twigs), 3), np.float32)), sketch.coverage)
    edges, pending = blades.edges(), []
    for index in np.argsort(depth, kind="stable"):
        if index >= len(twigs):
            pending.append(index - len(twigs))
            continue
        draw_blades(sketch, edges, lit, pending, veins)
        pending = []
        _paint_twig(rng, sketch, twigs[index], float(thick[index]), bark, lit_side)
    draw_blades(sketch, edges, lit, pending, veins)
    phrase = "bare brown twigs" if kind == "bare" else f"a branch with {colour_name(colour)} foliage"
    return Drawing(*sketch.averaged(), phrase)


def dandelion(rng: np.random.Generator, height: int, width: int, picture: Array | None) -> Drawing:
    """Seed heads: rays from a small solid core, each ending in a tuft of hairs thinner than a pixel."""
    unit = unit_of(height, width)
    colour = near(rng, (0.85, 0.83, 0.8), 0.15)
    stem = leaf_colour(rng)
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
