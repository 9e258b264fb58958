"""What stands behind the subjects: photographs and views into panoramas, out of focus as behind a portrait."""

from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from erkd.io.files import InputError
from erkd.io.images import load_image

Linear = NDArray[np.float32]


def to_linear(values: NDArray[np.floating]) -> Linear:
    """sRGB values in [0, 1] to linear light."""
    return np.where(values <= 0.04045, values / 12.92, ((values + 0.055) / 1.055) ** 2.4).astype(np.float32)


def to_srgb(light: NDArray[np.floating]) -> Linear:
    """Linear light to sRGB values; clipped to [0, 1]."""
    light = np.clip(light, 0, 1)
    return np.where(light <= 0.0031308, light * 12.92, 1.055 * light ** (1 / 2.4) - 0.055).astype(np.float32)


def list_plates(folder: Path) -> tuple[list[Path], list[Path]]:
    """The photographs (JPEG, PNG) and panoramas (EXR, HDR) below a folder. Raises InputError without photographs."""
    photographs = sorted(path for path in folder.rglob("*") if path.suffix.lower() in (".jpg", ".jpeg", ".png"))
    panoramas = sorted(path for path in folder.rglob("*") if path.suffix.lower() in (".exr", ".hdr"))
    if not photographs:
        raise InputError(f"{folder}: no photographs (.jpg, .png); give a folder of them with --plates")
    return photographs, panoramas


def disc_blur(light: Linear, radius: float) -> Linear:
    """Defocus H x W x 3 of linear light by a disc of `radius` pixels: a highlight becomes a bright disc."""
    if radius < 0.5:
        return light
    reach = int(np.ceil(radius)) + 1
    y, x = np.mgrid[-reach : reach + 1, -reach : reach + 1]
    kernel = np.clip(radius + 0.5 - np.hypot(x, y), 0, 1).astype(np.float32)
    return np.asarray(cv2.filter2D(light, -1, kernel / kernel.sum(), borderType=cv2.BORDER_REFLECT), np.float32)


def photograph(path: Path, width: int, height: int, rng: np.random.Generator) -> Linear:
    """A random part of a photograph, H x W x 3 in linear light, mirrored half of the time."""
    image = load_image(path)
    scale = max(width / image.shape[1], height / image.shape[0]) * rng.uniform(1.0, 1.25)
    size = (max(width, round(image.shape[1] * scale)), max(height, round(image.shape[0] * scale)))
    resized = cv2.resize(image, size, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC)
    top, left = rng.integers(size[1] - height + 1), rng.integers(size[0] - width + 1)
    part = np.clip(resized[top : top + height, left : left + width], 0, 1)
    return to_linear(np.asarray(part[:, ::-1] if rng.random() < 0.5 else part, np.float32))


def view_into(panorama: Linear, width: int, height: int, yaw: float, pitch: float, field: float) -> Linear:
    """What a camera sees along -z of a panorama turned by `yaw` about y; `field` of view across; radians."""
    focal = width / 2 / np.tan(field / 2)
    y, x = np.mgrid[:height, :width].astype(np.float64)
    right, up = (x + 0.5 - width / 2) / focal, -(y + 0.5 - height / 2) / focal
    up, back = up * np.cos(pitch) + np.sin(pitch), -np.cos(pitch) + up * np.sin(pitch)
    azimuth = np.arctan2(right, -back) + yaw
    elevation = np.arctan2(up, np.hypot(right, back))
    rows, columns = panorama.shape[:2]
    column = (azimuth / (2 * np.pi) % 1 * columns - 0.5).astype(np.float32)
    row = ((0.5 - elevation / np.pi) * rows - 0.5).astype(np.float32)
    return np.asarray(cv2.remap(panorama, column, row, cv2.INTER_CUBIC, borderMode=cv2.BORDER_WRAP), np.float32).clip(
        0
    )
