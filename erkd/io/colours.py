"""Colour spaces of photos: what a file says its numbers mean, how they become RGB, and what is written with them.

RGB in a profile of its own keeps its numbers and the profile goes with the result; everything else becomes sRGB
(docs/decisions/052).
"""

import contextlib
import io
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageCms

from erkd.io.files import warn

GREY, RGB = ("1", "L", "LA", "I;16", "I;16L", "I;16B", "F"), ("RGB", "RGBA", "RGBX", "P", "PA", "YCbCr")
SPACES = {b"GRAY": GREY, b"RGB ": GREY + RGB, b"CMYK": ("CMYK",)}  # an image's modes by its profile's colour space
D65, D50 = (0.3127, 0.3290), (0.9642, 1.0, 0.8249)  # x, y; X, Y, Z
SRGB = ((0.64, 0.33), (0.30, 0.60), (0.15, 0.06))
ADOBE_RGB = ((0.64, 0.33), (0.21, 0.71), (0.15, 0.06))
GAMMA = 2.2  # nearly sRGB's
NEAR = 2  # of 255: a profile that moves no colour farther is taken as sRGB
EXIF, INTEROP, COLOUR_SPACE = 0x8769, 0xA005, 0xA001  # tags of a shot's own tags, of Interop's, and in the former


@dataclass(frozen=True)
class Colours:
    """How an image becomes RGB: by `transform`, if there is one; the result is in `profile`, or in sRGB."""

    profile: bytes | None = None
    transform: ImageCms.ImageCmsTransform | None = None

    def rgb(self, image: Image.Image) -> Image.Image:
        """An image, or a part of it, in RGB, 8 bits."""
        if "transparency" in image.info and image.mode == "P":
            image = image.convert("RGBA")
        transform = _transform(None, "LAB") if image.mode == "LAB" else self.transform
        if transform is None:
            return image.convert("RGB")
        return ImageCms.applyTransform(_as_mode(image, str(transform.input_mode)), transform)  # type: ignore[return-value]


def _as_mode(image: Image.Image, mode: str) -> Image.Image:
    """`image` in the mode that a transform takes; what has 16 bits or floats keeps 16."""
    if mode == "I;16":
        scale = 65535 if image.mode == "F" else 1
        return Image.fromarray(np.rint(np.asarray(image, np.float32) * scale).astype(np.uint16))
    return image if image.mode == mode else image.convert(mode)


def read_colours(image: Image.Image, name: Path | str, keep: bool = True) -> Colours:
    """How an open image called `name` becomes RGB: in its own space, or in sRGB without `keep`.

    A profile that is broken or belongs to another kind of image is warned of (InputWarning) and left out.
    """
    if image.mode == "LAB":
        return Colours()
    profile = image.info.get("icc_profile") or _without_profile(image)
    if not profile:
        return Colours()
    space = profile[16:20]
    if image.mode not in SPACES.get(space, ()):
        kind = space.decode("ascii", "replace").strip()
        warn(f"{name}: a colour profile for {kind} on an {image.mode} image is ignored")
        return Colours()
    try:
        if space != b"RGB ":
            deep = image.mode.startswith(("I", "F"))
            return Colours(None, _transform(profile, "CMYK" if space == b"CMYK" else "I;16" if deep else "L"))
        if _is_srgb(profile):
            return Colours(profile)
        if keep and _opens_both_ways(profile):
            return Colours(profile)
        return Colours(None, _transform(profile, "RGB"))
    except (ImageCms.PyCMSError, OSError) as error:
        warn(f"{name}: a broken colour profile is ignored ({error})")
        return Colours()


@lru_cache(maxsize=8)
def _transform(profile: bytes | None, mode: str, back: bool = False) -> ImageCms.ImageCmsTransform:
    """From `profile`, or L*a*b*, to sRGB, or `back`; white stays white, black black. Raises PyCMSError or OSError."""
    own = ImageCms.ImageCmsProfile(io.BytesIO(profile)) if profile else ImageCms.createProfile("LAB")
    srgb = ImageCms.createProfile("sRGB")
    first, second = (srgb, own) if back else (own, srgb)
    flags = ImageCms.Flags.BLACKPOINTCOMPENSATION
    return ImageCms.buildTransform(first, second, mode, "RGB", ImageCms.Intent.RELATIVE_COLORIMETRIC, flags)


@lru_cache(maxsize=8)
def _is_srgb(profile: bytes) -> bool:
    grid = np.stack(np.meshgrid(*[np.arange(0, 256, 15, dtype=np.uint8)] * 3), axis=-1).reshape(1, -1, 3)
    found = ImageCms.applyTransform(Image.fromarray(grid), _transform(profile, "RGB"))
    return bool(np.abs(np.asarray(found, int) - grid).max() <= NEAR)


def _opens_both_ways(profile: bytes) -> bool:
    """Whether other pictures can be brought into a profile's space; a scanner's may lead out of it alone."""
    try:
        return bool(_transform(profile, "RGB", back=True))
    except ImageCms.PyCMSError:
        return False


def in_space(pixels: NDArray[np.uint8], own: bytes | None, profile: bytes | None) -> NDArray[np.uint8]:
    """Colours H x W x 3 of the profile `own` as they look in `profile`; None is sRGB."""
    if own == profile:
        return pixels
    image = Image.fromarray(pixels)
    for one, back in ((own, False), (profile, True)):
        if one is not None:
            image = ImageCms.applyTransform(image, _transform(one, "RGB", back))  # type: ignore[assignment]
    return np.asarray(image)


def _without_profile(image: Image.Image) -> bytes | None:
    """The profile that a file without one describes: PNG by gAMA and cHRM, a camera's JPEG by EXIF's Adobe RGB."""
    with contextlib.suppress(Exception):  # of many classes, where the numbers make no sense
        gamma, points = image.info.get("gamma"), image.info.get("chromaticity")
        if image.format == "PNG" and gamma and "srgb" not in image.info:
            white, *primaries = zip(points[::2], points[1::2], strict=True) if points else (D65, *SRGB)
            usual = abs(gamma * GAMMA - 1) < 0.05 and np.abs(np.subtract(primaries, SRGB)).max() < 0.01
            return None if usual else rgb_profile(primaries, white, 1 / gamma)
        exif = image.getexif()
        if exif.get_ifd(INTEROP).get(1) == "R03" or exif.get_ifd(EXIF).get(COLOUR_SPACE) == 2:
            return rgb_profile(ADOBE_RGB, D65, 563 / 256)
    return None


def rgb_profile(primaries: Sequence[Sequence[float]], white: Sequence[float], gamma: float) -> bytes:
    """A profile of three primaries and a white, each x and y, whose linear light is sample ** `gamma`."""
    columns = np.array([[x / y, 1, (1 - x - y) / y] for x, y in primaries]).T
    light = np.array([white[0] / white[1], 1, (1 - white[0] - white[1]) / white[1]])
    bradford = np.array([[0.8951, 0.2664, -0.1614], [-0.7502, 1.7135, 0.0367], [0.0389, -0.0685, 1.0296]])
    adapted = np.linalg.inv(bradford) @ np.diag(bradford @ D50 / (bradford @ light)) @ bradford
    colorants = adapted @ columns @ np.diag(np.linalg.solve(columns, light))
    curve = b"curv\0\0\0\0" + struct.pack(">IH", 1, round(gamma * 256))
    tags = {name + b"XYZ": xyz(colorants[:, place]) for place, name in enumerate((b"r", b"g", b"b"))}
    return icc(b"RGB ", tags | {name + b"TRC": curve for name in (b"r", b"g", b"b")})


def xyz(values: Sequence[float] | NDArray[np.float64]) -> bytes:
    """The value of a tag of X, Y and Z."""
    return b"XYZ \0\0\0\0" + struct.pack(">3i", *(round(float(value) * 65536) for value in values))


def icc(space: bytes, tags: dict[bytes, bytes], connection: bytes = b"XYZ ") -> bytes:
    """An ICC profile, version 2, of a display in `space`, e.g. b"RGB ", with the values of its tags.

    `connection` is the space that they lead to.
    """
    title = b"erkd"
    words = {
        b"desc": b"desc\0\0\0\0" + struct.pack(">I", len(title) + 1) + title + bytes(1 + 4 + 4 + 2 + 1 + 67),
        b"cprt": b"text\0\0\0\0CC0\0",
        b"wtpt": xyz(D50),
    }
    table, body = b"", b""
    for name, value in (words | tags).items():
        padded = value + bytes(-len(value) % 4)
        table += name + struct.pack(">II", 132 + 12 * len(words | tags) + len(body), len(value))
        body += padded
    head = struct.pack(">I4sI4s4s4s12s4s", 0, bytes(4), 0x02400000, b"mntr", space, connection, bytes(12), b"acsp")
    head += bytes(28) + struct.pack(">3i", *(round(value * 65536) for value in D50))
    head = head.ljust(128, b"\0") + struct.pack(">I", len(words | tags))
    return struct.pack(">I", len(head + table + body)) + (head + table + body)[4:]
