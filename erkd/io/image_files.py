"""Image files opened: which are taken, how they are turned, and what is refused before it costs memory or time."""

import contextlib
import io
import os
import re
import sys
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import IO, Any

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from erkd.io.colours import EXIF, read_colours
from erkd.io.files import InputError, composed, warn
from erkd.io.tables import shorten

SUFFIXES = (".png", ".jpg", ".jpeg", ".webp", ".bmp", ".tif", ".tiff")
FORMATS = ("PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF")  # Pillow's names; PostScript could start programs
STANDARD_STREAM = Path("-")  # standard input or output
UNSEEN = (".", "Thumbs.db", "desktop.ini", "__MACOSX")  # files of the system, which no user sees
SHOWN = 5  # file names in a message
MAX_PIXELS = 178_000_000  # what Pillow itself takes
MAX_PIPED = 1 << 30  # bytes that are read from a pipe
MAX_SCANNED = 2_500_000_000  # pixels of a JPEG times its scans; some ten scans are usual, and each takes time
ORIENTATION = 0x0112  # EXIF's tag
KEPT = (270, 271, 272, 306, 315, 33432)  # description, make, model, time, artist, copyright
KEPT_OF_SHOT = (
    *(33434, 33437, 34850, 34855, 37377, 37378, 37380, 37381, 37383, 37384, 37385, 37386, 41986, 41987, 41989),
    *(36867, 36868, 36880, 36881, 36882, 37520, 37521, 37522, 42034, 42035, 42036),
)  # exposure, light and focal length; times; lens
LONGEST_EXIF = 60_000  # bytes; a JPEG holds 65 533
ROUNDING = 1e-3  # what floating samples may lie outside of [0, 1]
NO_MEMORY = "it does not fit into memory"
SIDEWAYS = (5, 6, 7, 8)  # its values that swap height and width


def images_by_name(
    folder: Path, below: bool = True, leave_out: Collection[Path] = (), results: bool = False
) -> dict[str, Path]:
    """The files that `list_images` finds by name without suffix, those in sub-folders as "FOLDER/NAME".

    Names are in Unicode's composed form (NFC), however a file system spells them. With `results` a NAME.png beside
    another NAME is what was made of that and does not count. Raises InputError as `list_images` does, and for two
    files of one name.
    """
    images: dict[str, Path] = {}
    for path in list_images(folder, below, leave_out):
        inside = path.relative_to(folder)
        name = composed(inside.with_suffix("").as_posix())
        same = images.get(name)
        if same is not None and not (results and ".png" in (same.suffix, path.suffix)):
            raise InputError(f"{folder}: both {same.relative_to(folder)} and {inside}; keep one")
        if same is None or same.suffix == ".png":
            images[name] = path
    return images


def list_images(folder: Path, below: bool = True, leave_out: Collection[Path] = ()) -> list[Path]:
    """The image files of a folder, and with `below` of its sub-folders but for those in `leave_out`, in order.

    Other files are left out with a warning (InputWarning), hidden ones without. Raises InputError for a folder that
    is missing or cannot be read.
    """
    if not os.path.isdir(folder):
        raise InputError(f"{folder}: no such folder")
    others: list[str] = []
    files = [*_files(folder, below, {os.path.realpath(one) for one in leave_out}, others)]
    images = [path for path in files if path.suffix.lower() in SUFFIXES and os.path.isfile(path)]
    others += [str(path.relative_to(folder)) for path in {*files} - {*images}]
    if others:
        taken = ", ".join(SUFFIXES)
        warn(f"{folder}: left out {shorten(sorted(others), SHOWN)}; taken are {taken}")
    return images


def _files(folder: Path, below: bool, leave_out: set[str], others: list[str]) -> Iterator[Path]:
    """The files of a folder and those `below`, in order; folders that are links or locked go to `others`."""

    def leave_out_or_refuse(error: OSError) -> None:
        if error.filename == str(folder):
            raise InputError(f"{folder}: cannot be read ({error.strerror})")
        others.append(f"{Path(error.filename).relative_to(folder)}/")

    for root, folders, files in os.walk(folder, onerror=leave_out_or_refuse):
        inner = (Path(root, name) for name in sorted(folders) if not name.startswith(UNSEEN))
        kept = [path for path in inner if os.path.realpath(path) not in leave_out]
        folders[:] = [path.name for path in kept if below and not path.is_symlink()]
        others += [f"{path.relative_to(folder)}/" for path in kept if not below or path.is_symlink()]
        yield from (Path(root, name) for name in sorted(files) if not name.startswith(UNSEEN))


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
        file = _rereadable(file)
        with Image.open(file, formats=formats) as opened:
            image: Image.Image = opened
            if image.width * image.height > max_pixels:
                raise InputError(f"{name}: {image.width} x {image.height} pixels; at most {max_pixels:,} are read")
            if image.format in ("JPEG", "MPO") and image.width * image.height * _scans(file) > MAX_SCANNED:
                raise InputError(f"{name}: a JPEG of {_scans(file)} scans; save it anew")
            raw = str(opened.tile[0].args) if opened.tile else ""
            orientation = image.getexif().get(ORIENTATION)  # before the pixels: with them Pillow turns a TIFF
            if image.format == "TIFF":
                opened.filename = ""  # else Pillow maps the file into memory, with rows as wide as the turned image
            _tell_frames(image, name)
            image.load()
            image.getexif()  # broken data is found here, not when the image is turned
            image = _whole_range(image, raw, name)
    except InputError:
        raise
    except FileNotFoundError:
        raise InputError(f"{name}: no such file") from None
    except UnidentifiedImageError:
        raise InputError(f"{name}: not a readable image; taken are {', '.join(formats)}") from None
    except MemoryError:
        raise InputError(f"{name}: {NO_MEMORY}") from None
    except Exception as error:  # of many classes: decoders of broken files raise ValueError and others
        if isinstance(error, OSError) and error.errno:
            raise InputError(f"{name}: cannot be read ({error.strerror})") from None
        raise InputError(f"{name}: not a readable image ({error})") from None
    deep = isinstance(file, Path) and image.mode in ("RGB", "RGBA") and re.search("RGBA?;16", raw) is not None
    image.info["orientation"] = orientation
    image.info["deep"] = deep and not (image.format == "TIFF" and orientation not in (None, 1))
    return image


def _rereadable(file: Path | IO[bytes]) -> Path | IO[bytes]:
    """A file, or the content of a pipe, which can be read once alone; `STANDARD_STREAM` is standard input."""
    if file == STANDARD_STREAM:
        return io.BytesIO(sys.stdin.buffer.read(MAX_PIPED))
    if not isinstance(file, Path) or os.path.isfile(file) or os.path.isdir(file) or not os.path.exists(file):
        return file
    with file.open("rb") as pipe:
        return io.BytesIO(pipe.read(MAX_PIPED))


def _tell_frames(image: Image.Image, name: str) -> None:
    """Warn of an animation and of further pages; a phone's second picture (MPO) belongs to the first."""
    frames = 1
    with contextlib.suppress(Exception):  # broken data behind the first
        frames = getattr(image, "n_frames", 1)
    if frames > 1 and image.format != "MPO":
        what = "pages" if image.format == "TIFF" else "frames"
        warn(f"{name}: {frames} {what}; the first one is taken")


def _whole_range(image: Image.Image, raw: str, name: str) -> Image.Image:
    """An image whose grey samples, where they are deep, fill 0..65535 or 0..1. Raises InputError for others.

    `raw` is Pillow's word for how they were stored.
    """
    if image.mode == "I":
        raise InputError(f"{name}: samples of more than 16 bits, or signed ones; save it with 8 or 16 bits")
    if image.mode == "F":
        low, high = (float(value) for value in (np.asarray(image).min(), np.asarray(image).max()))
        if not np.isfinite([low, high]).all():
            raise ValueError("NaN or infinite samples")
        if low < -ROUNDING or high > 1 + ROUNDING:
            raise InputError(f"{name}: floating samples of {low:.4g} to {high:.4g}, not 0 to 1; save it with 16 bits")
    if image.mode.startswith("I;16"):
        white_is_zero = image.format == "TIFF" and image.tag_v2.get(262) == 0  # type: ignore[attr-defined]
        if white_is_zero or ";12" in raw:
            samples = np.asarray(image).astype(np.uint16)
            full = 4095 if ";12" in raw else 65535
            samples = np.rint(samples * (65535 / full)).astype(np.uint16)
            turned = Image.fromarray(65535 - samples if white_is_zero else samples)
            turned.info, turned.format = image.info, image.format
            return turned
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


def is_plain_jpeg(path: Path) -> bool:
    """Whether a file is a JPEG whose stored pixels are what `load_image` gives, so that a copy serves as well."""
    with Image.open(path, formats=FORMATS) as image:
        plain = image.format == "JPEG" and image.mode == "RGB" and image.getexif().get(ORIENTATION, 1) == 1
        return plain and read_colours(image, path, keep=False).transform is None


def kept(image: Image.Image) -> dict[str, Any]:
    """What of an open photo's file goes with a result, as options of Pillow's writers: `dpi`, `exif`.

    EXIF is who made the picture, when and with what: neither where nor, since it is another picture, a thumbnail.
    """
    found: dict[str, Any] = {}
    with contextlib.suppress(Exception):  # of many classes, where the file says nonsense
        dpi = tuple(float(value) for value in image.info["dpi"])
        if len(dpi) == 2 and all(1 < value <= 1e5 for value in dpi):  # 1 stands for none
            found["dpi"] = dpi
    with contextlib.suppress(Exception):
        exif, own = Image.Exif(), image.getexif()
        exif.update({tag: _as_stored(own[tag]) for tag in KEPT if tag in own})
        shot = {tag: value for tag, value in own.get_ifd(EXIF).items() if tag in KEPT_OF_SHOT}
        if shot:
            exif.get_ifd(EXIF).update(shot)
            exif[EXIF] = exif.get_ifd(EXIF)
        if exif and len(exif.tobytes()) < LONGEST_EXIF:
            Image.new("L", (1, 1)).save(io.BytesIO(), "TIFF", exif=exif)  # the writer that is most exact
            found["exif"] = exif
    return found


def _as_stored(value: Any) -> Any:
    """EXIF's text as the bytes of the file, UTF-8 as a rule: Pillow reads it as Latin-1 and would write ASCII."""
    return value.encode("latin-1") if isinstance(value, str) else value
