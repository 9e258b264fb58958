"""Random colours, colour names, and textures from pictures or noise."""

import colorsys

import cv2
import numpy as np
from numpy.typing import ArrayLike

from erkd.data.synth.noise import fractal, pixels, turned, unit
from erkd.io.images import Array

HUES = {15: "red", 42: "orange", 68: "yellow", 165: "green", 255: "blue", 290: "purple", 340: "pink"}  # up to


def colour_name(colour: Array) -> str:
    """English name of an RGB colour in [0, 1]."""
    hue, saturation, value = colorsys.rgb_to_hsv(*(float(channel) for channel in colour))
    if value < 0.18:
        return "black"
    if saturation < 0.18:
        return "white" if value > 0.75 else "grey"
    name = next((name for limit, name in HUES.items() if hue * 360 < limit), "red")
    if name in ("red", "orange", "yellow") and value < 0.6 and saturation < 0.85:
        return "brown"
    if name in ("orange", "yellow") and saturation < 0.6:
        return "beige"
    return name


def random_colour(rng: np.random.Generator) -> Array:
    """A random RGB colour of any hue, more often dull than vivid, seldom very dark."""
    rgb = colorsys.hsv_to_rgb(rng.random(), rng.beta(1.1, 1.9), rng.uniform(0.15, 0.97))
    return np.asarray(rgb, np.float32)


def vary(rng: np.random.Generator, colour: Array, spread: float, count: int) -> Array:
    """`count` x 3 variations of a colour: log brightness of standard deviation `spread`, and a small tint."""
    brightness = np.exp(rng.normal(0, spread, (count, 1)))
    tint = rng.normal(0, spread / 8, (count, 3))
    return np.asarray(np.clip(colour * brightness + tint, 0, 1), np.float32)


def near(rng: np.random.Generator, colour: ArrayLike, spread: float, share: float = 1.0) -> Array:
    """A colour around one, as of `vary`; with probability 1 - `share` any colour."""
    if share < 1 and rng.random() >= share:
        return random_colour(rng)
    return np.asarray(vary(rng, np.asarray(colour, np.float32), spread, 1)[0])


def picture_patch(rng: np.random.Generator, picture: Array, height: int, width: int) -> Array:
    """A random crop of a picture, rotated by quarter turns, flipped and colour-jittered, H x W x 3."""
    turned = np.rot90(picture, int(rng.integers(4)))
    rows, columns = turned.shape[:2]
    scale = rng.uniform(0.25, 0.9) * min(rows / height, columns / width)
    crop_height, crop_width = max(8, int(height * scale)), max(8, int(width * scale))
    top = rng.integers(max(1, rows - crop_height + 1))
    left = rng.integers(max(1, columns - crop_width + 1))
    crop = turned[top : top + crop_height, left : left + crop_width]
    if rng.random() < 0.5:
        crop = crop[:, ::-1]
    patch = cv2.resize(np.ascontiguousarray(crop), (width, height), interpolation=cv2.INTER_CUBIC)
    return jitter(rng, np.clip(patch, 0, 1))


def jitter(rng: np.random.Generator, image: Array, strength: float = 1.0) -> Array:
    """Jitter saturation, colour balance and gamma of H x W x 3; grey pictures get two random colours."""
    grey = image @ np.asarray([0.299, 0.587, 0.114], np.float32)
    if float(np.abs(image - grey[:, :, None]).mean()) < 0.01:
        dark, light = random_colour(rng) * 0.4, 0.4 + 0.6 * random_colour(rng)
        image = (dark + grey[:, :, None] * (light - dark)).astype(np.float32)
        grey = image @ np.asarray([0.299, 0.587, 0.114], np.float32)
    saturation = rng.uniform(1 - 0.6 * strength, 1 + 0.3 * strength)
    gains = 1 + strength * rng.uniform(-0.2, 0.2, 3)
    gamma = np.exp(strength * rng.uniform(-0.4, 0.4))
    changed = (grey[:, :, None] + saturation * (image - grey[:, :, None])) * gains
    return np.asarray(np.clip(changed, 0, 1) ** gamma, np.float32)


def noise_texture(rng: np.random.Generator, height: int, width: int, colour: Array | None = None) -> Array:
    """Fractal noise between `colour` (None: a random one) and a second colour, with grain: H x W x 3."""
    first = random_colour(rng) if colour is None else colour
    second = near(rng, first, 0.3, 0.6)
    clouds = fractal(rng, height, width, rng.uniform(1.5, 12), 6, rng.uniform(0.4, 0.75))
    share = unit(clouds * rng.uniform(0.4, 1.5))
    texture = first + share[:, :, None] * (second - first)
    grain = rng.normal(0, rng.uniform(0, 0.06), (height, width, 1)).astype(np.float32)
    return np.asarray(np.clip(texture * (1 + grain), 0, 1), np.float32)


def fabric_texture(rng: np.random.Generator, height: int, width: int) -> Array:
    """Slightly wavy stripes, checks or dots of up to three colours, H x W x 3."""
    colours = np.stack([random_colour(rng) for _ in range(3)])
    x, y = pixels(height, width)
    angle, period = rng.uniform(0, np.pi), rng.uniform(0.02, 0.15) * max(height, width)
    wave = fractal(rng, height, width, 2, 2) * period * rng.uniform(0, 0.5)
    u, v = ((along + wave) / period for along in turned(x, y, angle))
    kind = rng.integers(3)
    if kind == 0:
        stripe = ((u % 1) < rng.uniform(0.2, 0.6)).astype(int) + ((u % 3) < 0.3).astype(int)
    elif kind == 1:
        stripe = ((u % 1) < 0.5).astype(int) + ((v % 1) < 0.5).astype(int)
    else:
        stripe = (np.hypot(u % 1 - 0.5, v % 1 - 0.5) < rng.uniform(0.15, 0.4)).astype(int)
    return np.asarray(cv2.blur(colours[stripe], (2, 2)), np.float32)


def texture(rng: np.random.Generator, picture: Array | None, height: int, width: int) -> Array:
    """A random texture, H x W x 3 in [0, 1]: from the picture if there is one, of noise, or of fabric."""
    choice = rng.random()
    if picture is not None and choice < 0.5:
        return picture_patch(rng, picture, height, width)
    if choice < 0.8:
        return noise_texture(rng, height, width)
    return fabric_texture(rng, height, width)
