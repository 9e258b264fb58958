"""Plants: twigs with leaves, ferns, grass, conifers, seed heads, bare branches."""

import numpy as np

from judge.shapes import (
    UP,
    Floats,
    Material,
    Scene,
    Strands,
    Surface,
    Waves,
    diffuse,
    ellipsoid,
    leafy,
    merge,
    moved,
    rotation,
    sheet,
    strand,
    tapered,
    tube,
    unit,
)

VARIANTS = ("twig", "fern", "grass", "conifer", "dandelion", "bare", "bush")
BARK = (0.16, 0.1, 0.06)


def green(rng: np.random.Generator) -> Floats:
    """A leaf's colour in linear light, fresh, dark or autumnal."""
    base = np.array([[0.12, 0.3, 0.04], [0.04, 0.14, 0.03], [0.3, 0.33, 0.06], [0.5, 0.16, 0.03]])
    return np.clip(base[rng.choice(4, p=[0.4, 0.3, 0.15, 0.15])] * rng.uniform(0.6, 1.4, 3), 0.01, 0.9)


def leaf(
    base: Floats, way: Floats, face: Floats, size: float, width: float, curl: float, material: Material
) -> Surface:
    """A pointed leaf that starts at `base` along `way`, its upper side to `face`."""
    along = unit(way)
    across = unit(np.cross(along, face))
    normal = np.cross(across, along)
    t, s = np.meshgrid(np.linspace(0, 1, 9), np.linspace(-1, 1, 5), indexing="ij")
    half = (
        width * size * np.sin(np.pi * (0.01 + 0.98 * t**0.8)) ** 0.9
    )  # never 0: a triangle without area has no normal
    points = (
        base
        + (t * size)[..., None] * along
        + (s * half)[..., None] * across
        + (abs(s) * half * 0.5 - curl * size * t**2)[..., None] * normal
    )
    return sheet(points, material)


def branches(
    rng: np.random.Generator, start: Floats, way: Floats, length: float, depth: int, bend: float
) -> list[Floats]:
    """Paths of a branch and its side branches, by a branching rule; each 10 x 3."""
    points, direction = [start], unit(way)
    for _ in range(9):
        direction = unit(direction + bend * rng.normal(size=3) + 0.03 * UP)
        points.append(points[-1] + direction * length / 9)
    path = np.stack(points)
    made = [path]
    if depth:
        for place in rng.choice(np.arange(2, 10), int(rng.integers(3, 6)), replace=False):
            along = unit(path[place] - path[place - 1])
            side = unit(np.cross(along, rng.normal(size=3)) * [1, 1, 0.6])
            sub = length * rng.uniform(0.4, 0.65) * (1.2 - place / 14)
            made += branches(rng, path[place], along + side * rng.uniform(0.7, 1.4), sub, depth - 1, bend)
    return made


def wood(paths: list[Floats], radius: float) -> list[Surface]:
    """Bars along branches, thinner the shorter they are."""
    longest = max(np.linalg.norm(path[-1] - path[0]) for path in paths)
    sizes = [radius * (np.linalg.norm(path[-1] - path[0]) / longest) ** 1.1 for path in paths]
    bars = [
        tube(path, np.linspace(size, size * 0.45, len(path)), diffuse(BARK), 7)
        for path, size in zip(paths, sizes, strict=True)
    ]
    return [merge(bars)]


def foliated(
    paths: list[Floats], rng: np.random.Generator, per_path: int, size: float, width: float
) -> list[Surface]:
    """Leaves in three colours along branches."""
    colours = [leafy(tuple(green(rng)), 0.9) for _ in range(3)]
    made: list[list[Surface]] = [[], [], []]
    for path in paths:
        for _ in range(per_path):
            place = int(rng.integers(2, len(path)))
            along = unit(path[place] - path[place - 1])
            way = along + 1.1 * unit(rng.normal(size=3)) + [0, -0.25, 0]
            face = UP + 0.8 * rng.normal(size=3)
            which = int(rng.integers(3))
            scale = size * rng.uniform(0.6, 1.2)
            made[which].append(leaf(path[place], way, face, scale, width, rng.uniform(0.0, 0.5), colours[which]))
    return [merge(leaves) for leaves in made if leaves]


def _fern(rng: np.random.Generator) -> list[Surface]:
    """Fronds whose leaflets shrink towards the tip."""
    colour, leaves, stems = leafy(tuple(green(rng)), 0.9), [], []
    for frond in range(int(rng.integers(4, 7))):
        angle = rng.uniform(-1.1, 1.1)
        t = np.linspace(0, 1, 36)
        reach, droop = rng.uniform(1.1, 1.6), rng.uniform(0.2, 0.6)
        path = np.stack(
            [
                np.sin(angle) * reach * t,
                -0.9 + np.cos(angle) * reach * t - droop * t**2,
                0.25 * np.sin(frond * 2.0) * t,
            ],
            1,
        )
        stems.append(tube(path, np.linspace(0.012, 0.003, 36), colour, 6))
        for index in range(4, 36):
            along = unit(path[index] - path[index - 1])
            for side in (-1, 1):
                across = unit(np.cross(along, [0, 0, 1.0])) * side
                size = 0.34 * np.sin(np.pi * (index / 36) ** 0.7) ** 0.8 + 0.03
                leaves.append(
                    leaf(
                        path[index],
                        across + 0.5 * along + 0.12 * rng.normal(size=3),
                        np.array([0, 0.3, 1.0]),
                        size,
                        0.13,
                        0.2,
                        colour,
                    )
                )
    return [merge(leaves), merge(stems)]


def _grass(rng: np.random.Generator) -> tuple[list[Surface], list[Strands]]:
    """Blades in a tuft and ears on stalks."""
    colours = [leafy(tuple(green(rng)), 0.8) for _ in range(2)]
    blades: list[list[Surface]] = [[], []]
    for index in range(150):
        root = np.array([rng.normal(0, 0.22), -1.25, rng.normal(0, 0.15)])
        size, lean = rng.uniform(0.9, 2.1), rng.normal(0, 0.4, 2)
        t = np.linspace(0, 1, 16)
        path = root + np.stack([lean[0] * t**2 * size, size * (t - 0.25 * abs(lean[0]) * t**3), lean[1] * t**2], 1)
        half = rng.uniform(0.006, 0.016) * (1.02 - t**2)[:, None] * unit(rng.normal(size=3) * [1, 0.1, 1])
        blades[index % 2].append(sheet(np.stack([path - half, path + half], 1), colours[index % 2]))
    ears = []
    for _ in range(9):
        root, tip = (
            np.array([rng.normal(0, 0.15), -1.25, 0]),
            np.array([rng.normal(0, 0.55), rng.uniform(0.5, 0.95), rng.normal(0, 0.1)]),
        )
        stalk = np.linspace(root, tip, 12) + np.outer(np.linspace(0, 1, 12) ** 2, [rng.normal(0, 0.1), 0, 0])
        ears.append((stalk, tip + [stalk[-1][0] - tip[0], 0, 0]))
    straw = diffuse((0.45, 0.36, 0.14))
    stalks = [strand(stalk, 0.005, straw) for stalk, _ in ears]
    awns = []
    for _, tip in ears:
        roots = tip + np.stack([0 * np.arange(90), np.linspace(-0.3, 0, 90), 0 * np.arange(90)], 1)
        way = unit(rng.normal(0, 0.5, (90, 3)) + [0, 1.2, 0]) * rng.uniform(0.05, 0.16, (90, 1))
        awns.append(roots[:, None] + way[:, None] * np.linspace(0, 1, 5)[None, :, None])
    return [merge(group) for group in blades], [*stalks, tapered(np.concatenate(awns), 0.004, straw, 0.1)]


def _dandelion(rng: np.random.Generator) -> tuple[list[Surface], list[Strands]]:
    """A seed head: stalks from a middle, each with a parachute of fine hairs."""
    middle, reach = np.array([0.0, 0.25, 0]), rng.uniform(0.4, 0.5)
    seeds = unit(rng.normal(size=(int(rng.integers(110, 190)), 3)))
    seeds = seeds[
        rng.random(len(seeds)) < np.where(seeds[:, 0] > 0.3, rng.uniform(0.3, 1), 1.0)
    ]  # some are blown off
    tips = middle + seeds * reach
    stalks = np.linspace(np.broadcast_to(middle, tips.shape), tips, 6).transpose(1, 0, 2)
    around = unit(rng.normal(size=(len(seeds), 26, 3)))
    way = unit(around + 1.1 * seeds[:, None]) * rng.uniform(0.13, 0.2, (len(seeds), 26, 1))
    hairs = (tips[:, None, None] + way[:, :, None] * np.linspace(0, 1, 5)[None, None, :, None]).reshape(-1, 5, 3)
    stem = np.stack([0.08 * np.sin(np.linspace(0, 2, 20)), np.linspace(0.22, -1.4, 20), np.zeros(20)], 1)
    white, brown = diffuse((0.75, 0.72, 0.65)), diffuse((0.25, 0.18, 0.1))
    parts = [tube(stem, 0.03, leafy((0.2, 0.3, 0.08), 0.5)), ellipsoid(middle, (0.07, 0.06, 0.07), brown)]
    return parts, [tapered(hairs, 0.0022, white, 0.4), strand(stalks, 0.0022, white)]


def draw(variant: str, rng: np.random.Generator, plate: Floats) -> Scene:
    """One plant, or a part of it."""
    strands: list[Strands] = []
    if variant in ("twig", "bare", "bush", "conifer"):
        depth = {"twig": 1, "bare": 3, "bush": 3, "conifer": 2}[variant]
        start = (
            np.array([rng.uniform(-1.3, -0.9), rng.uniform(-1.0, -0.3), 0.0])
            if variant != "bush"
            else np.array([0.0, -1.3, 0])
        )
        way = np.array([1.0, rng.uniform(0.2, 0.7), 0]) if variant != "bush" else np.array([0.1, 1.0, 0])
        length = 2.6 if variant != "bush" else 1.9
        paths = branches(rng, start, way, length, depth, {"bare": 0.13, "bush": 0.1}.get(variant, 0.07))
        parts = wood(paths, 0.03 if variant != "bush" else 0.05)
        if variant in ("twig", "bush"):
            small = (0.38, 0.32, 6) if variant == "twig" else (0.2, 0.3, 6)
            parts += foliated(paths, rng, small[2], small[0], rng.uniform(0.18, small[1] + 0.1))
        if variant == "conifer":
            dense = np.concatenate(
                [np.linspace(path[:-1], path[1:], 40).transpose(1, 0, 2).reshape(-1, 3) for path in paths]
            )
            roots = dense[rng.integers(0, len(dense), 9000)] + rng.normal(0, 0.003, (9000, 3))
            needles = unit(rng.normal(size=(9000, 3)) + [0.5, 0.2, 0]) * rng.uniform(0.06, 0.13, (9000, 1))
            path = roots[:, None] + needles[:, None] * np.linspace(0, 1, 5)[None, :, None]
            strands = [tapered(path[half::2], 0.0042, diffuse(tuple(green(rng) * 0.8)), 0.4) for half in (0, 1)]
    elif variant == "fern":
        parts = _fern(rng)
    elif variant == "grass":
        parts, strands = _grass(rng)
    else:
        parts, strands = _dandelion(rng)
    sway = Waves(rng, 1.0)
    turn = rotation(
        rng.uniform(-0.4, 0.4), rng.uniform(-0.1, 0.1), rng.uniform(-0.15, 0.15) + 0.02 * float(sway(np.zeros(3))[0])
    )
    return Scene(
        "foliage",
        variant,
        [moved(part, turn) for part in parts],
        [moved(part, turn) for part in strands],
        samples=36,
        porous=True,
    )
