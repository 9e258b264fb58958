"""Images, alphas and trimaps: float32 in [0, 1] in memory, 8-bit files on disk.

Only this module knows that a trimap file holds 0 (background), 128 (unknown) and 255 (foreground); in
arrays these are exactly 0, 0.5 and 1. Layout H x W x C, channels RGB.
"""

from pathlib import Path
from typing import IO

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError

from erkd.files import InputError, atomic

Array = NDArray[np.float32]
TRIMAP_FILE_VALUES = (0, 128, 255)
MAX_PIXELS = 250_000_000


def open_image(path: Path) -> Image.Image:
    """Open an image file, rotated as its EXIF data says. Raises InputError that names the file."""
    try:
        with path.open("rb") as stream:
            return read_image(stream, str(path))
    except FileNotFoundError:
        raise InputError(f"{path}: no such file") from None
    except OSError as error:
        raise InputError(f"{path}: not a readable image ({error})") from None


def read_image(
    stream: IO[bytes], name: str, max_pixels: int = MAX_PIXELS, formats: tuple[str, ...] | None = None
) -> Image.Image:
    """As `open_image`, from an open file that errors call `name`; its header is judged before its pixels.

    `formats` are the file formats taken, by Pillow's names; None takes all that Pillow reads.
    """
    try:
        with Image.open(stream, formats=formats) as image:
            if image.width * image.height > max_pixels:
                raise InputError(
                    f"{name}: {image.width} x {image.height} pixels; at most {max_pixels:,} are read"
                )
            image.load()
            return ImageOps.exif_transpose(image)
    except InputError:
        raise
    except UnidentifiedImageError:
        raise InputError(f"{name}: not a readable image") from None
    except Exception as error:  # for broken files Pillow's decoders raise many classes, ValueError among them
        raise InputError(f"{name}: not a readable image ({error})") from None


def _unit(image: Image.Image) -> Array:
    """An image's samples scaled to [0, 1]; 16-bit ones by 65535, so that nothing is clipped."""
    if image.mode.startswith(("I", "F")):
        return np.clip(np.asarray(image, np.float32) / 65535, 0, 1)
    return np.asarray(image, np.float32) / np.float32(255)


def load_image(path: Path) -> Array:
    """Read any image file as RGB, H x W x 3, float32 in [0, 1]."""
    image = open_image(path)
    if image.mode.startswith(("I", "F")):
        return np.repeat(_unit(image)[:, :, None], 3, axis=2)
    return _unit(image.convert("RGB"))


def load_alpha(path: Path) -> Array:
    """Read an alpha file as H x W, float32 in [0, 1]. A colour file must have three equal channels."""
    return _unit(_one_channel(open_image(path), path))


def load_trimap(path: Path, in_between_unknown: bool = False) -> Array:
    """Read a trimap file as H x W of exactly 0, 0.5 and 1.

    Values other than 0, 128 and 255 raise InputError, or count as unknown with `in_between_unknown`.
    """
    values = np.asarray(_one_channel(open_image(path), path).convert("L"))
    known = np.isin(values, TRIMAP_FILE_VALUES)
    if not known.all() and not in_between_unknown:
        found = ", ".join(str(value) for value in np.unique(values[~known])[:8])
        raise InputError(
            f"{path}: a trimap holds 0 (background), 128 (unknown) and 255 (foreground); found {found} too"
        )
    return np.select([values == 0, values == 255], [np.float32(0), np.float32(1)], np.float32(0.5))


def _one_channel(image: Image.Image, path: Path) -> Image.Image:
    if image.mode in ("L", "1") or image.mode.startswith(("I", "F")):
        return image.convert("L") if image.mode == "1" else image
    channels = np.asarray(image.convert("RGB"))
    if (channels != channels[:, :, :1]).any():
        raise InputError(f"{path}: one grey channel is expected; found colour channels that differ")
    return Image.fromarray(channels[:, :, 0])


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
