"""Images, alphas and trimaps: float32 in [0, 1] in memory, 8-bit files on disk.

A trimap file holds 0 (background), 128 (unknown) and 255 (foreground), or what `trimap_values` takes for them; in
arrays these are exactly 0, 0.5 and 1. Layout H x W x C, channels RGB.
"""

import zlib
from pathlib import Path
from typing import IO, Any, Literal

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from erkd.io.colours import Colours, read_colours
from erkd.io.files import InputError, atomic, warn
from erkd.io.image_files import open_image, open_pair
from erkd.io.trimap_values import BACKGROUND, FOREGROUND, NEAR, Bytes, snap_trimap

Array = NDArray[np.float32]
MAX_SAMPLES = 200_000_000  # as floats: pixels times channels
GREYISH = 32  # between the channels of a grey picture that was saved as a colour JPEG
STRIP = 256  # rows that are decoded at a time
PLAIN = Colours()


def _samples(image: Image.Image, path: Path | str, mode: str, colours: Colours = PLAIN) -> Array:
    """An opened image's samples as "RGB" or "RGBA", H x W x 3 or 4 in [0, 1]; `colours` are read by their profile.

    Those of 16 bits are divided by 65535, floating ones taken as they are. Raises InputError where they would not
    fit into memory.
    """
    if image.width * image.height * len(mode) > MAX_SAMPLES:
        raise InputError(
            f"{path}: {image.width} x {image.height} pixels; at most {MAX_SAMPLES // len(mode):,} fit into "
            "memory here"
        )
    if image.mode.startswith(("I", "F")) and colours.transform is None:
        grey = _grey(image)
        return np.stack([grey, grey, grey, np.ones_like(grey)][: len(mode)], axis=2)
    if image.info["deep"] and colours.transform is None:
        stored = cv2.imdecode(np.fromfile(path, np.uint8), cv2.IMREAD_UNCHANGED)
        if stored is not None and stored.dtype == np.uint16 and stored.shape[2] >= len(mode):
            order = (2, 1, 0, 3)[: len(mode)]
            return np.ascontiguousarray(stored[:, :, order], np.float32) / np.float32(65535)
    samples = _unit_bytes(colours.rgb(image))
    return samples if mode == "RGB" else np.dstack([samples, _unit_bytes(image.convert("RGBA").getchannel("A"))])


def _unit_bytes(image: Image.Image) -> Array:
    """An 8-bit image in [0, 1], without a second array of floats."""
    samples = np.array(image, np.float32)
    samples /= 255
    return samples


def _grey(image: Image.Image) -> Array:
    """An image of one deep channel in [0, 1]."""
    return np.clip(np.asarray(image, np.float32) / np.float32(1 if image.mode == "F" else 65535), 0, 1)


def _has_alpha(image: Image.Image) -> bool:
    return image.mode[-1] in "Aa" or "transparency" in image.info


def warn_of_transparency(image: Image.Image, name: Path | str) -> None:
    """Warn that an open photo's or background's transparency does not count, where it has some."""
    if _has_alpha(image) and np.asarray(image.convert("RGBA").getchannel("A")).min() < 255:
        warn(f"{name}: its transparency is ignored")


def unit(array: NDArray[Any]) -> Array:
    """Bytes as float32 in [0, 1]; anything else as float32, as it is."""
    if array.dtype == np.uint8:
        return np.asarray(array, np.float32) / np.float32(255)
    return np.asarray(array, np.float32)


def image_bytes(image: Image.Image, colours: Colours = PLAIN) -> Bytes:
    """An open image as RGB, H x W x 3, uint8; strip by strip, so that a large one is in memory once.

    `colours` says how it becomes RGB (`read_colours`); without it numbers are taken as they are.
    """
    result = np.empty((image.height, image.width, 3), np.uint8)
    for top in range(0, image.height, STRIP):
        strip = image.crop((0, top, image.width, min(top + STRIP, image.height)))
        if strip.mode.startswith(("I", "F")) and colours.transform is None:
            result[top : top + STRIP] = to_bytes(_grey(strip))[:, :, None]
        else:
            result[top : top + STRIP] = np.asarray(colours.rgb(strip))
    return result


def load_image(path: Path, upright: bool = True) -> Array:
    """Read any image file as sRGB, H x W x 3, float32 in [0, 1]; transparency is left away.

    `upright` False takes the stored pixels, whatever EXIF or a profile says. Raises InputError that names the file.
    """
    image = open_image(path, upright)
    return _samples(image, path, "RGB", read_colours(image, path, keep=False) if upright else PLAIN)


def load_image_bytes(path: Path) -> Bytes:
    """`to_bytes(load_image(path))`, without floats in between for a file of 8 bits a channel."""
    image = open_image(path)
    if image.info["deep"] or image.mode.startswith(("I", "F")):
        return to_bytes(load_image(path))
    return image_bytes(image, read_colours(image, path, keep=False))


def load_alpha_bytes(path: Path) -> Bytes:
    """`to_bytes(load_alpha(path))`, without floats in between for a grey file of 8 bits."""
    image = open_image(path)
    plain = image.mode == "L" and not _has_alpha(image)
    return np.asarray(image) if plain else to_bytes(_one_channel(image, path))


def load_cutout(path: Path) -> tuple[Array, Array]:
    """Read colours (sRGB, H x W x 3) and alpha (H x W) of a file with transparency, in [0, 1].

    Raises InputError that names the file when it cannot be read or has no alpha channel.
    """
    image = open_image(path)
    if not _has_alpha(image):
        raise InputError(f"{path}: no alpha channel; give RGBA cut-outs, or folders foreground/ and alpha/")
    samples = _samples(image, path, "RGBA", read_colours(image, path, keep=False))
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


def load_trimap(path: Path) -> Array:
    """Read a trimap file as H x W of exactly 0, 0.5 and 1, under the rule of `snap_trimap`. Raises InputError."""
    return trimap_unit(trimap_bytes(open_image(path), path))


def trimap_bytes(image: Image.Image, path: Path | str) -> Bytes:
    """An open trimap as H x W of exactly 0, 128 and 255; `path` is what messages call it. Raises InputError."""
    plain = image.mode == "L" and not _has_alpha(image)
    return snap_trimap(np.asarray(image) if plain else to_bytes(_one_channel(image, path, NEAR / 255)), path)


def mask_bytes(image: Image.Image, path: Path | str) -> Bytes:
    """An open mask as H x W, uint8: its alpha channel if something is transparent, else its grey values.

    Raises InputError that calls it `path` for a picture in colours.
    """
    if _has_alpha(image):
        alpha = np.asarray(image.convert("RGBA").getchannel("A"))
        if alpha.min() < 255:
            return alpha
    if image.mode.startswith(("I", "F")):
        return to_bytes(_grey(image))
    if image.mode not in ("1", "L", "LA"):
        channels = np.asarray(image.convert("RGB"))
        if (channels.max(axis=2) - channels.min(axis=2)).max() > GREYISH:
            raise InputError(f"{path}: a mask is one grey channel, or the alpha of an RGBA; found opaque colours")
    return np.asarray(image.convert("L"))


def trimap_unit(values: Bytes) -> Array:
    """0, 128 and 255 as 0, 0.5 and 1."""
    known = (values != BACKGROUND).astype(np.uint8) + (values == FOREGROUND)
    return np.array([0, 0.5, 1], np.float32)[known]


def _one_channel(image: Image.Image, path: Path | str, tolerance: float = 0) -> Array:
    """An image's grey; colour channels may differ from the first by `tolerance`."""
    if _has_alpha(image) and (np.asarray(image.convert("RGBA"))[:, :, 3] < 255).any():
        raise InputError(f"{path}: one grey channel is expected; found transparency")
    if image.mode in ("1", "L"):
        return _unit_bytes(image.convert("L"))
    if image.mode.startswith(("I", "F")):
        return _grey(image)
    samples = _samples(image, path, "RGB")
    if (np.abs(samples - samples[:, :, :1]) > tolerance).any():
        raise InputError(f"{path}: one grey channel is expected; found colour channels that differ")
    return np.ascontiguousarray(samples[:, :, 0])


def to_bytes(array: NDArray[Any]) -> Bytes:
    """[0, 1] to the nearest of 0..255; bytes stay as they are."""
    if array.dtype == np.uint8:
        return array
    return np.rint(np.clip(array, 0, 1) * 255).astype(np.uint8)


def load_bytes(path: Path, mode: Literal["RGB", "L"]) -> Bytes:
    """Read an 8-bit file as it is stored, H x W x 3 or H x W. Raises InputError that names the file."""
    return np.asarray(open_image(path).convert(mode))


def save_image(array: NDArray[Any], path: Path, **options: Any) -> None:
    """Write H x W x 3, H x W x 4 or H x W in [0, 1] (or bytes) as an 8-bit file, atomically.

    `options` are those of Pillow's writers (`icc_profile`, `dpi`, `exif`). Raises InputError for what the format or
    the operating system refuses.
    """
    with atomic(path) as temporary:
        try:
            encode(array, temporary, path.suffix.lower(), **options)
        except (OSError, ValueError, KeyError) as error:
            if isinstance(error, OSError) and error.errno:
                raise
            raise InputError(f"{path}: cannot be written ({error})") from None


def encode(array: NDArray[Any], file: Path | IO[bytes], suffix: str, **options: Any) -> None:
    """Write an image as `save_image` does to a file of any name, or an open one, in the format that `suffix` names.

    PNGs of photographs pack best by Huffman codes alone and alphas by run lengths: as small as by zlib's usual
    search, and five times as fast. WebP loses nothing, JPEG little.
    """
    strategy = zlib.Z_HUFFMAN_ONLY if array.ndim == 3 and array.shape[2] == 3 else zlib.Z_RLE
    how: dict[str, dict[str, Any]] = {
        ".png": {"compress_level": 1, "compress_type": strategy},
        ".webp": {"lossless": True, "exact": True},
        ".jpg": {"quality": 95, "subsampling": 0},
    }
    packing = how.get(".jpg" if suffix == ".jpeg" else suffix, {})
    kind = Image.registered_extensions()[suffix]
    Image.fromarray(to_bytes(array)).save(file, kind, **packing, **options)


def save_trimap(trimap: Array, path: Path) -> None:
    """Write a trimap of 0, 0.5 and 1 as a file of 0, 128 and 255. Other values raise ValueError."""
    if not np.isin(trimap, (0, 0.5, 1)).all():
        raise ValueError("a trimap holds exactly 0, 0.5 and 1")
    save_image(np.rint(trimap * 255).astype(np.uint8), path)


def load_pair(image: Path, trimap: Path) -> tuple[Bytes, Bytes]:
    """A photo H x W x 3 and its trimap H x W of 0, 128 and 255, both upright. Raises InputError (`open_pair`)."""
    photo, drawn = open_pair(image, trimap)
    return image_bytes(photo, read_colours(photo, image)), trimap_bytes(drawn, trimap)


def resize_area(array: Array, height: int, width: int) -> Array:
    """Resize by area averaging when it shrinks and bilinearly when it grows."""
    shrinks = height * width < array.shape[0] * array.shape[1]
    interpolation = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(array, (width, height), interpolation=interpolation), np.float32)
