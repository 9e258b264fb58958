"""Clear things without refraction: thin sheets that reflect a share of the light and let the rest pass straight.

So I = alpha F + (1 - alpha) B holds for them: alpha is the share of light that is reflected or absorbed.
"""

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
    lathe,
    line,
    metal,
    moved,
    pierced,
    plastic,
    rotation,
    sheet,
    tube,
)

VARIANTS = ("goblet", "jar", "spectacles", "magnifier", "bag", "bottle", "bubbles")
CLEAR: Material = {"type": "thindielectric", "int_ior": 1.5}


def tint(colour: Floats, opacity: float) -> Material:
    """An absorbing layer: covers `opacity` of what is behind with a dark colour."""
    return pierced(plastic(tuple(colour), 0.1), opacity)


def walls(profile: Floats, rng: np.random.Generator, thickness: float = 0.02) -> list[Surface]:
    """Outer and inner wall of a vessel, and sometimes a coloured layer between them."""
    inner = profile - [[thickness, 0]]
    parts = [lathe(profile, CLEAR), lathe(np.maximum(inner, [[0.001, -9]]), CLEAR)]
    if rng.random() < 0.7:
        parts.append(
            lathe(
                np.maximum(profile - [[thickness / 2, 0]], [[0.001, -9]]),
                tint(rng.uniform(0.01, 0.25, 3), rng.uniform(0.06, 0.3)),
            )
        )
    return parts


def profile_through(points: list[tuple[float, float]]) -> Floats:
    """A smooth outline of radius and height through a few points."""
    given = np.array(points)
    t = np.linspace(0, len(given) - 1, 90)
    outline = np.stack([np.interp(t, np.arange(len(given)), given[:, axis]) for axis in (0, 1)], 1)
    kernel = np.hanning(11) / np.hanning(11).sum()
    padded = np.pad(outline, ((5, 5), (0, 0)), mode="edge")
    return np.stack([np.convolve(padded[:, axis], kernel, "valid") for axis in (0, 1)], 1)


def _goblet(rng: np.random.Generator) -> list[Surface]:
    wide = rng.uniform(0.36, 0.5)
    cup = profile_through([(0.03, -0.1), (wide * 0.8, 0.1), (wide, 0.4), (wide * 0.85, 0.9)])
    foot = profile_through([(0.4, -0.95), (0.15, -0.9), (0.035, -0.8), (0.03, -0.4), (0.03, -0.1)])
    level = cup[(cup[:, 1] < 0.1 + 0.3 * rng.random())] - [[0.03, 0]]
    drink = np.concatenate([np.maximum(level, [[0.001, -9]]), [[0.001, level[-1, 1]]]])
    wine = plastic(tuple(rng.uniform(0.02, 0.4, 3) * [1, 0.4, 0.3]), 0.05)
    return [*walls(cup, rng), lathe(foot, CLEAR), lathe(drink, pierced(wine, 0.85))]


def _jar(rng: np.random.Generator) -> list[Surface]:
    body = profile_through([(0.01, -0.85), (0.5, -0.85), (0.55, -0.7), (0.55, 0.35), (0.42, 0.55), (0.42, 0.65)])
    lid = lathe(profile_through([(0.01, 0.8), (0.45, 0.8), (0.46, 0.75), (0.46, 0.6)]), metal("Al", 0.25))
    balls = []
    for _ in range(int(rng.integers(12, 22))):
        place = np.array([rng.uniform(-0.3, 0.3), rng.uniform(-0.75, -0.2), rng.uniform(-0.3, 0.3)])
        balls.append(
            ellipsoid(place, np.full(3, rng.uniform(0.09, 0.15)), plastic(tuple(rng.uniform(0.03, 0.8, 3)), 0.1))
        )
    return [*walls(body, rng), lid, *balls]


def _bottle(rng: np.random.Generator) -> list[Surface]:
    body = profile_through([(0.01, -0.95), (0.3, -0.95), (0.32, -0.8), (0.32, 0.15), (0.12, 0.5), (0.09, 0.95)])
    stripes = np.where(
        (np.arange(64) // 8 % 2 == 0)[:, None, None], rng.uniform(0.05, 0.9, 3), rng.uniform(0.05, 0.9, 3)
    )
    label = lathe(np.array([[0.327, -0.55], [0.327, -0.05]]), diffuse(np.repeat(stripes, 64, 1)))
    cork = lathe(np.array([[0.001, 1.06], [0.08, 1.06], [0.08, 0.9], [0.001, 0.9]]), diffuse((0.5, 0.33, 0.18)))
    return [*walls(body, rng), label, cork]


def _spectacles(rng: np.random.Generator) -> list[Surface]:
    frame = plastic(tuple(rng.uniform(0.01, 0.5, 3)), 0.1) if rng.random() < 0.5 else metal("Au", 0.15)
    parts, shade = [], tint(rng.uniform(0.0, 0.1, 3), float(rng.choice([0.1, 0.5, 0.75])))
    squash = rng.uniform(0.75, 1.0)
    for side in (-1, 1):
        rim = circle(0.42) * [1, squash, 1] + [side * 0.52, 0, 0]
        radius = np.linspace(0.001, 1, 20)[:, None]
        disc = (rim - rim.mean(0))[None] * radius[..., None] + rim.mean(0)
        disc = disc + np.array([0, 0, 1.0]) * 0.06 * (1 - radius[..., None] ** 2)
        arm = np.array(
            [[side * 0.93, 0.1, 0], [side * 0.97, 0.1, -0.3], [side * 0.97, 0.08, -1.0], [side * 0.95, -0.15, -1.25]]
        )
        parts += [
            tube(rim, 0.028, frame),
            sheet(disc, CLEAR),
            sheet(disc - [0, 0, 0.01], shade),
            tube(arm, 0.022, frame),
        ]
    arc = np.linspace(0, np.pi, 15)
    return [*parts, tube(np.stack([0.11 * np.cos(arc), 0.05 + 0.06 * np.sin(arc), 0 * arc], 1), 0.024, frame)]


def _magnifier(rng: np.random.Generator) -> list[Surface]:
    rim = circle(0.6, 97) + [0.15, 0.25, 0]
    radius = np.linspace(0.001, 1, 30)[:, None, None]
    disc = (rim - [0.15, 0.25, 0])[None] * radius + [0.15, 0.25, 0]
    bulge = 0.1 * (1 - radius**2) * np.array([0, 0, 1.0])
    grip = tube(
        line([-0.28, -0.2, 0], [-0.9, -0.85, 0], 12),
        np.linspace(0.04, 0.075, 12),
        plastic(tuple(rng.uniform(0.01, 0.3, 3)), 0.2),
    )
    return [
        tube(rim, 0.04, metal(str(rng.choice(["Al", "Au", "Cu"])), 0.15)),
        sheet(disc + bulge, CLEAR),
        sheet(disc - bulge, CLEAR),
        grip,
    ]


def _bag(rng: np.random.Generator) -> list[Surface]:
    """A crumpled bag of clear film, tied at its top, with something in it."""
    height, phi = np.meshgrid(np.linspace(0, 1, 150), np.linspace(0, 2 * np.pi, 200), indexing="ij")
    radius = (
        0.62
        * np.sin(np.pi * np.clip(0.08 + 0.8 * height, 0, 1)) ** 0.6
        * (1 - 0.8 * np.exp(-(((height - 0.82) / 0.07) ** 2)))
    )
    points = np.stack([radius * np.cos(phi), -0.85 + 1.8 * height, 0.7 * radius * np.sin(phi)], -1)
    crumple = 0.035 * Waves(rng, 5.0)(points) + 0.012 * np.abs(Waves(rng, 16.0)(points))
    film = sheet(points + crumple * np.sin(np.pi * height)[..., None] ** 0.3, CLEAR)
    film_haze = sheet(points + crumple * 1.01, tint(np.array([0.7, 0.7, 0.7]), float(rng.uniform(0.02, 0.08))))
    sweets = [
        ellipsoid(
            rng.uniform([-0.3, -0.65, -0.2], [0.3, -0.1, 0.2]),
            rng.uniform(0.08, 0.16, 3),
            plastic(tuple(rng.uniform(0.05, 0.9, 3)), 0.15),
        )
        for _ in range(14)
    ]
    ribbon = moved(tube(circle(0.13), 0.03, plastic((0.6, 0.05, 0.08))), rotation(0, np.pi / 2), (0, 0.62, 0))
    return [film, film_haze, ribbon, *sweets]


def _bubbles(rng: np.random.Generator) -> list[Surface]:
    """Soap bubbles from a ring on a stick."""
    film: Material = {"type": "thindielectric", "int_ior": 1.9}
    parts = [
        tube(circle(0.22) + [-0.55, -0.35, 0], 0.025, plastic((0.7, 0.1, 0.3))),
        tube(line([-0.7, -0.52, 0], [-1.2, -1.2, 0.1]), 0.03, plastic((0.7, 0.1, 0.3))),
    ]
    places = [
        (-0.1, 0.1, 0.45),
        (0.6, 0.55, 0.25),
        (0.62, -0.3, 0.3),
        (-0.55, 0.65, 0.2),
        (0.15, 0.85, 0.12),
        (0.2, -0.7, 0.17),
    ]
    for x, y, size in places:
        size *= rng.uniform(0.8, 1.15)
        parts.append(
            ellipsoid((x + rng.normal(0, 0.05), y + rng.normal(0, 0.05), rng.normal(0, 0.1)), np.full(3, size), film)
        )
    return parts


def draw(variant: str, rng: np.random.Generator, plate: Floats) -> Scene:
    """One clear thing with an opaque part to hold it by."""
    made = {
        "goblet": _goblet, "jar": _jar, "bottle": _bottle, "spectacles": _spectacles, "magnifier": _magnifier,
        "bag": _bag, "bubbles": _bubbles,
    }[variant](rng)  # fmt: skip
    strands: list[Strands] = []
    turn = rotation(rng.uniform(-0.4, 0.4), rng.uniform(0.05, 0.35), rng.uniform(-0.25, 0.25))
    return Scene("glass", variant, [moved(part, turn) for part in made], strands, samples=64, bounces=6, null=True)
