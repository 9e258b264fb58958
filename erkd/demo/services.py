"""What the page's services compute: files in, a PNG file out, all as bytes."""

import io
from collections.abc import Callable
from functools import partial
from typing import Any

from PIL import Image

from erkd.inference.cutouts import cutout
from erkd.inference.matter import Matter
from erkd.io.colours import read_colours
from erkd.io.files import InputError
from erkd.io.image_files import kept, read_image, turn_with
from erkd.io.images import Bytes, image_bytes, to_bytes, trimap_bytes

MAX_PIXELS = 16_000_000  # browsers on phones hold no larger canvas
FORMATS = ("PNG", "JPEG", "WEBP", "GIF", "BMP")  # what browsers show


def services(matter: Matter) -> dict[str, tuple[Callable[..., bytes], tuple[str, ...]]]:
    """What the page asks for: by path, what computes the answer and the files of the form that it is given."""
    return {
        "/trimap": (read_trimap, ("image", "trimap")),
        "/matte": (partial(matte, matter), ("image", "trimap")),
        "/cutout": (cut_out, ("image", "alpha")),
    }


def matte(matter: Matter, photo: bytes, trimap: bytes) -> bytes:
    """The alpha, grey, of a photo and its trimap."""
    image, drawn = _open_pair(photo, trimap)
    return _png(to_bytes(matter(image_bytes(image, read_colours(image, "photo")), trimap_bytes(drawn, "trimap"))))


def read_trimap(photo: bytes, trimap: bytes) -> bytes:
    """A photo's trimap, upright as the photo is shown, of exactly 0, 128 and 255."""
    return _png(trimap_bytes(_open_pair(photo, trimap)[1], "trimap"))


def _open_pair(photo: bytes, trimap: bytes) -> tuple[Image.Image, Image.Image]:
    image, drawn = _open(photo, "photo"), _open(trimap, "trimap")
    turn_with(drawn, image)
    _check_size(drawn, image, "trimap")
    return image, drawn


def cut_out(photo: bytes, alpha: bytes) -> bytes:
    """RGBA of a photo and its alpha, with the foreground's own colours, in the photo's colour space."""
    image, grey = _open(photo, "photo"), _open(alpha, "alpha")
    _check_size(grey, image, "alpha")
    colours = read_colours(image, "photo")
    rgba = cutout(image_bytes(image, colours), image_bytes(grey)[:, :, 0])
    return _png(rgba, icc_profile=colours.profile, **kept(image))


def _open(file: bytes, name: str) -> Image.Image:
    return read_image(io.BytesIO(file), name, MAX_PIXELS, FORMATS)


def _check_size(grey: Image.Image, image: Image.Image, name: str) -> None:
    if grey.size != image.size:
        found, expected = (f"{one.width} x {one.height}" for one in (grey, image))
        raise InputError(f"{name}: {found} pixels; the photo's {expected} are expected")


def _png(array: Bytes, **options: Any) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(array).save(stream, "PNG", compress_level=3, **options)
    return stream.getvalue()
