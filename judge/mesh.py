"""Metal and wicker with holes: fences, sieves, perforated sheets, baskets, cages, rackets, wheels."""

import numpy as np

from judge.shapes import (
    Floats,
    Material,
    Scene,
    Strands,
    Surface,
    Waves,
    blobs,
    circle,
    diffuse,
    ellipsoid,
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

VARIANTS = ("sieve", "perforated", "fence", "basket", "cage", "racket", "wheel")
METALS = ("Al", "Cr", "Cu", "Au", "Ag")


def ring(
    radius: float, thickness: float, material: Material, turn: Floats | None = None, offset: object = (0.0, 0, 0)
) -> Surface:
    """A round rim in the plane of x and y, turned and shifted."""
    return moved(tube(circle(radius, 97), thickness, material), turn, offset)


def _sieve(rng: np.random.Generator, shiny: Material) -> tuple[list[Surface], list[Strands]]:
    """A kitchen sieve: a bowl of woven wire with a rim and a handle."""
    count = int(rng.integers(44, 64))
    place = np.linspace(-0.97, 0.97, count)
    steps = np.linspace(-1, 1, count * 2)
    paths = []
    for across in (False, True):
        u = place[:, None] + 0 * steps
        v = steps * np.sqrt(1 - np.minimum(place**2, 0.999))[:, None]
        x, y = (v, u) if across else (u, v)
        depth = -0.55 * np.sqrt(np.maximum(0, 1 - x**2 - y**2))
        over = 0.004 * np.cos(np.pi * v * count / 2 + np.arange(count)[:, None] * np.pi) * (1 if across else -1)
        paths.append(np.stack([0.62 * x, 0.62 * y, depth + over], -1))
    lip = [
        ring(0.63, 0.02, shiny),
        tube(line([0.62, 0, 0], [1.35, 0.05, 0.0], 20), 0.028, plastic((0.02, 0.02, 0.02))),
    ]
    return lip, [strand(path, 0.0042, shiny) for path in paths]


def _perforated(rng: np.random.Generator, shiny: Material) -> list[Surface]:
    """A bent sheet with round, square or long holes in rows, in a frame."""
    side, cell = 1024, int(rng.integers(30, 52))
    y, x = np.mgrid[:side, :side].astype(float)
    row = y // cell
    dx, dy = (x + (row % 2) * cell / 2) % cell / cell - 0.5, y % cell / cell - 0.5
    form = rng.integers(3)
    inside = (np.hypot(dx, dy), np.maximum(abs(dx), abs(dy)) * 1.1, np.hypot(dx * 0.75, dy * 1.6))[form] < 0.33
    edge = np.minimum(np.minimum(x, y), np.minimum(side - 1 - x, side - 1 - y)) < 24
    opacity = np.where(inside & ~edge, 0.0, 1.0)
    u, v = np.meshgrid(np.linspace(-1, 1, 90), np.linspace(1, -1, 90))
    bend = rng.uniform(-0.5, 0.5, 3)
    depth = bend[0] * u**2 + bend[1] * v * u + 0.1 * np.sin(3 * v + 9 * bend[2])
    return [sheet(np.stack([0.78 * u, 0.85 * v, depth], -1), pierced(shiny, opacity[..., None]))]


def _fence(rng: np.random.Generator, shiny: Material) -> tuple[list[Surface], list[Strands]]:
    """A torn piece of chain-link between two posts."""
    columns = int(rng.integers(12, 18))
    pitch = 1.7 / columns
    steps = np.arange(2 * columns + 1)
    paths = []
    for column in range(columns):
        zigzag = np.where(steps % 2 == column % 2, -1.0, 1.0)
        corner = np.stack(
            [-0.8 + (column + 0.5) * pitch + 0.53 * pitch * zigzag, 0.85 - steps * pitch / 2 * 1.95, 0 * steps], 1
        )
        fine = np.stack(
            [np.interp(np.linspace(0, len(steps) - 1, 12 * len(steps)), steps, corner[:, axis]) for axis in range(3)],
            1,
        )
        fine[:, 2] += 0.014 * np.cos(np.linspace(0, (len(steps) - 1) * np.pi, len(fine)))
        paths.append(fine)
    points = np.stack(paths)
    posts = [tube(line([x, -1.6, 0], [x, 0.95, 0], 20), 0.035, shiny) for x in (-0.85, 0.85)]
    return posts, [strand(points + 0.05 * Waves(rng, 1.5)(points), 0.0075, shiny)]


def _basket(rng: np.random.Generator) -> tuple[list[Surface], list[Strands]]:
    """Wicker: stakes, and rods that go in front of and behind them."""
    straw = np.array([0.5, 0.3, 0.12]) * rng.uniform(0.4, 1.3)
    stakes, phi = 2 * int(rng.integers(12, 17)) + 1, np.linspace(0, 2 * np.pi, 400)
    rods = []
    for row in range(int(rng.integers(14, 20))):
        level = -0.7 + row * 0.068
        around = 0.55 + 0.18 * (level + 0.7) + 0.022 * np.sin(stakes / 2 * phi + np.pi * row)
        rods.append(np.stack([around * np.cos(phi), level + 0.005 * np.sin(7 * phi + row), around * np.sin(phi)], 1))
    upright = []
    for angle in 2 * np.pi * np.arange(stakes) / stakes:
        height = np.linspace(-0.7, 0.62, 30)
        radius = 0.55 + 0.18 * (height + 0.7)
        upright.append(np.stack([radius * np.cos(angle), height, radius * np.sin(angle)], 1))
    arc = np.linspace(0, np.pi, 50)
    handle = tube(np.stack([0.76 * np.cos(arc), 0.5 + 0.55 * np.sin(arc), 0 * arc], 1), 0.026, diffuse(tuple(straw)))
    rim = ring(0.79, 0.03, diffuse(tuple(straw)), rotation(0, np.pi / 2), (0, 0.62, 0))
    return [handle, rim], [
        strand(np.stack(rods[:]), 0.0145, plastic(tuple(straw), 0.3)),
        strand(np.stack(upright), 0.014, plastic(tuple(straw * 0.7), 0.3)),
    ]


def _cage(rng: np.random.Generator, shiny: Material) -> tuple[list[Surface], list[Strands]]:
    """A bird cage with a perch and a ball of a bird."""
    bars, height = int(rng.integers(26, 38)), np.linspace(-0.85, 0.95, 60)
    radius = 0.55 * np.sqrt(np.clip(1 - np.clip((height - 0.25) / 0.7, 0, 1) ** 2, 0, 1)) + 0.005
    phi = 2 * np.pi * np.arange(bars)[:, None] / bars
    paths = np.stack([radius * np.cos(phi), height + 0 * phi, radius * np.sin(phi)], -1)
    flat = rotation(0, np.pi / 2)
    rims = [ring(0.55, 0.012, shiny, flat, (0, y, 0)) for y in (-0.85, -0.3, 0.25)]
    floor = ellipsoid((0, -0.86, 0), (0.56, 0.012, 0.56), plastic((0.3, 0.05, 0.04)))
    bird = blobs(
        [[0, -0.15, 0], [0.08, 0.08, 0.02], [-0.14, -0.25, 0]],
        [0.17, 0.11, 0.1],
        plastic(tuple(rng.uniform(0.05, 0.8, 3)), 0.5),
    )
    perch = tube(line([-0.55, -0.33, 0], [0.55, -0.33, 0]), 0.015, diffuse((0.25, 0.14, 0.06)))
    hook = ring(0.08, 0.01, shiny, None, (0, 1.03, 0))
    return [*rims, floor, bird, perch, hook], [strand(paths, 0.0065, shiny)]


def _racket(rng: np.random.Generator) -> tuple[list[Surface], list[Strands]]:
    """A racket with two ways of strings."""
    paint = plastic(tuple(rng.uniform(0.02, 0.7, 3)), 0.1)
    frame = tube(circle(1.0, 97) * [0.5, 0.62, 1] + [0, 0.35, 0], 0.032, paint)
    shaft = tube(
        line([0, -0.27, 0], [0, -1.2, 0], 20), np.linspace(0.03, 0.055, 20), plastic((0.03, 0.03, 0.03), 0.4)
    )
    strings = []
    for count, across in ((int(rng.integers(16, 23)), False), (int(rng.integers(18, 25)), True)):
        place = np.linspace(-0.93, 0.93, count)
        reach = np.sqrt(1 - place**2)
        steps = np.linspace(-1, 1, 160)
        along = reach[:, None] * steps
        x, y = (along, place[:, None] + 0 * along) if across else (place[:, None] + 0 * along, along)
        over = 0.006 * np.cos(np.pi * along * 20 + np.pi * np.arange(count)[:, None]) * (1 if across else -1)
        strings.append(
            strand(np.stack([0.5 * x, 0.62 * y + 0.35, over], -1), 0.0048, plastic((0.75, 0.72, 0.5), 0.2))
        )
    return [frame, shaft], strings


def _wheel(rng: np.random.Generator, shiny: Material) -> tuple[list[Surface], list[Strands]]:
    """A bicycle's wheel: tyre, rim, hub and crossed spokes."""
    spokes = 4 * int(rng.integers(7, 10))
    angle = 2 * np.pi * np.arange(spokes) / spokes
    hub = angle + np.where(np.arange(spokes) % 4 < 2, 0.9, -0.9)
    side = np.where(np.arange(spokes) % 2, 1.0, -1.0)
    start = np.stack([0.07 * np.cos(hub), 0.07 * np.sin(hub), 0.08 * side], 1)
    end = np.stack([0.83 * np.cos(angle), 0.83 * np.sin(angle), 0 * angle], 1)
    paths = np.linspace(start, end, 10).transpose(1, 0, 2)
    rubber = diffuse((0.02, 0.02, 0.02))
    axle = tube(line([0, 0, -0.14], [0, 0, 0.14]), 0.06, shiny, 32)
    return [ring(0.9, 0.05, rubber), ring(0.83, 0.028, shiny), axle], [strand(paths, 0.0045, shiny)]


def draw(variant: str, rng: np.random.Generator, plate: Floats) -> Scene:
    """One thing that lets the background through its holes."""
    shiny = metal(str(rng.choice(METALS)), float(rng.uniform(0.08, 0.35)))
    strands: list[Strands] = []
    if variant == "perforated":
        parts = _perforated(rng, shiny)
    elif variant in ("basket", "racket"):
        parts, strands = {"basket": _basket, "racket": _racket}[variant](rng)
    else:
        parts, strands = {"sieve": _sieve, "fence": _fence, "cage": _cage, "wheel": _wheel}[variant](rng, shiny)
    tilt = rng.uniform(0.1, 0.5) if variant in ("basket", "cage") else rng.uniform(-0.5, 0.5)
    turn = rotation(rng.uniform(-0.8, 0.8), tilt, rng.uniform(-0.4, 0.4) if variant != "cage" else 0.0)
    return Scene(
        "mesh",
        variant,
        [moved(part, turn) for part in parts],
        [moved(part, turn) for part in strands],
        samples=36,
        null=variant == "perforated",
        porous=True,
    )
