"""Image files opened: which are taken, how they are turned, and what is refused before it costs memory or time."""

from pathlib import Path
from typing import IO

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from erkd.io.files import InputError

SUFFIXES = (".png", ".jpg", ".jpeg", ".webp", ".bmp", ".tif", ".tiff")
FORMATS = ("PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF")  # Pillow's names; PostScript could start programs
MAX_PIXELS = 178_000_000  # what Pillow itself takes
MAX_SCANNED = 2_500_000_000  # pixels of a JPEG times its scans; some ten scans are usual, and each takes time
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
    says that the file as it is stored holds more, `info["orientation"]` which one EXIF gave (None: none).
    """
    image = _stored(path, str(path))
    if upright:
        _turn(image)
    return image


def read_image(stream: IO[bytes], name: str, max_pixels: int, formats: tuple[str, ...]) -> Image.Image:
    """As `open_image`, from an open file of one of `formats` (Pillow's names); errors call it `name`."""
    image = _stored(stream, name, max_pixels, formats)
    image.info["deep"] = False  # there is no file to read 16 bits from
    _turn(image)
    return image


def open_pair(image_path: Path, trimap_path: Path) -> tuple[Image.Image, Image.Image]:
    """A photo and its trimap, both upright. Raises InputError that names the file, also when sizes differ."""
    image, trimap = open_image(image_path), open_image(trimap_path)
    turn_with(trimap, image)
    if image.size != trimap.size:
        raise InputError(
            f"{trimap_path}: {trimap.width} x {trimap.height} pixels, "
            f"but {image_path} has {image.width} x {image.height}; both must have one size"
        )
    return image, trimap


def turn_with(trimap: Image.Image, image: Image.Image) -> None:
    """Rotate a trimap without EXIF data that fits its photo only as that is stored, as the photo was rotated.

    It was drawn by a program that ignores the photo's orientation.
    """
    orientation = image.info["orientation"]
    fits = trimap.width != trimap.height and trimap.size == image.size[::-1]
    if orientation in SIDEWAYS and fits and trimap.info["orientation"] is None:
        trimap.getexif()[ORIENTATION] = orientation
        _turn(trimap)


def _stored(
    file: Path | IO[bytes], name: str, max_pixels: int = MAX_PIXELS, formats: tuple[str, ...] = FORMATS
) -> Image.Image:
    """An image as it is stored, its pixels read; its header is judged before."""
    try:
        with Image.open(file, formats=formats) as image:
            if image.width * image.height > max_pixels:
                raise InputError(f"{name}: {image.width} x {image.height} pixels; at most {max_pixels:,} are read")
            if image.format in ("JPEG", "MPO") and image.width * image.height * _scans(file) > MAX_SCANNED:
                raise InputError(f"{name}: a JPEG of {_scans(file)} scans; save it anew")
            deep = len(image.getbands()) > 1 and any(";16" in str(tile) for tile in image.tile)
            orientation = image.getexif().get(ORIENTATION)  # before the pixels: with them Pillow turns a TIFF
            if image.format == "TIFF":
                image.filename = ""  # else Pillow maps the file into memory, with rows as wide as the turned image
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
    image.info["orientation"] = orientation
    image.info["deep"] = deep and not (image.format == "TIFF" and orientation not in (None, 1))
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


def is_plain_jpeg(path: Path) -> bool:
    """Whether a file is a JPEG whose stored pixels are what `load_image` gives, so that a copy serves as well."""
    with Image.open(path, formats=FORMATS) as image:
        return image.format == "JPEG" and image.mode == "RGB" and image.getexif().get(ORIENTATION, 1) == 1
