"""Images, alphas and trimaps: float32 in [0, 1] in memory, 8-bit files on disk.

Only this module knows that a trimap file holds 0 (background), 128 (unknown) and 255 (foreground); in
arrays these are exactly 0, 0.5 and 1. Layout H x W x C, channels RGB.
"""

import zlib
from pathlib import Path
from typing import IO, Any, Literal

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError

from erkd.files import InputError, atomic

Array = NDArray[np.float32]
Bytes = NDArray[np.uint8]
TRIMAP_FILE_VALUES = BACKGROUND, UNKNOWN, FOREGROUND = 0, 128, 255
SUFFIXES = (".png", ".jpg", ".jpeg", ".webp", ".bmp", ".tif", ".tiff")
FORMATS = (
    "PNG",
    "JPEG",
    "WEBP",
    "GIF",
    "BMP",
    "TIFF",
)  # Pillow's names; others could start programs (PostScript)
MAX_PIXELS = 178_000_000  # what Pillow itself takes
MAX_SAMPLES = 200_000_000  # as floats: pixels times channels
MAX_SCANNED = 2_500_000_000  # pixels of a JPEG times its scans; some ten scans are usual, and each takes time
STRIP = 256  # rows that are decoded at a time
ORIENTATION = 0x0112  # EXIF's tag
SIDEWAYS = (5, 6, 7, 8)  # its values that swap height and width


def images_by_name(folder: Path) -> dict[str, Path]:
    """The image files of a folder by name without suffix, sorted.

    Raises InputError for a folder that is missing or has two files of one name.
    """
    if not folder.is_dir():
        raise InputError(f"{folder}: no such folder")
    images: dict[str, Path] = {}
    for path in sorted(folder.iterdir()):
        if path.suffix.lower() in SUFFIXES and not path.name.startswith("."):
            if path.stem in images:
                raise InputError(f"{folder}: both {images[path.stem].name} and {path.name}; keep one")
            images[path.stem] = path
    return images


def open_image(path: Path, upright: bool = True) -> Image.Image:
    """Open an image file of 8 or 16 bits; `upright` rotates it as its EXIF data says.

    Raises InputError that names the file. Pillow keeps the upper 8 of a colour file's 16 bits; `info["deep"]`
    says that the file as it is stored holds more.
    """
    image = _stored(path, str(path))
    if upright:
        _turn(image)
    return image


def read_image(stream: IO[bytes], name: str, max_pixels: int, formats: tuple[str, ...]) -> Image.Image:
    """As `open_image`, from an open file of one of `formats` (Pillow's names); errors call it `name`."""
    image = _stored(stream, name, max_pixels, formats)
    _turn(image)
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
        _turn(one)
    if image.size != trimap.size:
        raise InputError(
            f"{trimap_path}: {trimap.width} x {trimap.height} pixels, "
            f"but {image_path} has {image.width} x {image.height}; both must have one size"
        )
    return image, trimap


def _stored(
    file: Path | IO[bytes], name: str, max_pixels: int = MAX_PIXELS, formats: tuple[str, ...] = FORMATS
) -> Image.Image:
    """An image as it is stored, its pixels read; its header is judged before."""
    try:
        with Image.open(file, formats=formats) as image:
            if image.width * image.height > max_pixels:
                raise InputError(
                    f"{name}: {image.width} x {image.height} pixels; at most {max_pixels:,} are read"
                )
            if image.format in ("JPEG", "MPO") and image.width * image.height * _scans(file) > MAX_SCANNED:
                raise InputError(f"{name}: a JPEG of {_scans(file)} scans; save it anew")
            deep = len(image.getbands()) > 1 and any(";16" in str(tile) for tile in image.tile)
            image.load()
            image.getexif()  # broken data is found here, not when the image is turned
            if image.mode == "F" and not np.isfinite(np.asarray(image)).all():
                raise ValueError("NaN or infinite samples")
    except InputError:
        raise
    except FileNotFoundError:
        raise InputError(f"{name}: no such file") from None
    except UnidentifiedImageError:
        raise InputError(f"{name}: not a readable image") from None
    except Exception as error:  # of many classes: decoders of broken files raise ValueError and others
        raise InputError(f"{name}: not a readable image ({error})") from None
    if image.mode == "I" and not _sixteen_bits(image):
        raise InputError(f"{name}: samples of more than 16 bits; save it with 8 or 16")
    image.info["deep"] = deep
    return image


def _scans(file: Path | IO[bytes]) -> int:
    """How often a JPEG file goes over its pixels; each pass may be a few bytes long and takes its time."""
    if isinstance(file, Path):
        return file.read_bytes().count(b"\xff\xda")
    place = file.tell()
    file.seek(0)
    count = file.read().count(b"\xff\xda")
    file.seek(place)
    return count


def _turn(image: Image.Image) -> None:
    """Rotate an image as its EXIF data says."""
    if image.getexif().get(ORIENTATION, 1) != 1:
        image.info["deep"] = False  # the file's own samples would lie the other way
        ImageOps.exif_transpose(image, in_place=True)


def _sixteen_bits(image: Image.Image) -> bool:
    low, high = np.asarray(image.getextrema()).tolist()
    return bool(low >= 0 and high <= 65535)


def _samples(image: Image.Image, path: Path, mode: str) -> Array:
    """An opened image's samples as "RGB" or "RGBA", H x W x 3 or 4 in [0, 1].

    Those of 16 bits are divided by 65535, floating ones taken as they are. Raises InputError where they would not
    fit into memory.
    """
    if image.width * image.height * len(mode) > MAX_SAMPLES:
        raise InputError(
            f"{path}: {image.width} x {image.height} pixels; at most {MAX_SAMPLES // len(mode):,} fit into "
            "memory here"
        )
    if image.mode.startswith(("I", "F")):
        grey = _grey(image)
        return np.stack([grey, grey, grey, np.ones_like(grey)][: len(mode)], axis=2)
    if image.info["deep"]:
        stored = cv2.imdecode(np.fromfile(path, np.uint8), cv2.IMREAD_UNCHANGED)
        if stored is not None and stored.dtype == np.uint16 and stored.shape[2] >= len(mode):
            order = (2, 1, 0, 3)[: len(mode)]
            return np.ascontiguousarray(stored[:, :, order], np.float32) / np.float32(65535)
    return _unit_bytes(image.convert(mode))


def _unit_bytes(image: Image.Image) -> Array:
    """An 8-bit image in [0, 1], without a second array of floats."""
    samples = np.array(image, np.float32)
    samples /= 255
    return samples


def _grey(image: Image.Image) -> Array:
    """An image of one deep channel in [0, 1]."""
    scale = 1 if image.mode == "F" else 65535
    return np.clip(np.asarray(image, np.float32) / np.float32(scale), 0, 1)


def _has_alpha(image: Image.Image) -> bool:
    return "A" in image.getbands() or "a" in image.getbands() or "transparency" in image.info


def unit(array: NDArray[Any]) -> Array:
    """Bytes as float32 in [0, 1]; anything else as float32, as it is."""
    if array.dtype == np.uint8:
        return np.asarray(array, np.float32) / np.float32(255)
    return np.asarray(array, np.float32)


def image_bytes(image: Image.Image) -> Bytes:
    """An open image as RGB, H x W x 3, uint8; strip by strip, so that a large one is in memory once."""
    result = np.empty((image.height, image.width, 3), np.uint8)
    for top in range(0, image.height, STRIP):
        strip = image.crop((0, top, image.width, min(top + STRIP, image.height)))
        if strip.mode.startswith(("I", "F")):
            result[top : top + STRIP] = to_bytes(_grey(strip))[:, :, None]
        else:
            result[top : top + STRIP] = np.asarray(strip.convert("RGB"))
    return result


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
        return _unit_bytes(image.convert("L"))
    return _one_channel(image, path)


def load_trimap(path: Path, in_between_unknown: bool = False) -> Array:
    """Read a trimap file as H x W of exactly 0, 0.5 and 1.

    Values other than 0, 128 and 255 raise InputError, or count as unknown with `in_between_unknown`.
    """
    return trimap_unit(trimap_bytes(open_image(path), path, in_between_unknown))


def trimap_bytes(image: Image.Image, path: Path, in_between_unknown: bool = False) -> Bytes:
    """An open trimap as H x W of exactly 0, 128 and 255, under `load_trimap`'s rule; `path` is for the message."""
    plain = image.mode == "L" and not _has_alpha(image)
    values = np.asarray(image) if plain else to_bytes(_one_channel(image, path))
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


def _one_channel(image: Image.Image, path: Path) -> Array:
    if _has_alpha(image) and (np.asarray(image.convert("RGBA"))[:, :, 3] < 255).any():
        raise InputError(f"{path}: one grey channel is expected; found transparency")
    if image.mode in ("1", "L"):
        return _unit_bytes(image.convert("L"))
    if image.mode.startswith(("I", "F")):
        return _grey(image)
    samples = _samples(image, path, "RGB")
    if (samples != samples[:, :, :1]).any():
        raise InputError(f"{path}: one grey channel is expected; found colour channels that differ")
    return np.ascontiguousarray(samples[:, :, 0])


def is_plain_jpeg(path: Path) -> bool:
    """Whether a file is a JPEG whose stored pixels are what `load_image` gives, so that a copy serves as well."""
    with Image.open(path, formats=FORMATS) as image:
        return image.format == "JPEG" and image.mode == "RGB" and image.getexif().get(ORIENTATION, 1) == 1


def to_bytes(array: NDArray[Any]) -> Bytes:
    """[0, 1] to the nearest of 0..255; bytes stay as they are."""
    if array.dtype == np.uint8:
        return array
    return np.rint(np.clip(array, 0, 1) * 255).astype(np.uint8)


def load_bytes(path: Path, mode: Literal["RGB", "L"]) -> Bytes:
    """Read an 8-bit file as it is stored, H x W x 3 or H x W. Raises InputError that names the file."""
    return np.asarray(open_image(path).convert(mode))


def save_image(array: NDArray[Any], path: Path, profile: bytes | None = None) -> None:
    """Write H x W x 3, H x W x 4 or H x W in [0, 1] (or bytes) as an 8-bit file, atomically.

    `profile` is the ICC profile that the colours are meant in. PNGs of photographs pack best by Huffman codes
    alone and alphas by run lengths: as small as by zlib's usual search, and five times as fast.
    """
    strategy = zlib.Z_HUFFMAN_ONLY if array.ndim == 3 and array.shape[2] == 3 else zlib.Z_RLE
    packing = {"compress_level": 1, "compress_type": strategy} if path.suffix.lower() == ".png" else {}
    with atomic(path) as temporary:
        Image.fromarray(to_bytes(array)).save(temporary, icc_profile=profile, **packing)  # type: ignore[arg-type]


def save_trimap(trimap: Array, path: Path) -> None:
    """Write a trimap of 0, 0.5 and 1 as a file of 0, 128 and 255. Other values raise ValueError."""
    if not np.isin(trimap, (0, 0.5, 1)).all():
        raise ValueError("a trimap holds exactly 0, 0.5 and 1")
    save_image(np.rint(trimap * 255).astype(np.uint8), path)


def resize_area(array: Array, height: int, width: int) -> Array:
    """Resize by area averaging when it shrinks and bilinearly when it grows."""
    shrinks = height * width < array.shape[0] * array.shape[1]
    interpolation = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(array, (width, height), interpolation=interpolation), np.float32)
