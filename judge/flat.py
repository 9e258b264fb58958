"""Flat, opaque, patterned things that a subject holds or leans on; the trimap leaves them wholly unknown."""

import numpy as np

from judge.shapes import (
    Floats,
    Scene,
    Strands,
    Surface,
    Waves,
    blobs,
    box,
    diffuse,
    ellipsoid,
    leafy,
    line,
    metal,
    moved,
    plastic,
    rotation,
    sheet,
    strand,
    tube,
)

VARIANTS = ("flag", "cards", "sign", "parcel", "umbrella", "kite", "bunting")


def picked(rng: np.random.Generator, plate: Floats, count: int) -> Floats:
    """Colours in linear light, half of the time of the background: count x 3."""
    if rng.random() < 0.5:
        rows, columns = rng.integers(0, plate.shape[0], count), rng.integers(0, plate.shape[1], count)
        return np.clip(plate[rows, columns] ** 2.2 * rng.uniform(0.7, 1.4, (count, 1)), 0.01, 0.9)
    return rng.uniform(0, 1, (count, 3)) ** 2 * 0.85 + 0.01


def pattern(rng: np.random.Generator, plate: Floats, side: int = 256) -> Floats:
    """A print, side x side x 3 in linear light: stripes, checks, dots, a disc, lines of text, a photograph."""
    first, second, third = picked(rng, plate, 3)
    y, x = np.mgrid[:side, :side] / side
    form, count = int(rng.integers(6)), int(rng.integers(3, 9))
    if form == 0:
        band = (np.floor(count * (x if rng.random() < 0.5 else y)) % 2)[..., None]
        return np.where(band > 0, first, second)
    if form == 1:
        return np.where(((np.floor(count * x) + np.floor(count * y)) % 2)[..., None] > 0, first, second)
    if form == 2:
        dots = np.hypot(count * x % 1 - 0.5, count * y % 1 - 0.5) < 0.3
        return np.where(dots[..., None], first, second)
    if form == 3:
        made = np.where((np.hypot(x - 0.5, y - 0.5) < 0.28)[..., None], first, second)
        return np.where((abs(x - 0.5) > 0.42)[..., None], third, made)
    if form == 4:
        words = rng.random((16, 24)).repeat(side // 16, 0).repeat(side // 24 + 1, 1)[:, :side] < 0.7
        ink = words & (y * 16 % 1 > 0.35) & (x > 0.1) & (x < 0.85 + 0.1 * np.sin(40 * np.floor(16 * y)))
        return np.where(ink[..., None], first * 0.2, np.clip(second + 0.3, 0, 0.9))
    rows, columns = (
        np.linspace(0, plate.shape[0] - 1, side).astype(int),
        np.linspace(0, plate.shape[1] - 1, side).astype(int),
    )
    return np.clip(plate[rows][:, columns[::-1]] ** 2.2, 0.01, 0.9)


def toy(rng: np.random.Generator, plate: Floats) -> list[Surface]:
    """A round toy figure with an arm stretched to the right."""
    paint = plastic(tuple(picked(rng, plate, 1)[0]), 0.2)
    black = plastic((0.01, 0.01, 0.01), 0.05)
    body = blobs(
        [[-0.4, 0.2, 0], [-0.4, -0.45, 0], [-0.1, -0.2, 0.1], [0.05, -0.15, 0.15], [-0.75, -0.35, 0.1],
         [-0.55, -0.95, 0.1], [-0.25, -0.95, 0.1]],
        [0.3, 0.36, 0.14, 0.12, 0.15, 0.17, 0.17],
        paint,
    )  # fmt: skip
    return [body, *(ellipsoid([-0.4 + side * 0.12, 0.27, 0.28], (0.05, 0.06, 0.04), black) for side in (-1, 1))]


def wavy(rng: np.random.Generator, width: float, height: float, depth: float) -> Floats:
    """A waving sheet, 60 x 60 x 3, from (0, 0) to the right and down."""
    u, v = np.meshgrid(np.linspace(0, 1, 60), np.linspace(0, 1, 60))
    flat = np.stack([width * u, -height * v, 0 * u], -1)
    return flat + depth * Waves(rng, 3.0)(flat) * np.array([0.2, 0.3, 1.0]) * u[..., None]


def _flag(rng: np.random.Generator, plate: Floats) -> tuple[list[Surface], list[Strands]]:
    cloth = sheet(
        wavy(rng, rng.uniform(0.7, 0.95), rng.uniform(0.4, 0.6), 0.09),
        leafy(pattern(rng, plate), 0.4),
        uncertain=True,
    )
    pole = tube(line([0.1, -0.5, 0.18], [0.1, 0.95, 0.18]), 0.02, plastic((0.5, 0.3, 0.12), 0.3))
    return [*toy(rng, plate), pole, moved(cloth, offset=(0.1, 0.9, 0.18))], []


def _cards(rng: np.random.Generator, plate: Floats) -> tuple[list[Surface], list[Strands]]:
    cards = []
    for index in range(5):
        u, v = np.meshgrid(np.linspace(-0.19, 0.19, 12), np.linspace(0.85, 0.25, 12))
        bent = np.stack([u, v, 0.25 * u**2], -1)
        turn = rotation(0, 0, 0.5 - 0.25 * index + rng.normal(0, 0.03))
        print_on = np.pad(pattern(rng, plate, 192)[..., :3], ((16, 16), (16, 16), (0, 0)), constant_values=0.85)
        cards.append(
            moved(sheet(bent, plastic(print_on, 0.2), uncertain=True), turn, (0.2, -0.35, 0.16 + 0.015 * index))
        )
    return [*toy(rng, plate), *cards], []


def _sign(rng: np.random.Generator, plate: Floats) -> tuple[list[Surface], list[Strands]]:
    u, v = np.meshgrid(np.linspace(-0.62, 0.62, 8), np.linspace(0.4, -0.4, 8))
    board = sheet(np.stack([u, v + 0.35, 0.03 + 0 * u], -1), plastic(pattern(rng, plate), 0.25), uncertain=True)
    posts = [tube(line([x, -1.5, 0], [x, 0.72, 0], 16), 0.035, metal("Al", 0.3)) for x in (-0.4, 0.4)]
    return [*posts, board], []


def _parcel(rng: np.random.Generator, plate: Floats) -> tuple[list[Surface], list[Strands]]:
    turn = rotation(rng.uniform(0.3, 0.9), 0.2)
    parcel = moved(box((0.75, 0.55, 0.55), diffuse(pattern(rng, plate)), uncertain=True), turn, (0.45, -0.25, 0.25))
    return [*toy(rng, plate), parcel], []


def _umbrella(rng: np.random.Generator, plate: Floats) -> tuple[list[Surface], list[Strands]]:
    theta, phi = np.meshgrid(np.linspace(0.01, 1.15, 30), np.linspace(0, 2 * np.pi, 65), indexing="ij")
    sag = 1 - 0.08 * np.sin(4 * phi) ** 2 * theta
    dome = np.stack(
        [
            0.95 * np.sin(theta) * np.cos(phi) * sag,
            0.75 * np.cos(theta) * sag + 0.1,
            0.95 * np.sin(theta) * np.sin(phi) * sag,
        ],
        -1,
    )
    cover = sheet(dome, leafy(pattern(rng, plate), 0.4), uncertain=True)
    arc = np.linspace(0, np.pi, 14)
    hook = np.stack([0.09 - 0.09 * np.cos(arc), -0.85 - 0.09 * np.sin(arc), 0 * arc], 1)
    stick = np.concatenate([line([0, 0.92, 0], [0, -0.85, 0], 24), hook])
    turn = rotation(0, rng.uniform(0.2, 0.7), rng.uniform(-0.5, 0.5))
    return [moved(part, turn) for part in (cover, tube(stick, 0.018, metal("Cr", 0.2)))], []


def _kite(rng: np.random.Generator, plate: Floats) -> tuple[list[Surface], list[Strands]]:
    corners = np.array([[0, 0.9, 0], [0.55, 0.3, 0.05], [0, -0.6, 0], [-0.55, 0.3, 0.05]])
    faces = np.array([[0, 1, 2], [0, 2, 3]])
    uv = np.array([[0.5, 1], [1, 0.6], [0.5, 0], [0, 0.6]])
    sail = Surface(corners, faces, uv, leafy(pattern(rng, plate), 0.6), smooth=False, uncertain=True)
    t = np.linspace(0, 1, 40)
    tail = np.stack([0.15 * np.sin(7 * t) * t, -0.6 - 0.75 * t, 0.1 * np.cos(5 * t)], 1)
    bows = []
    for place in (8, 16, 24, 32):
        wing = np.array([[-0.12, 0.05, 0], [0.12, -0.05, 0.02]])
        strip = np.stack([wing + [0, 0.05, 0], wing - [0, 0.05, 0]])
        bows.append(moved(sheet(strip, diffuse(tuple(picked(rng, plate, 1)[0]))), offset=tail[place]))
    sticks = [tube(line([0, 0.92, -0.02], [0, -0.62, -0.02]), 0.01, diffuse((0.3, 0.2, 0.1)))]
    return [sail, *sticks, *bows], [strand(tail, 0.006, diffuse((0.6, 0.6, 0.6)))]


def _bunting(rng: np.random.Generator, plate: Floats) -> tuple[list[Surface], list[Strands]]:
    """Pennants on two strings; those of the upper one are known."""
    parts, strings = [], []
    for height in (0.65, -0.25):
        t = np.linspace(-1.3, 1.3, 60)
        rope = np.stack([t, height + 0.25 * t**2 + 0.15 * t * rng.normal(), 0 * t], 1)
        strings.append(strand(rope, 0.01, diffuse((0.6, 0.55, 0.4))))
        for place in range(6, 52, 9):
            top = np.stack([rope[place], rope[place + 7]])
            tip = top.mean(0) + [rng.normal(0, 0.03), -0.5, rng.normal(0, 0.1)]
            rows = np.linspace(0, 0.99, 20)[:, None, None]
            parts.append(
                sheet(top[None] * (1 - rows) + tip * rows, leafy(pattern(rng, plate), 0.5), uncertain=height < 0)
            )
    return parts, strings


def draw(variant: str, rng: np.random.Generator, plate: Floats) -> Scene:
    """A subject with a flat thing."""
    parts, strands = {
        "flag": _flag, "cards": _cards, "sign": _sign, "parcel": _parcel, "umbrella": _umbrella, "kite": _kite,
        "bunting": _bunting,
    }[variant](rng, plate)  # fmt: skip
    turn = rotation(rng.uniform(-0.3, 0.3), rng.uniform(-0.1, 0.1), rng.uniform(-0.15, 0.15))
    return Scene(
        "flat", variant, [moved(part, turn) for part in parts], [moved(part, turn) for part in strands], samples=36
    )
