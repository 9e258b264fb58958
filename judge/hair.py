"""Heads of hair: strands that grow from a scalp, hang, wave, curl, or fly in the wind."""

import numpy as np

from judge.shapes import (
    Floats,
    Material,
    Scene,
    Strands,
    Surface,
    Waves,
    diffuse,
    ellipsoid,
    hair,
    moved,
    plastic,
    rotation,
    tapered,
    tube,
    unit,
)

VARIANTS = ("straight", "wavy", "curly", "wind", "bob", "ponytail", "flyaway")
POINTS = 22
COUNT = 11000  # strands
HEAD, HEAD_RADII = np.array([0.0, 0.22, 0.0]), np.array([0.37, 0.5, 0.43])
SHOULDERS, SHOULDER_RADII = np.array([0.0, -1.05, 0.0]), np.array([0.88, 0.5, 0.36])
COLOURS = {  # eumelanin, pheomelanin
    "black": (6.0, 0.3), "brown": (1.6, 0.3), "chestnut": (0.7, 0.6), "blond": (0.16, 0.12), "red": (0.25, 1.3),
    "grey": (0.09, 0.0),
}  # fmt: skip


def push_out(points: Floats, centre: Floats, radii: Floats, gap: float) -> Floats:
    """Move points that lie in an ellipsoid, or nearer than `gap` of its size, onto its outside."""
    scaled = (points - centre) / radii
    length = np.linalg.norm(scaled, axis=-1, keepdims=True)
    return np.where(length < 1 + gap, centre + radii * scaled / np.maximum(length, 1e-6) * (1 + gap), points)


def scalp(count: int, rng: np.random.Generator) -> tuple[Floats, Floats]:
    """Roots on the scalp, face (towards +z) and neck left free, and normals there."""
    directions = unit(rng.normal(size=(count * 4, 3)))
    y, z = directions[:, 1:].T
    hairline = (z < 0.35 + 0.2 * y) | (y > 0.62)
    kept = directions[hairline & (y > -0.45) & (y > 1.6 * z - 1.2)][:count]
    return HEAD + HEAD_RADII * kept, unit(kept / HEAD_RADII)


def grow(
    roots: Floats, start: Floats, length: Floats, rng: np.random.Generator, weight: float, wild: Floats, wind: Floats
) -> Floats:
    """Paths N x POINTS x 3 that leave along `start` and bend down by `weight`; `wild` N is how much each strays."""
    coarse, fine = Waves(rng, 2.0), Waves(rng, 9.0)
    shift = rng.normal(0, 1, (len(roots), 3))
    points, direction, path = roots, start, [roots]
    step = (length / (POINTS - 1))[:, None]
    for index in range(1, POINTS):
        share = index / POINTS
        pull = np.array([0, -1.0, 0]) * weight + wind * share
        stray = 0.25 * coarse(points) + wild[:, None] * (fine(points) + 0.7 * coarse(points + shift))
        direction = unit(direction + pull + stray * 0.5)
        points = points + direction * step
        points = push_out(points, HEAD, HEAD_RADII, 0.03 + 0.05 * rng.random())
        points = push_out(points, SHOULDERS, SHOULDER_RADII, 0.03)
        path.append(points)
    return np.stack(path, 1)


def clumped(path: Floats, guides: int, tightness: float, rng: np.random.Generator) -> tuple[Floats, Floats]:
    """Strands drawn towards the nearest of some of them the farther from the root; and which one that is."""
    chosen = rng.choice(len(path), guides, replace=False)
    distances = ((path[:, None, 0] - path[None, chosen, 0]) ** 2).sum(-1)
    nearest = distances.argmin(1)
    share = tightness * np.linspace(0, 1, POINTS)[None, :, None] ** 1.3
    own = share * rng.uniform(0.3, 1, (len(path), 1, 1))
    return path * (1 - own) + path[chosen][nearest] * own, nearest


def curled(path: Floats, clump: Floats, turns: float, radius: float, rng: np.random.Generator) -> Floats:
    """Strands wound around their way; those of a clump turn together."""
    count = int(clump.max()) + 1
    share = np.linspace(0, 1, POINTS)
    phase, speed = rng.uniform(0, 2 * np.pi, count)[clump], rng.uniform(0.75, 1.25, count)[clump] * turns
    angle = phase[:, None] + 2 * np.pi * speed[:, None] * share + rng.normal(0, 0.25, (len(path), 1))
    size = radius * np.minimum(1, 3 * share)[None] * rng.uniform(0.6, 1.2, (len(path), 1))
    along = unit(np.gradient(path, axis=1))
    side = unit(np.cross(along, np.array([0.3, 0.2, 1.0])))
    return path + size[..., None] * (
        np.cos(angle)[..., None] * side + np.sin(angle)[..., None] * np.cross(along, side)
    )


def bust(rng: np.random.Generator) -> list[Surface]:
    """Head, neck and dressed shoulders, without a face: a mannequin's."""
    tone = rng.choice([0.12, 0.3, 0.55])
    skin: Material = plastic((tone, tone * 0.66, tone * 0.48), 0.35)
    cloth = diffuse(tuple(rng.uniform(0.03, 0.6, 3)))
    neck = np.linspace([0, 0.05, -0.04], [0, -0.75, 0.0], 9)
    nose = ellipsoid(HEAD + [0, -0.08, 0.42], (0.05, 0.1, 0.08), skin)
    ears = [ellipsoid(HEAD + [side * 0.37, -0.05, 0], (0.04, 0.1, 0.06), skin) for side in (-1, 1)]
    parts = [ellipsoid(HEAD, HEAD_RADII * 0.99, skin), nose, *ears, tube(neck, 0.17, skin, 32)]
    return [*parts, ellipsoid(SHOULDERS, SHOULDER_RADII * 0.99, cloth)]


def groups(path: Floats, radius: float, colour: str, rng: np.random.Generator) -> list[Strands]:
    """Strands in three shades of a colour."""
    eumelanin, pheomelanin = COLOURS[colour]
    shade = rng.integers(0, 3, len(path))
    return [
        tapered(path[shade == index], radius, hair(eumelanin * factor, pheomelanin * factor))
        for index, factor in enumerate((0.6, 1.0, 1.5))
    ]


def draw(variant: str, rng: np.random.Generator, plate: Floats) -> Scene:
    """A head from behind, from the side or in three-quarter view."""
    colour = str(rng.choice(list(COLOURS)))
    roots, normals = scalp(round(COUNT * {"curly": 0.8, "flyaway": 0.6}.get(variant, 1)), rng)
    long = {"straight": 1.5, "wavy": 1.35, "curly": 1.1, "wind": 1.4, "bob": 0.62, "ponytail": 1.1, "flyaway": 1.2}
    length = long[variant] * rng.uniform(0.72, 1.05, len(roots))
    wild = rng.exponential(0.06, len(roots)) + (rng.random(len(roots)) < 0.05) * rng.uniform(0.2, 0.7, len(roots))
    if variant == "flyaway":
        wild *= 3
    wind = np.array([rng.choice([-1, 1]) * rng.uniform(0.5, 0.8), 0.22, -0.1]) if variant == "wind" else np.zeros(3)
    parting = np.stack([np.sign(roots[:, 0] - 0.06) * 0.5, 0.3 + 0 * roots[:, 0], -0.4 + 0 * roots[:, 0]], 1)
    weight = {"curly": 0.05, "wind": 0.13, "flyaway": 0.2}.get(variant, 0.3)
    if variant == "ponytail":
        path = _tied(roots, normals, length, rng, wild)
        path, clump = clumped(path, COUNT // 180, 0.25, rng)
    else:
        path = grow(roots, unit(normals + parting), length, rng, weight, wild, wind)
        path, clump = clumped(
            path, COUNT // 30 if variant == "curly" else COUNT // 60, 0.75 if variant != "flyaway" else 0.3, rng
        )
    if variant in ("wavy", "curly"):
        path = curled(path, clump, 6.0 if variant == "curly" else 2.5, 0.05 if variant == "curly" else 0.035, rng)
    yaw = rng.choice([np.pi, np.pi / 2, -np.pi / 2, 0.6, -0.6]) + rng.uniform(-0.4, 0.4)
    turn = rotation(yaw, rng.uniform(-0.15, 0.15), rng.uniform(-0.12, 0.12))
    return Scene(
        "hair",
        variant,
        [moved(part, turn) for part in bust(rng)],
        [moved(part, turn) for part in groups(path, rng.uniform(0.0011, 0.0017), colour, rng)],
        samples=16,
        bounces=9 if colour in ("blond", "grey") else 6,
    )


def _tied(roots: Floats, normals: Floats, length: Floats, rng: np.random.Generator, wild: Floats) -> Floats:
    """Strands combed along the head to a knot at its back, and hanging from there."""
    knot = HEAD + np.array([0, 0.12, -0.5])
    share = np.linspace(0, 1, 11)[None, :, None]
    combed = roots[:, None] * (1 - share) + (knot + rng.normal(0, 0.02, (len(roots), 1, 3))) * share
    combed = push_out(combed, HEAD, HEAD_RADII, 0.03)
    tail = [combed[:, -1]]
    direction = unit(np.array([0, 0.35, -1.0]) + rng.normal(0, 0.22, roots.shape))
    waves, shift = Waves(rng, 3.0), rng.normal(0, 0.5, roots.shape)
    for _ in range(POINTS - 11):
        direction = unit(direction + np.array([0, -0.32, 0]) + (0.15 + wild[:, None]) * waves(tail[-1] + shift) * 0.6)
        further = tail[-1] + direction * (length / (POINTS - 11))[:, None]
        tail.append(push_out(further, SHOULDERS, SHOULDER_RADII, 0.03))
    loose = rng.random(len(roots)) < 0.03
    combed[loose] += 0.05 * Waves(rng, 5.0)(combed[loose]) * share
    return np.concatenate([combed, np.stack(tail[1:], 1)], 1)
