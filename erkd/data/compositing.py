"""Compositing: the equation, Composition-1k's official rule, and augmentation of background and result."""

import math

import cv2
import numpy as np
from PIL import Image

from erkd.io.images import Array, Bytes, to_bytes

LONGEST = 1280  # larger layers are downscaled to this longer side for training, pixels
SHIFTED = 0.25  # share of composites whose background is shifted towards the foreground's mean colour
WIDEST = 16  # the largest radius of a lens's defocus is the image's longer side divided by this


def training_size(height: int, width: int) -> tuple[int, int]:
    """The size at which training uses a layer of this size: `LONGEST` is not exceeded."""
    ratio = min(1.0, LONGEST / max(height, width))
    return round(height * ratio), round(width * ratio)


def composite(foreground: Array, alpha: Array, background: Array) -> Array:
    """I = alpha F + (1 - alpha) B, all in [0, 1]; colours H x W x 3, alpha H x W. ValueError if sizes differ."""
    if foreground.shape != background.shape or foreground.shape[:2] != alpha.shape:
        raise ValueError(f"sizes differ: {foreground.shape}, {alpha.shape}, {background.shape}")
    share = alpha[:, :, None]
    return share * foreground + (1 - share) * background


def composite_official(foreground: Bytes, alpha: Bytes, background: Bytes) -> Bytes:
    """Composite 8-bit layers exactly as the scripts of Composition-1k (Xu et al., 2017) and Distinctions-646 do.

    `foreground` is H x W x 3, `alpha` H x W, `background` any size x 3. A background that is too small is upscaled
    (PIL bicubic, sizes rounded up) to cover, never downscaled; its top-left corner is used. The sum is truncated from
    float64; alpha 255 copies the foreground.
    """
    height, width = alpha.shape
    if foreground.shape != (height, width, 3):
        raise ValueError(f"foreground of {foreground.shape}, alpha of {alpha.shape}")
    rows, columns = background.shape[:2]
    ratio = max(width / columns, height / rows)
    if ratio > 1:
        size = (math.ceil(columns * ratio), math.ceil(rows * ratio))
        background = np.asarray(Image.fromarray(background).resize(size, Image.Resampling.BICUBIC))
    background = background[:height, :width]
    result = np.where(alpha[:, :, None] == 255, foreground, background)
    mixed = (alpha > 0) & (alpha < 255)  # elsewhere the sum equals one of the two
    share = alpha[mixed, None] / 255.0
    result[mixed] = (share * foreground[mixed] + (1 - share) * background[mixed]).astype(np.uint8)
    return result


def place_background(background: Array, height: int, width: int, rng: np.random.Generator) -> Array:
    """Resize a background to cover `height` x `width` times up to 1.3, crop it randomly, and flip half of them."""
    rows, columns = background.shape[:2]
    ratio = max(height / rows, width / columns) * rng.uniform(1.0, 1.3)
    size = (max(width, math.ceil(columns * ratio)), max(height, math.ceil(rows * ratio)))
    interpolation = cv2.INTER_AREA if ratio < 1 else cv2.INTER_CUBIC
    covering = np.clip(cv2.resize(background, size, interpolation=interpolation), 0, 1)
    top, left = rng.integers(size[1] - height + 1), rng.integers(size[0] - width + 1)
    crop = covering[top : top + height, left : left + width]
    return np.ascontiguousarray(crop[:, ::-1] if rng.random() < 0.5 else crop)


def shift_mean_colour(background: Array, foreground: Array, alpha: Array, strength: float) -> Array:
    """Shift the background's mean colour towards the foreground's by `strength` in [0, 1]."""
    weight = alpha[:, :, None]
    target = (foreground * weight).sum(axis=(0, 1)) / max(float(weight.sum()), 1e-6)
    return np.clip(background + strength * (target - background.mean(axis=(0, 1))), 0, 1).astype(np.float32)


def camera_effects(image: Array, rng: np.random.Generator) -> Array:
    """Apply mild blur, gamma, noise and JPEG to H x W x 3, each with some probability."""
    if rng.random() < 0.3:
        image = cv2.GaussianBlur(image, (0, 0), rng.uniform(0.3, 0.6)).astype(np.float32)
    if rng.random() < 0.4:
        image = np.clip(image, 0, 1) ** np.float32(math.exp(rng.uniform(-0.25, 0.25)))
    if rng.random() < 0.5:
        grain = rng.standard_normal(image.shape, dtype=np.float32)
        image = image + np.float32(rng.uniform(0.003, 0.03)) * grain
    if rng.random() < 0.4:
        quality = int(rng.integers(60, 97))
        _, packed = cv2.imencode(".jpg", to_bytes(image)[:, :, ::-1], [cv2.IMWRITE_JPEG_QUALITY, quality])
        decoded = np.asarray(cv2.imdecode(packed, cv2.IMREAD_COLOR), np.float32)
        image = decoded[:, :, ::-1] / np.float32(255)
    return np.clip(image, 0, 1).astype(np.float32)
