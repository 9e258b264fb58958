"""Furry creatures and things: short fibres combed over a body."""

import numpy as np

from judge.shapes import (
    Floats,
    Scene,
    Strands,
    Surface,
    Waves,
    blobs,
    diffuse,
    ellipsoid,
    hair,
    moved,
    plastic,
    rotation,
    scatter,
    sheet,
    tapered,
    tube,
    unit,
)

COUNT = 48000  # fibres
VARIANTS = ("bear", "cat", "tail", "ball", "pelt", "chick", "bunny")
COATS = ((4.0, 0.3), (1.4, 0.4), (0.5, 0.6), (0.14, 0.15), (0.3, 1.2), (0.04, 0.0))  # eumelanin, pheomelanin
BODIES: dict[str, tuple[list[list[float]], list[float]]] = {
    "bear": (
        [[0, 0.32, 0], [-0.3, 0.66, 0], [0.3, 0.66, 0], [0, 0.24, 0.32], [0, -0.42, 0], [-0.5, -0.2, 0.15],
         [0.5, -0.2, 0.15], [-0.4, -0.85, 0.25], [0.4, -0.85, 0.25]],
        [0.42, 0.15, 0.15, 0.18, 0.5, 0.2, 0.2, 0.22, 0.22],
    ),
    "cat": (
        [[0, 0.15, 0], [0, -0.02, 0.36], [-0.29, 0.58, 0], [-0.33, 0.7, 0], [0.29, 0.58, 0], [0.33, 0.7, 0],
         [0, -0.65, -0.15], [-0.25, -1.05, -0.1], [0.25, -1.05, -0.1]],
        [0.5, 0.2, 0.15, 0.09, 0.15, 0.09, 0.5, 0.4, 0.4],
    ),
    "bunny": (
        [[0, 0.05, 0], [0, -0.05, 0.3],
         *[[s * (0.16 + 0.03 * k), 0.45 + 0.12 * k, -0.05] for s in (-1, 1) for k in range(5)],
         [0, -0.6, -0.1], [-0.3, -0.9, 0.1], [0.3, -0.9, 0.1]],
        [0.4, 0.2, *[0.12 - 0.008 * k for _ in range(2) for k in range(5)], 0.5, 0.25, 0.25],
    ),
    "chick": ([[0, 0.35, 0.05], [0, -0.3, -0.05], [-0.3, -0.25, 0], [0.3, -0.25, 0]], [0.4, 0.6, 0.35, 0.35]),
    "ball": ([[0, 0, 0]], [0.62]),
}  # fmt: skip


def coat(
    body: Surface,
    count: int,
    length: float,
    rng: np.random.Generator,
    radius: float = 0.0016,
    lift: float = 0.5,
    spread: float = 0.25,
) -> list[Strands]:
    """Fibres of up to `length` in three colours that change over the body in patches."""
    roots, normals = scatter(body, count, rng)
    comb, patches, tufts = Waves(rng, 1.6), Waves(rng, 2.2), Waves(rng, 14.0)
    flow = comb(roots) + np.array([0, -1.2, 0])
    flow = unit(flow - normals * (flow * normals).sum(1, keepdims=True))
    direction = unit(lift * normals + flow * 0.6 + spread * tufts(roots) + 0.14 * rng.normal(size=roots.shape))
    size = length * rng.uniform(0.5, 1.0, count) * (1 + 0.25 * comb(roots)[:, 0].clip(-1, 1))
    share = np.linspace(0, 1, 6)[None, :, None]
    sag = (flow * 0.5 + np.array([0, -0.35, 0]) + 0.25 * rng.normal(size=roots.shape))[:, None] * share**2
    path = roots[:, None] + size[:, None, None] * (direction[:, None] * share + sag * 0.6)
    colours = rng.permutation(len(COATS))[:3]
    zone = np.digitize(patches(roots)[:, 1] + 0.3 * rng.normal(size=count), [-0.1, 0.7])
    return [
        tapered(path[zone == index], radius, hair(*COATS[colour], roughness=0.35), tip=0.15)
        for index, colour in enumerate(colours)
        if (zone == index).any()
    ]


def face(variant: str) -> list[Surface]:
    """Eyes and a nose or beak."""
    black = plastic((0.01, 0.01, 0.01), 0.05)
    if variant == "bear":
        eyes, nose = [[s * 0.17, 0.42, 0.42] for s in (-1, 1)], ([0, 0.3, 0.52], (0.07, 0.05, 0.05))
    elif variant == "cat":
        eyes, nose = [[s * 0.2, 0.25, 0.47] for s in (-1, 1)], ([0, 0.03, 0.58], (0.04, 0.03, 0.03))
    elif variant == "bunny":
        eyes, nose = [[s * 0.22, 0.14, 0.36] for s in (-1, 1)], ([0, 0.0, 0.52], (0.04, 0.03, 0.03))
    else:
        eyes, nose = [[s * 0.16, 0.45, 0.42] for s in (-1, 1)], ([0, 0.32, 0.5], (0.08, 0.05, 0.12))
    beak = plastic((0.7, 0.25, 0.03), 0.2) if variant == "chick" else black
    return [*(ellipsoid(eye, (0.06, 0.06, 0.05), black) for eye in eyes), ellipsoid(*nose, beak)]


def whiskers(rng: np.random.Generator) -> Strands:
    """Long stiff white hairs beside the nose."""
    count = 14
    side = np.where(np.arange(count) % 2, 1.0, -1.0)
    root = np.stack([side * 0.12, rng.uniform(-0.06, 0.02, count), np.full(count, 0.54)], 1)
    way = np.stack([side, rng.uniform(-0.35, 0.3, count), rng.uniform(0.0, 0.3, count)], 1)
    share = np.linspace(0, 1, 6)[None, :, None]
    path = root[:, None] + way[:, None] * share * 0.75 + np.array([0, -0.12, 0]) * share**2
    return tapered(path, 0.0035, hair(0.02, 0.0), tip=0.1)


def draw(variant: str, rng: np.random.Generator, plate: Floats) -> Scene:
    """A toy, an animal's tail, a pelt or a ball."""
    skin = diffuse(tuple(np.array([0.12, 0.09, 0.07]) * rng.uniform(0.4, 1.6)))
    extra: list[Surface] = []
    strands: list[Strands] = []
    if variant == "tail":
        share = np.linspace(0, 1, 40)
        bend = rng.uniform(0.5, 0.9) * rng.choice([-1, 1])
        path = np.stack([bend * np.sin(2.6 * share) - bend / 3, -1.3 + 2.1 * share, 0.2 * np.sin(4 * share)], 1)
        body = tube(path, 0.03 + 0.14 * np.sin(np.pi * share**0.8) ** 0.8, skin, 24)
        strands = coat(body, COUNT, 0.34, rng, lift=0.45, spread=0.35)
    elif variant == "pelt":
        x, y = np.meshgrid(np.linspace(-0.75, 0.75, 60), np.linspace(0.85, -0.75, 60))
        waves = Waves(rng, 2.0)
        flat = np.stack([x * (1 + 0.2 * np.sin(3 * y + 1)), y, 0 * x], -1)
        body = sheet(flat + waves(flat) * [0.05, 0.05, 0.12], skin)
        strands = coat(body, COUNT, 0.26, rng, lift=0.5, spread=0.4)
    else:
        centres, radii = BODIES[variant]
        body = blobs(centres, radii, skin)
        fur = {"bear": 0.12, "cat": 0.17, "bunny": 0.13, "chick": 0.14, "ball": 0.42}[variant] * rng.uniform(0.8, 1.3)
        strands = coat(body, COUNT, fur, rng, radius=0.0014, lift=0.9 if variant in ("chick", "ball") else 0.55)
        if variant != "ball":
            extra = face(variant)
        if variant in ("cat", "bunny"):
            strands.append(whiskers(rng))
    turn = rotation(rng.uniform(-0.8, 0.8), rng.uniform(-0.2, 0.3), rng.uniform(-0.15, 0.15))
    parts = [moved(part, turn) for part in (body, *extra)]
    return Scene("fur", variant, parts, [moved(part, turn) for part in strands], samples=16, bounces=7)
