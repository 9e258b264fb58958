"""What the page's services compute: files in, a PNG file out, all as bytes."""

import io

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from erkd.cutouts import cutout
from erkd.files import InputError
from erkd.images import read_image, to_bytes
from erkd.matter import Matter

Bytes = NDArray[np.uint8]

MAX_PIXELS = 16_000_000  # browsers on phones hold no larger canvas
FORMATS = (
    "PNG",
    "JPEG",
    "WEBP",
    "GIF",
    "BMP",
)  # what browsers show; others could start programs (PostScript)


def matte(matter: Matter, photo: bytes, trimap: bytes) -> bytes:
    """The alpha, grey, of a photo and its trimap, whose values count as the nearest of 0, 128 and 255."""
    image, grey = _same_size(_rgb(photo), _grey(trimap, "trimap"), "trimap")
    nearest = np.select([grey < 64, grey > 191], [np.uint8(0), np.uint8(255)], np.uint8(128))
    return _png(to_bytes(matter(image, nearest)))


def cut_out(photo: bytes, alpha: bytes) -> bytes:
    """RGBA of a photo and its alpha, with the foreground's own colours, estimated."""
    image, grey = _same_size(_rgb(photo), _grey(alpha, "alpha"), "alpha")
    return _png(to_bytes(cutout(image, grey)))


def _read(file: bytes, name: str) -> Image.Image:
    return read_image(io.BytesIO(file), name, MAX_PIXELS, FORMATS)


def _rgb(file: bytes) -> Bytes:
    image = _read(file, "photo")
    if image.mode.startswith(("I", "F")):  # 16 bits
        image = Image.fromarray(to_bytes(np.asarray(image, np.float32) / 65535))
    return np.asarray(image.convert("RGB"))


def _grey(file: bytes, name: str) -> Bytes:
    return np.asarray(_read(file, name).convert("RGB"))[:, :, 0]


def _same_size(image: Bytes, grey: Bytes, name: str) -> tuple[Bytes, Bytes]:
    if image.shape[:2] != grey.shape:
        sizes = [f"{shape[1]} x {shape[0]}" for shape in (grey.shape, image.shape)]
        raise InputError(f"{name}: {sizes[0]} pixels; the photo's {sizes[1]} are expected")
    return image, grey


def _png(array: Bytes) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(array).save(stream, "PNG", compress_level=3)
    return stream.getvalue()
