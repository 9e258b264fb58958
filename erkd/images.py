"""Images, alphas and trimaps: float32 in [0, 1] in memory, 8-bit files on disk.

Only this module knows that a trimap file holds 0 (background), 128 (unknown) and 255 (foreground); in
arrays these are exactly 0, 0.5 and 1. Layout H x W x C, channels RGB.
"""

from pathlib import Path
from typing import IO, Any

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError

from erkd.files import InputError, atomic

Array = NDArray[np.float32]
Bytes = NDArray[np.uint8]
TRIMAP_FILE_VALUES = BACKGROUND, UNKNOWN, FOREGROUND = 0, 128, 255
SUFFIXES = (".png", ".jpg", ".jpeg", ".webp", ".bmp", ".tif", ".tiff")
MAX_PIXELS = 250_000_000
STRIP = 256  # rows that are decoded at a time
ORIENTATION = 0x0112  # EXIF's tag
SIDEWAYS = (5, 6, 7, 8)  # its values that swap height and width


def open_image(path: Path) -> Image.Image:
    """Open an image file, rotated as its EXIF data says. Raises InputError that names the file."""
    image = _stored(path, str(path))
    ImageOps.exif_transpose(image, in_place=True)
    return image


def read_image(stream: IO[bytes], name: str, max_pixels: int, formats: tuple[str, ...]) -> Image.Image:
    """As `open_image`, from an open file of one of `formats` (Pillow's names); errors call it `name`."""
    image = _stored(stream, name, max_pixels, formats)
    ImageOps.exif_transpose(image, in_place=True)
    return image


def open_pair(image_path: Path, trimap_path: Path) -> tuple[Image.Image, Image.Image]:
    """A photo and its trimap, both upright. Raises InputError that names the file, also when sizes differ.

    A trimap without EXIF data that fits the photo only as it is stored was drawn by a program that ignores
    the photo's orientation, so it is rotated with it.
    """
    image, trimap = (_stored(path, str(path)) for path in (image_path, trimap_path))
    orientation = image.getexif().get(ORIENTATION, 1)
    if orientation in SIDEWAYS and trimap.size == image.size and ORIENTATION not in trimap.getexif():
        trimap.getexif()[ORIENTATION] = orientation if trimap.width != trimap.height else 1
    for one in (image, trimap):
        ImageOps.exif_transpose(one, in_place=True)
    if image.size != trimap.size:
        raise InputError(
            f"{trimap_path}: {trimap.width} x {trimap.height} pixels, "
            f"but {image_path} has {image.width} x {image.height}; both must have one size"
        )
    return image, trimap


def _stored(
    file: Path | IO[bytes], name: str, max_pixels: int = MAX_PIXELS, formats: tuple[str, ...] | None = None
) -> Image.Image:
    """An image as it is stored, its pixels read; its header is judged before."""
    try:
        with Image.open(file, formats=formats) as image:
            if image.width * image.height > max_pixels:
                raise InputError(
                    f"{name}: {image.width} x {image.height} pixels; at most {max_pixels:,} are read"
                )
            image.load()
            image.getexif()  # broken data is found here, not when the image is turned
            if image.mode == "F" and not np.isfinite(np.asarray(image)).all():
                raise ValueError("NaN or infinite samples")
            return image
    except InputError:
        raise
    except FileNotFoundError:
        raise InputError(f"{name}: no such file") from None
    except UnidentifiedImageError:
        raise InputError(f"{name}: not a readable image") from None
    except Exception as error:  # of many classes: decoders of broken files raise ValueError and others
        raise InputError(f"{name}: not a readable image ({error})") from None


def _unit(image: Image.Image) -> Array:
    """An image's samples scaled to [0, 1]: 16-bit ones by 65535, floating ones as they are."""
    if image.mode.startswith(("I", "F")):
        return np.clip(np.asarray(image, np.float32) / (1 if image.mode == "F" else 65535), 0, 1)
    return np.asarray(image, np.float32) / np.float32(255)


def unit(array: NDArray[Any]) -> Array:
    """Bytes as float32 in [0, 1]; anything else as float32, as it is."""
    if array.dtype == np.uint8:
        return np.asarray(array, np.float32) / np.float32(255)
    return np.asarray(array, np.float32)


def load_image(path: Path) -> Array:
    """Read any image file as RGB, H x W x 3, float32 in [0, 1]."""
    image = open_image(path)
    if image.mode.startswith(("I", "F")):
        return np.repeat(_unit(image)[:, :, None], 3, axis=2)
    return _unit(image.convert("RGB"))


def image_bytes(image: Image.Image) -> Bytes:
    """An open image as RGB, H x W x 3, uint8; strip by strip, so that a large one is in memory once."""
    result = np.empty((image.height, image.width, 3), np.uint8)
    for top in range(0, image.height, STRIP):
        strip = image.crop((0, top, image.width, min(top + STRIP, image.height)))
        if strip.mode.startswith(("I", "F")):
            result[top : top + STRIP] = to_bytes(_unit(strip))[:, :, None]
        else:
            result[top : top + STRIP] = np.asarray(strip.convert("RGB"))
    return result


def load_alpha(path: Path) -> Array:
    """Read an alpha file as H x W, float32 in [0, 1]. A colour file must have three equal channels."""
    return _unit(_one_channel(open_image(path), path))


def load_trimap(path: Path, in_between_unknown: bool = False) -> Array:
    """Read a trimap file as H x W of exactly 0, 0.5 and 1.

    Values other than 0, 128 and 255 raise InputError, or count as unknown with `in_between_unknown`.
    """
    return trimap_unit(trimap_bytes(open_image(path), path, in_between_unknown))


def trimap_bytes(image: Image.Image, path: Path, in_between_unknown: bool = False) -> Bytes:
    """An open trimap as H x W of exactly 0, 128 and 255, under `load_trimap`'s rule; `path` is for the message."""
    grey = _one_channel(image, path)
    values = to_bytes(_unit(grey)) if grey.mode != "L" else np.asarray(grey)
    odd = np.setdiff1d(levels(values), TRIMAP_FILE_VALUES)
    if not odd.size:
        return values
    if in_between_unknown:
        table = np.full(256, UNKNOWN, np.uint8)
        table[[BACKGROUND, FOREGROUND]] = BACKGROUND, FOREGROUND
        return np.asarray(cv2.LUT(values, table), np.uint8)
    found = ", ".join(str(value) for value in odd[:8])
    raise InputError(
        f"{path}: a trimap holds 0 (background), 128 (unknown) and 255 (foreground); found {found} too"
    )


def levels(values: Bytes) -> NDArray[np.intp]:
    """Which of 0..255 occur; unlike `np.unique`, without a sorted copy."""
    return np.flatnonzero(cv2.calcHist([values], [0], None, [256], [0, 256]))


def trimap_unit(values: Bytes) -> Array:
    """0, 128 and 255 as 0, 0.5 and 1."""
    known = (values != BACKGROUND).astype(np.uint8) + (values == FOREGROUND)
    return np.array([0, 0.5, 1], np.float32)[known]


def _one_channel(image: Image.Image, path: Path) -> Image.Image:
    if image.mode in ("L", "1") or image.mode.startswith(("I", "F")):
        return image.convert("L") if image.mode == "1" else image
    channels = np.asarray(image.convert("RGB"))
    if (channels != channels[:, :, :1]).any():
        raise InputError(f"{path}: one grey channel is expected; found colour channels that differ")
    return Image.fromarray(channels[:, :, 0])


def to_bytes(array: NDArray[Any]) -> Bytes:
    """[0, 1] to the nearest of 0..255; bytes stay as they are."""
    if array.dtype == np.uint8:
        return array
    return np.rint(np.clip(array, 0, 1) * 255).astype(np.uint8)


def save_image(array: NDArray[Any], path: Path, profile: bytes | None = None) -> None:
    """Write H x W x 3, H x W x 4 or H x W in [0, 1] (or bytes) as an 8-bit file, atomically.

    `profile` is the ICC profile that the colours are meant in.
    """
    with atomic(path) as temporary:
        Image.fromarray(to_bytes(array)).save(temporary, icc_profile=profile)


def save_trimap(trimap: Array, path: Path) -> None:
    """Write a trimap of 0, 0.5 and 1 as a file of 0, 128 and 255. Other values raise ValueError."""
    if not np.isin(trimap, (0, 0.5, 1)).all():
        raise ValueError("a trimap holds exactly 0, 0.5 and 1")
    with atomic(path) as temporary:
        Image.fromarray(np.rint(trimap * 255).astype(np.uint8)).save(temporary)


def images_by_stem(folder: Path) -> dict[str, Path]:
    """The image files of a folder by name without suffix. Raises InputError when two share one."""
    if not folder.is_dir():
        raise InputError(f"{folder}: no such folder")
    images: dict[str, Path] = {}
    for path in sorted(folder.iterdir()):
        if path.suffix.lower() in SUFFIXES and not path.name.startswith("."):
            if path.stem in images:
                raise InputError(f"{folder}: both {images[path.stem].name} and {path.name}; keep one")
            images[path.stem] = path
    return images


def resize_area(array: Array, height: int, width: int) -> Array:
    """Resize by area averaging when it shrinks and bilinearly when it grows."""
    shrinks = height * width < array.shape[0] * array.shape[1]
    interpolation = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(array, (width, height), interpolation=interpolation), np.float32)
