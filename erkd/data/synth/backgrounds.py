"""Backgrounds, sharp or out of focus: crops of pictures and procedural scenes, with captions."""

from collections.abc import Callable

import cv2
import numpy as np

from erkd.data.lens import defocus, draw_lens
from erkd.data.synth import outdoors
from erkd.data.synth.canvas import random_shape
from erkd.data.synth.noise import fractal, pixels, ramp, turned
from erkd.data.synth.textures import colour_name, fabric_texture, jitter, near, noise_texture, random_colour, texture
from erkd.io.images import Array

DEFOCUSED = 0.3  # share of stored backgrounds that a lens puts out of focus; composites do so with others
WIDEST = 16  # the largest radius of that is the longer side divided by this


def _collage(rng: np.random.Generator, height: int, width: int) -> tuple[Array, str]:
    """A dead-leaves image of textured shapes (Lee, Mumford, Huang, "Occlusion models for natural images", 2001)."""
    textures = [texture(rng, None, height, width) for _ in range(4)]
    image = textures[0].copy()
    for radius in np.sort(0.5 * rng.uniform(0.06, 1, rng.integers(20, 90)) ** 3)[::-1] * min(height, width):
        stencil = np.zeros((height, width), np.uint8)
        centre = (int(rng.integers(width)), int(rng.integers(height)))
        axes = (int(radius) + 2, int(radius * rng.uniform(0.3, 1)) + 2)
        if rng.random() < 0.5:
            box = cv2.boxPoints((centre, (axes[0] * 2, axes[1] * 2), rng.uniform(0, 180)))
            cv2.fillPoly(stencil, [np.rint(box).astype(np.int32)], 1)
        else:
            cv2.ellipse(stencil, centre, axes, rng.uniform(0, 180), 0, 360, 1, -1)
        left, top, breadth, depth = cv2.boundingRect(stencil)
        area = (slice(top, top + depth), slice(left, left + breadth))
        tone = np.exp(rng.normal(0, 0.3)) * (1 + rng.normal(0, 0.15, 3).astype(np.float32))
        patch = np.clip(textures[rng.integers(4)][area] * tone, 0, 1)
        image[area] = np.where(stencil[area][:, :, None] > 0, patch, image[area])
    return image, "a cluttered scene"


def _lights(rng: np.random.Generator, height: int, width: int) -> tuple[Array, str]:
    """Out-of-focus lights (bokeh) on a dark ground."""
    colour = random_colour(rng)
    image = noise_texture(rng, height, width, colour * 0.3)
    radius = min(height, width) * rng.uniform(0.01, 0.08)
    for _ in range(rng.integers(15, 80)):
        disc = np.zeros((height, width), np.float32)
        centre = (int(rng.integers(width)), int(rng.integers(height)))
        cv2.circle(disc, centre, int(radius * rng.uniform(0.6, 1.3)) + 1, 1, -1, cv2.LINE_AA)
        glow = disc[:, :, None] * (near(rng, colour, 0.4) + 0.2) * rng.uniform(0.2, 0.8)
        image = np.asarray(image + glow, np.float32)
    return np.clip(image, 0, 1), f"{colour_name(colour + 0.2)} lights at night"


def _wall(rng: np.random.Generator, height: int, width: int) -> tuple[Array, str]:
    """Bricks, tiles or boards of varying tone, with joints."""
    x, y = pixels(height, width)
    rows = height / rng.uniform(4, 18)
    columns = rows * rng.choice([1.0, 2.2, 3.0, 12.0])
    row = np.floor(y / rows).astype(int)
    shifted = x + columns * rng.choice([0.0, 0.5]) * (row % 2)
    column = np.floor(shifted / columns).astype(int)
    colour, joint = random_colour(rng), random_colour(rng)
    tones = np.exp(rng.normal(0, 0.15, 997))[(row * 37 + column * 101) % 997]
    gap_y, gap_x = (np.minimum(at % side, side - at % side) for at, side in ((y, rows), (shifted, columns)))
    gap = np.minimum(gap_y, gap_x)
    share = ramp(gap, 0.3, max(1.2, rows * rng.uniform(0.02, 0.1)))[:, :, None]
    image = joint + share * (noise_texture(rng, height, width, colour) * tones[:, :, None] - joint)
    light = 1 + 0.25 * fractal(rng, height, width, 1.5, 2)[:, :, None]
    return np.clip(image * light, 0, 1).astype(np.float32), f"a {colour_name(colour)} wall"


def _gradient(rng: np.random.Generator, height: int, width: int) -> tuple[Array, str]:
    """A studio backdrop: a linear gradient of two colours, with soft light."""
    x, y = pixels(height, width)
    first = random_colour(rng)
    second = near(rng, first, 0.5, 0.7)
    along, _ = turned(x - width / 2, y - height / 2, rng.uniform(0, 2 * np.pi))
    share = ramp(along, -width / 2, width / 2)[:, :, None]
    image = first + share * (second - first) + 0.02 * fractal(rng, height, width, 2, 5)[:, :, None]
    return np.clip(image, 0, 1).astype(np.float32), f"a plain {colour_name(first)} backdrop"


def _fabric(rng: np.random.Generator, height: int, width: int) -> tuple[Array, str]:
    image = fabric_texture(rng, height, width)
    return image, f"{colour_name(image.mean(axis=(0, 1)))} fabric"


def _noise(rng: np.random.Generator, height: int, width: int) -> tuple[Array, str]:
    image = noise_texture(rng, height, width)
    return image, f"a {colour_name(image.mean(axis=(0, 1)))} surface"


_SCENES: dict[str, Callable[[np.random.Generator, int, int], tuple[Array, str]]] = {
    "collage": _collage, "lights": _lights, "landscape": outdoors.landscape, "meadow": outdoors.meadow,
    "rocks": outdoors.rocks, "foliage": outdoors.leafage, "wall": _wall, "fabric": _fabric, "gradient": _gradient,
    "noise": _noise,
}  # fmt: skip
BACKDROPS = tuple(_SCENES)  # in this order: a seed draws from it


def _crop(rng: np.random.Generator, picture: Array, height: int, width: int) -> Array:
    """A large upright crop of a picture, flipped half of the time."""
    rows, columns = picture.shape[:2]
    scale = rng.uniform(0.55, 1.0) * min(rows / height, columns / width)
    deep, wide = max(8, int(height * scale)), max(8, int(width * scale))
    top, left = rng.integers(rows - deep + 1), rng.integers(columns - wide + 1)
    crop = picture[top : top + deep, left : left + wide]
    crop = np.ascontiguousarray(crop[:, ::-1] if rng.random() < 0.5 else crop)
    return np.clip(cv2.resize(crop, (width, height), interpolation=cv2.INTER_CUBIC), 0, 1)


def draw_background(
    kind: str, seed: int, size: int, picture: Array | None = None, phrase: str = ""
) -> tuple[Array, str]:
    """Draw a background, H x W x 3 in [0, 1], and return it with its caption.

    Args:
        kind: "picture" or one of `BACKDROPS`.
        seed: Decides everything random.
        size: Longer side, pixels.
        picture: H x W x 3 in [0, 1], for the kind "picture".
        phrase: Caption of the picture.
    """
    rng = np.random.default_rng(seed)
    height, width = random_shape(rng, size)
    if picture is not None:
        image = jitter(rng, _crop(rng, picture, height, width), 0.8)
    else:
        image, phrase = _SCENES[kind](rng, height, width)
    lens = draw_lens(rng, max(height, width) / WIDEST)
    if rng.random() < DEFOCUSED and kind not in ("gradient", "lights"):
        image = defocus(image, lens)
        if lens.radius > 0.02 * min(height, width):
            phrase = f"{phrase} out of focus"
    return np.ascontiguousarray(image, np.float32), phrase
