"""Images, alphas and trimaps: float32 in [0, 1] in memory, 8-bit files on disk.

Only this module knows that a trimap file holds 0 (background), 128 (unknown) and 255 (foreground); in
arrays these are exactly 0, 0.5 and 1. Layout H x W x C, channels RGB.
"""

from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError

from erkd.files import InputError, atomic

Array = NDArray[np.float32]
TRIMAP_FILE_VALUES = (0, 128, 255)
MAX_PIXELS = 250_000_000


def open_image(path: Path, upright: bool = True) -> Image.Image:
    """Open an image file of 8 or 16 bits; `upright` rotates it as its EXIF data says.

    Raises InputError that names the file. Pillow keeps the upper 8 of a colour file's 16 bits; `info["deep"]`
    says so.
    """
    try:
        with Image.open(path) as image:
            if image.width * image.height > MAX_PIXELS:
                raise InputError(
                    f"{path}: {image.width} x {image.height} pixels; at most {MAX_PIXELS:,} are read"
                )
            deep = len(image.getbands()) > 1 and any(";16" in str(tile) for tile in image.tile)
            image.load()
            turned = ImageOps.exif_transpose(image) if upright else image.copy()
    except FileNotFoundError:
        raise InputError(f"{path}: no such file") from None
    except (UnidentifiedImageError, OSError, SyntaxError, Image.DecompressionBombError) as error:
        raise InputError(f"{path}: not a readable image ({error})") from None
    if turned.mode == "F" or (turned.mode == "I" and not _sixteen_bits(turned)):
        raise InputError(f"{path}: samples of more than 16 bits; save it with 8 or 16")
    turned.info["deep"] = deep and turned.size == image.size
    return turned


def _sixteen_bits(image: Image.Image) -> bool:
    low, high = np.asarray(image.getextrema()).tolist()
    return bool(low >= 0 and high <= 65535)


def _samples(image: Image.Image, path: Path, mode: str) -> Array:
    """An opened image's samples as "RGB" or "RGBA", H x W x 3 or 4 in [0, 1]; 16-bit ones by 65535."""
    if image.mode.startswith("I"):
        grey = np.asarray(image, np.float32) / np.float32(65535)
        return np.stack([grey, grey, grey, np.ones_like(grey)][: len(mode)], axis=2)
    if image.info["deep"]:
        stored = cv2.imdecode(np.fromfile(path, np.uint8), cv2.IMREAD_UNCHANGED)
        if stored is not None and stored.dtype == np.uint16 and stored.shape[2] >= len(mode):
            order = (2, 1, 0, 3)[: len(mode)]
            return np.ascontiguousarray(stored[:, :, order], np.float32) / np.float32(65535)
    return np.asarray(image.convert(mode), np.float32) / np.float32(255)


def _has_alpha(image: Image.Image) -> bool:
    return "A" in image.getbands() or "a" in image.getbands() or "transparency" in image.info


def load_image(path: Path, upright: bool = True) -> Array:
    """Read any image file as RGB, H x W x 3, float32 in [0, 1]; transparency is left away.

    `upright` False takes the stored pixels, whatever EXIF says. Raises InputError that names the file.
    """
    return _samples(open_image(path, upright), path, "RGB")


def load_cutout(path: Path) -> tuple[Array, Array]:
    """Read colours (H x W x 3) and alpha (H x W) of a file with transparency, in [0, 1].

    Raises InputError that names the file when it cannot be read or has no alpha channel.
    """
    image = open_image(path)
    if not _has_alpha(image):
        raise InputError(f"{path}: no alpha channel; give RGBA cut-outs, or folders foreground/ and alpha/")
    samples = _samples(image, path, "RGBA")
    return np.ascontiguousarray(samples[:, :, :3]), np.ascontiguousarray(samples[:, :, 3])


def load_alpha(path: Path, colour: bool = False, upright: bool = True) -> Array:
    """Read an alpha file as H x W, float32 in [0, 1].

    A file of three colour channels must have equal ones; with `colour` their brightness is taken. A file
    with transparency of its own is refused, since nobody knows which of the two is meant.
    """
    image = open_image(path, upright)
    if colour and image.mode in ("RGB", "RGBA", "LA", "P"):
        return np.asarray(image.convert("L"), np.float32) / np.float32(255)
    return _one_channel(image, path)


def load_trimap(path: Path, in_between_unknown: bool = False) -> Array:
    """Read a trimap file as H x W of exactly 0, 0.5 and 1.

    Values other than 0, 128 and 255 raise InputError, or count as unknown with `in_between_unknown`.
    """
    values = to_bytes(_one_channel(open_image(path), path))
    known = np.isin(values, TRIMAP_FILE_VALUES)
    if not known.all() and not in_between_unknown:
        found = ", ".join(str(value) for value in np.unique(values[~known])[:8])
        raise InputError(
            f"{path}: a trimap holds 0 (background), 128 (unknown) and 255 (foreground); found {found} too"
        )
    return np.select([values == 0, values == 255], [np.float32(0), np.float32(1)], np.float32(0.5))


def _one_channel(image: Image.Image, path: Path) -> Array:
    if _has_alpha(image) and (np.asarray(image.convert("RGBA"))[:, :, 3] < 255).any():
        raise InputError(f"{path}: one grey channel is expected; found transparency")
    samples = _samples(image, path, "RGB")
    if (samples != samples[:, :, :1]).any():
        raise InputError(f"{path}: one grey channel is expected; found colour channels that differ")
    return np.ascontiguousarray(samples[:, :, 0])


def is_plain_jpeg(path: Path) -> bool:
    """Whether a file is a JPEG whose stored pixels are what `load_image` gives, so that a copy serves as well."""
    with Image.open(path) as image:
        return image.format == "JPEG" and image.mode == "RGB" and image.getexif().get(0x0112, 1) == 1


def to_bytes(array: Array) -> NDArray[np.uint8]:
    """[0, 1] to the nearest of 0..255."""
    return np.rint(np.clip(array, 0, 1) * 255).astype(np.uint8)


def save_image(array: Array, path: Path) -> None:
    """Write H x W x 3, H x W x 4 or H x W in [0, 1] as an 8-bit file, atomically."""
    with atomic(path) as temporary:
        Image.fromarray(to_bytes(array)).save(temporary)


def save_trimap(trimap: Array, path: Path) -> None:
    """Write a trimap of 0, 0.5 and 1 as a file of 0, 128 and 255. Other values raise ValueError."""
    if not np.isin(trimap, (0, 0.5, 1)).all():
        raise ValueError("a trimap holds exactly 0, 0.5 and 1")
    with atomic(path) as temporary:
        Image.fromarray(np.rint(trimap * 255).astype(np.uint8)).save(temporary)


def resize_area(array: Array, height: int, width: int) -> Array:
    """Resize by area averaging when it shrinks and bilinearly when it grows."""
    shrinks = height * width < array.shape[0] * array.shape[1]
    interpolation = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(array, (width, height), interpolation=interpolation), np.float32)
