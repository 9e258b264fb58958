"""Cloth: gauze of single threads, knitting, nets, lace, fringes, veils."""

import numpy as np

from judge.shapes import (
    Floats,
    Material,
    Scene,
    Strands,
    Surface,
    Waves,
    circle,
    diffuse,
    ellipsoid,
    leafy,
    line,
    metal,
    moved,
    pierced,
    plastic,
    rotation,
    sheet,
    strand,
    tube,
)

VARIANTS = ("gauze", "knit", "net bag", "fringe", "veil", "lace", "scarf")


def drape(rng: np.random.Generator, width: float = 1.6, height: float = 1.7, rows: int = 160) -> Floats:
    """A hanging cloth with folds, gathered at its top: rows x rows x 3."""
    u, v = np.meshgrid(np.linspace(-1, 1, rows), np.linspace(0, 1, rows))
    folds, phase = rng.uniform(5, 9), rng.uniform(0, 6)
    depth = 0.12 * v**0.5 * np.sin(folds * u + phase + 0.8 * v)
    flat = np.stack([width / 2 * u * (0.75 + 0.3 * v), height * (0.5 - v), depth], -1)
    return flat + Waves(rng, 1.3)(flat) * np.array([0.05, 0.04, 0.1]) * v[..., None]


def at(surface: Floats, u: Floats, v: Floats) -> Floats:
    """Points of a surface R x C x 3 at u along columns and v along rows, both in [0, 1], bilinear."""
    rows, columns = surface.shape[0] - 1, surface.shape[1] - 1
    y, x = np.clip(v, 0, 1) * rows, np.clip(u, 0, 1) * columns
    top, left = np.minimum(y.astype(int), rows - 1), np.minimum(x.astype(int), columns - 1)
    down, right = (y - top)[..., None], (x - left)[..., None]
    upper = surface[top, left] * (1 - right) + surface[top, left + 1] * right
    lower = surface[top + 1, left] * (1 - right) + surface[top + 1, left + 1] * right
    return upper * (1 - down) + lower * down


def yarn(colour: Floats) -> Material:
    """Thread: matt, a little light comes through."""
    return diffuse(tuple(colour))


def colour_of(rng: np.random.Generator, plate: Floats) -> Floats:
    """A dye, half of the time a colour of the background; linear light."""
    if rng.random() < 0.5:
        rows, columns = plate.shape[:2]
        return np.clip(plate[rng.integers(rows), rng.integers(columns)] ** 2.2, 0.02, 0.85)
    return rng.uniform(0.03, 0.8, 3)


def woven(surface: Floats, threads: int, radius: float, rng: np.random.Generator) -> tuple[Floats, Floats]:
    """Threads along and across a surface, over and under each other, unevenly spaced: two of N x K x 3."""
    share = np.linspace(0, 1, threads)
    steps = np.linspace(0, 1, threads * 2)
    paths = []
    for across in (False, True):
        place = np.clip(share + rng.normal(0, 0.18 / threads, threads), 0, 1)[:, None] + 0 * steps
        place = place + 0.003 * np.sin(12 * steps + rng.uniform(0, 6, (threads, 1)))
        other = np.broadcast_to(steps, place.shape)
        points = at(surface, *((place, other) if across else (other, place)))
        over = np.cos(np.pi * threads * steps)[None] * (-1.0) ** np.arange(threads)[:, None]
        paths.append(points + (radius if across else -radius) * over[..., None] * np.array([0, 0, 1.0]))
    return paths[0], paths[1]


def knitted(surface: Floats, rows: int, columns: int) -> Floats:
    """Rows of stocking stitch: rows x K x 3."""
    angle = np.linspace(0, 2 * np.pi * columns, columns * 12)
    across = (angle + 0.9 * np.sin(2 * angle)) / (2 * np.pi * columns)
    place = (np.arange(rows)[:, None] + 0.9 + 0.85 * np.cos(angle)) / (rows + 0.8)
    points = at(surface, np.broadcast_to(across, place.shape), place)
    return points + 0.012 * np.cos(2 * angle)[None, :, None] * np.array([0, 0, 1.0])


def fuzz(paths: Floats, count: int, length: float, rng: np.random.Generator) -> Floats:
    """Short loose fibres that stand off threads N x K x 3: count x 4 x 3."""
    roots = paths.reshape(-1, 3)[rng.integers(0, paths.shape[0] * paths.shape[1], count)]
    way, bend = rng.normal(0, length, (2, count, 3))
    share = np.linspace(0, 1, 4)[None, :, None]
    return roots[:, None] + way[:, None] * share + bend[:, None] * share**2


def hanger(surface: Floats) -> list[Surface]:
    """A wooden bar along a cloth's upper edge."""
    return [tube(surface[0] * [1.05, 1, 1], 0.025, plastic((0.3, 0.15, 0.06), 0.3))]


def _net_bag(rng: np.random.Generator, dye: Floats) -> tuple[list[Surface], list[Strands]]:
    """Fruit in a net."""
    fruit = np.clip(rng.uniform(0.1, 0.9, 3) * [1.0, 0.7, 0.2], 0.02, 0.9)
    places = rng.uniform([-0.35, -0.55, -0.25], [0.35, 0.15, 0.25], (11, 3))
    inside = [ellipsoid(place, rng.uniform(0.2, 0.25, 3), plastic(tuple(fruit), 0.25)) for place in places]
    rows, columns = 34, 26
    height = np.linspace(0, 1, 120)
    radius = 0.68 * np.sin(np.pi * np.clip(0.12 + 0.8 * (1 - height), 0, 1)) ** 0.7 * (1 - 0.75 * height**4) + 0.03
    waves, paths = Waves(rng, 4.0), []
    for direction in (-1, 1):
        for start in range(columns):
            phi = 2 * np.pi * (start / columns + direction * height * rows / columns / 4)
            phi = phi + 0.05 * np.sin(2 * np.pi * height * rows)
            points = np.stack([radius * np.cos(phi), -0.85 + 1.75 * height, radius * np.sin(phi)], 1)
            paths.append(points + 0.02 * waves(points))
    return inside, [strand(np.stack(paths), 0.0055, plastic(tuple(dye), 0.3))]


def _lace(surface: Floats, rng: np.random.Generator, dye: Floats) -> list[Strands]:
    """Flowers of loops on a fine ground of threads."""
    ground = woven(surface, 64, 0.0015, rng)
    petals = []
    for row in range(6):
        for column in range(6):
            phi = np.linspace(0, 2 * np.pi, 90)
            for size in (0.055, 0.04, 0.02):
                reach = size * (1 + 0.35 * np.cos(6 * phi))
                u = (column + 0.5 + 0.5 * (row % 2)) / 6.5 + reach * np.cos(phi)
                petals.append(at(surface, u, (row + 0.5) / 6 + reach * np.sin(phi)))
    material = yarn(dye)
    return [*(strand(paths, 0.0022, material) for paths in ground), strand(np.stack(petals), 0.0065, material)]


def draw(variant: str, rng: np.random.Generator, plate: Floats) -> Scene:
    """A cloth that hangs, or a net with fruit."""
    dye = colour_of(rng, plate)
    surface = drape(rng)
    parts, strands, null = hanger(surface), [], False
    if variant == "gauze":
        radius = rng.uniform(0.0022, 0.0035)
        strands = [
            strand(paths, radius, yarn(dye)) for paths in woven(surface, int(rng.integers(70, 120)), radius, rng)
        ]
    elif variant == "knit":
        paths = knitted(surface, 34, 30)
        strands = [strand(paths, 0.012, yarn(dye)), strand(fuzz(paths, 9000, 0.016, rng), 0.0012, yarn(dye))]
    elif variant == "scarf":
        narrow = drape(rng, 0.8, 1.9)
        paths = knitted(narrow, 60, 22)
        ends = at(narrow, np.repeat(np.linspace(0.02, 0.98, 20), 14), np.ones(280))
        share = np.linspace(0, 1, 8)[None, :, None]
        fringes = ends[:, None] + share * (np.array([0, -0.3, 0]) + rng.normal(0, 0.03, (280, 1, 3)))
        parts = [tube(circle(0.5)[5:28] * [0.9, 0.25, 1] + [0, 0.83, -0.02], 0.05, metal("Cu", 0.3))]
        strands = [
            strand(paths, 0.011, yarn(dye)),
            strand(fuzz(paths, 12000, 0.02, rng), 0.0011, yarn(dye)),
            strand(fringes + 0.02 * Waves(rng, 6.0)(fringes) * share, 0.005, yarn(dye)),
        ]
    elif variant == "fringe":
        stripes = np.where((np.arange(256) // 16 % 3 == 0)[:, None, None], colour_of(rng, plate), dye)
        cloth = at(surface, *np.meshgrid(np.linspace(0, 1, 120), np.linspace(0, 0.72, 120)))
        roots = at(surface, np.repeat(np.linspace(0.01, 0.99, 56), 9), np.full(504, 0.72))
        share = np.linspace(0, 1, 9)[None, :, None]
        hanging = roots[:, None] + share * (np.array([0, -0.42, 0]) + rng.normal(0, 0.02, (504, 1, 3)))
        hanging = hanging + 0.05 * share * Waves(rng, 2.5)(hanging)
        parts.append(sheet(cloth, leafy(np.repeat(stripes, 4, 1), 0.3)))
        strands = [strand(hanging, 0.0035, yarn(dye)), strand(fuzz(hanging, 3000, 0.02, rng), 0.001, yarn(dye))]
    elif variant == "veil":
        thin = pierced(leafy(tuple(np.clip(dye + 0.2, 0, 0.9)), 1.0), float(rng.uniform(0.2, 0.45)))
        parts.append(sheet(surface, thin))
        hem = np.concatenate([surface[:, 0], surface[-1, 1:], surface[-2::-1, -1]])
        strands, null = [strand(hem, 0.008, yarn(dye))], True
    elif variant == "lace":
        strands = _lace(surface, rng, np.clip(dye + 0.3, 0, 0.85))
    else:
        parts, strands = _net_bag(rng, dye)
        parts.append(tube(line([0, 0.85, 0], [0, 1.1, 0.1]), 0.02, plastic((0.7, 0.1, 0.1))))
    turn = rotation(rng.uniform(-0.5, 0.5), rng.uniform(-0.1, 0.1), rng.uniform(-0.15, 0.15))
    return Scene(
        "cloth",
        variant,
        [moved(part, turn) for part in parts],
        [moved(part, turn) for part in strands],
        samples=81 if null else 25,
        null=null,
        porous=variant not in ("fringe", "veil"),
    )
