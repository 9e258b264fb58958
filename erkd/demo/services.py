"""What the page's services compute: files in, a PNG file out, all as bytes."""

import io
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from PIL import Image

from erkd.inference.boxes import Box, mask_from_box
from erkd.inference.cutouts import cutout
from erkd.inference.masks import trimap_from_mask
from erkd.inference.matter import Matter
from erkd.io.colours import read_colours
from erkd.io.files import InputError
from erkd.io.image_files import kept, read_image, turn_with
from erkd.io.images import Bytes, image_bytes, mask_bytes, to_bytes, trimap_bytes

MAX_PIXELS = 16_000_000  # browsers on phones hold no larger canvas
FORMATS = ("PNG", "JPEG", "WEBP", "GIF", "BMP")  # what browsers show


def services(
    matter: Matter, qualities: Mapping[str, Matter]
) -> dict[str, tuple[Callable[..., bytes], tuple[str, ...]]]:
    """What the page asks for: by path, what computes the answer and the files of the form that it is given.

    `/matte` is by `matter`, `/matte/NAME` by one of `qualities`.
    """
    return {
        "/trimap": (read_trimap, ("image", "trimap")),
        "/mask": (partial(trimap_of_mask, matter), ("image", "mask")),
        "/box": (partial(trimap_of_box, matter), ("image", "box")),
        "/matte": (partial(matte, matter), ("image", "trimap")),
        **{f"/matte/{name}": (partial(matte, one), ("image", "trimap")) for name, one in qualities.items()},
        "/cutout": (cut_out, ("image", "alpha")),
    }


def matte(matter: Matter, photo: bytes, trimap: bytes) -> bytes:
    """The alpha, grey, of a photo and its trimap."""
    image, drawn = _open_pair(photo, trimap, "trimap")
    return _png(to_bytes(matter(_pixels(image), trimap_bytes(drawn, "trimap"))))


def read_trimap(photo: bytes, trimap: bytes) -> bytes:
    """A photo's trimap, upright as the photo is shown, of exactly 0, 128 and 255."""
    return _png(trimap_bytes(_open_pair(photo, trimap, "trimap")[1], "trimap"))


def trimap_of_mask(matter: Matter, photo: bytes, mask: bytes) -> bytes:
    """The trimap, upright, that a photo and the mask of the thing on it give."""
    image, drawn = _open_pair(photo, mask, "mask")
    return _png(trimap_from_mask(matter, _pixels(image), mask_bytes(drawn, "mask")))


def trimap_of_box(matter: Matter, photo: bytes, box: bytes) -> bytes:
    """The trimap that a photo and a box, "LEFT,TOP,RIGHT,BOTTOM", around the thing on it give."""
    image = _pixels(_open(photo, "photo"))
    mask = mask_from_box(image, Box.parse(box[:100].decode(errors="replace")), "photo")
    return _png(trimap_from_mask(matter, image, mask))


def _open_pair(photo: bytes, drawing: bytes, name: str) -> tuple[Image.Image, Image.Image]:
    image, drawn = _open(photo, "photo"), _open(drawing, name)
    turn_with(drawn, image)
    _check_size(drawn, image, name)
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


def _pixels(image: Image.Image) -> Bytes:
    return image_bytes(image, read_colours(image, "photo"))


def _check_size(grey: Image.Image, image: Image.Image, name: str) -> None:
    if grey.size != image.size:
        found, expected = (f"{one.width} x {one.height}" for one in (grey, image))
        raise InputError(f"{name}: {found} pixels; the photo's {expected} are expected")


def _png(array: Bytes, **options: Any) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(array).save(stream, "PNG", compress_level=3, **options)
    return stream.getvalue()
