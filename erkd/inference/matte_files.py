"""Matting of image files: pair photos with trimaps and outputs, and write the results."""

import contextlib
import io
import os
import re
import sys
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageColor

from erkd.inference.cutouts import cutout, place
from erkd.inference.matter import Matter
from erkd.io.colours import in_space, read_colours
from erkd.io.files import InputError, check_writable, composed, warn
from erkd.io.image_files import NO_MEMORY, SHOWN, SUFFIXES, images_by_name, kept, open_image, open_pair
from erkd.io.images import Bytes, encode, image_bytes, save_image, trimap_bytes
from erkd.io.tables import shorten

Finish = Callable[[Bytes, Bytes, bytes | None], NDArray[Any]]  # image, alpha, profile of the image -> output image
STANDARD_OUTPUT = Path("-")
OPAQUE = (".jpg", ".jpeg", ".bmp")  # formats without an alpha channel
LOSSY = (".jpg", ".jpeg")
LARGEST = {".webp": 16383, ".jpg": 65500, ".jpeg": 65500}  # longest side that a format can hold, pixels
OTHER_IMAGES = (".heic", ".heif", ".jxl", ".exr", ".xcf", ".svg", ".dng", ".raw")  # besides those that Pillow knows
OUT_OF_MEMORY = re.compile(r"bad_alloc|[Ii]nsufficient memory|allocat|out of memory")


@dataclass(frozen=True)
class Job:
    """One photo, its trimap, and the file to write: a file's name, `STANDARD_OUTPUT` or a device, which get a PNG."""

    image: Path
    trimap: Path
    output: Path

    @property
    def streamed(self) -> bool:
        """Whether the output is no file that takes its name when it is whole."""
        special = os.path.exists(self.output) and not os.path.isfile(self.output) and not os.path.isdir(self.output)
        return self.output == STANDARD_OUTPUT or special


def find_jobs(
    images: Sequence[Path], trimap: Path, output: Path, force: bool, skip_existing: bool = False
) -> list[Job]:
    """Pair photos with trimaps by file name without suffix, in sub-folders by folder and name.

    Args:
        images: Photos, or folders of photos.
        trimap: A folder, or a file if there is one photo.
        output: A file if there is one photo and it has an image's suffix, else a folder that gets NAME.png.
        force: Whether existing outputs may be overwritten.
        skip_existing: Whether photos whose output exists are left out.

    Raises:
        InputError: For photos without a trimap or of equal names, existing outputs, and outputs that are inputs or
            that cannot be written.
    """
    photos = _photos(images, output, (trimap, output))
    single = len(photos) == 1
    if os.path.isdir(trimap):
        trimaps = images_by_name(trimap, leave_out=(output,))
        missing = [f"{name}{path.suffix}" for name, path in photos.items() if name not in trimaps]
        if missing:
            raise InputError(f"{trimap}: no trimap of the same name for {shorten(missing, SHOWN)}")
    elif single:
        trimaps = dict.fromkeys(photos, trimap)
    else:
        raise InputError(f"{trimap}: a folder of trimaps is expected, since there are {len(photos)} photos")
    to_file = _is_file(output, len(photos))
    jobs = [Job(path, trimaps[name], output if to_file else output / f"{name}.png") for name, path in photos.items()]
    inputs = {os.path.realpath(path) for job in jobs for path in (job.image, job.trimap)}
    for job in jobs:
        if os.path.realpath(job.output) in inputs:
            raise InputError(f"{job.output}: this is an input; write to another name or folder")
        if not job.streamed:
            check_writable(job.output)
    existing = [job for job in jobs if os.path.lexists(job.output) and not job.streamed]
    if skip_existing:
        if existing:
            warn(f"{output}: {len(existing)} of {len(jobs)} exist already and are skipped")
        done = {*existing}
        return [job for job in jobs if job not in done]
    if existing and not force:
        listed = shorten([str(job.output) for job in existing], SHOWN)
        others = ", --skip-existing goes on with the others" if len(jobs) > 1 else ""
        raise InputError(f"{listed} exists already; --force overwrites{others}")
    return jobs


def _photos(images: Iterable[Path], output: Path, leave_out: Collection[Path]) -> dict[str, Path]:
    photos: dict[str, Path] = {}
    for path in images:
        if os.path.isdir(path):
            own = os.path.realpath(path)
            others = [folder for folder in leave_out if os.path.realpath(folder) != own]
            found = images_by_name(path, leave_out=others, results=os.path.realpath(output) == own)
        else:
            found = {composed(path.stem): path}
        if not found:
            raise InputError(f"{path}: no image in this folder ({', '.join(SUFFIXES)})")
        for name, photo in found.items():
            if name in photos:
                raise InputError(f"{photos[name]} and {photo} have one name; matte them one at a time")
            photos[name] = photo
    return photos


def _is_file(output: Path, count: int) -> bool:
    """Whether an output is a file or a stream for one photo, not a folder. Raises InputError where it cannot be."""
    if os.path.isdir(output):
        return False
    file = output.suffix.lower() in SUFFIXES
    if count > 1 and (file or Job(output, output, output).streamed):
        raise InputError(f"{output}: a folder is expected, since there are {count} photos")
    if file or Job(output, output, output).streamed:
        return True
    if os.path.isfile(output):
        raise InputError(f"{output}: a folder is expected here, and a file is in its place")
    if output.suffix.lower() in {*Image.registered_extensions(), *OTHER_IMAGES}:
        raise InputError(f"{output}: files of this type are not written; {', '.join(SUFFIXES)} are")
    return False


def write_mattes(matter: Matter, jobs: Iterable[Job], finish: Finish) -> Iterator[str]:
    """Run the jobs one by one; yield one line for each that fails on its input, and go on."""
    for job in jobs:
        try:
            write_matte(matter, job, finish)
        except InputError as error:
            yield str(error)


def write_matte(matter: Matter, job: Job, finish: Finish) -> None:
    """Read a photo and its trimap, estimate alpha and write `finish(image, alpha, profile)`."""
    with _memory_told(job.image):
        photo, drawn = open_pair(job.image, job.trimap)
        _check_size(job, max(photo.size))
        colours, options = read_colours(photo, job.image), kept(photo)
        trimap = trimap_bytes(drawn, job.trimap)
        del drawn  # hold a large photo's pixels only once
        image = image_bytes(photo, colours)
        del photo
        alpha = np.empty(trimap.shape, np.uint8)
        matter.write(image, trimap, alpha, job.trimap)
        del trimap
        result = finish(image, alpha, colours.profile)
        if result.ndim == 2:
            options.pop("exif", None)
        elif colours.profile:
            options["icc_profile"] = colours.profile
        if job.streamed:
            return _write_stream(result, job.output, options)
        save_image(result, job.output, **options)


def _check_size(job: Job, side: int) -> None:
    most = side if job.streamed else LARGEST.get(job.output.suffix.lower(), side)
    if side > most:
        raise InputError(f"{job.output}: this type of file holds {most} pixels a side; write {side} as PNG")


@contextlib.contextmanager
def _memory_told(name: Path) -> Iterator[None]:
    """Whatever library says that memory is short: InputError that names the photo."""
    try:
        yield
    except InputError:
        raise
    except Exception as error:
        if isinstance(error, MemoryError) or OUT_OF_MEMORY.search(str(error)):
            raise InputError(f"{name}: {NO_MEMORY}; a smaller --tile takes less") from None
        raise


def _write_stream(result: NDArray[Any], output: Path, options: dict[str, Any]) -> None:
    """Write a PNG to standard output or to a device, as one piece."""
    png = io.BytesIO()
    encode(result, png, ".png", **options)
    try:
        if output != STANDARD_OUTPUT:
            output.write_bytes(png.getbuffer())
            return
        unbuffered, rest = getattr(sys.stdout.buffer, "raw", sys.stdout.buffer), png.getbuffer()
        while rest:  # what a buffer held after an error, Python would try to write again at its end
            rest = rest[unbuffered.write(rest) :]
    except BrokenPipeError:
        raise
    except OSError as error:
        raise InputError(f"{output}: cannot be written ({error.strerror})") from None


def choose_finish(cut_out: bool, background: str | None, jobs: Iterable[Job]) -> Finish:
    """Choose what is written: alpha, a cut-out (RGBA), or a composite over `background`, an image file or a colour.

    Raises InputError for a background that is neither, for both options at once, and for `jobs` whose type of output
    cannot hold an alpha exactly.
    """
    if cut_out and background is not None:
        raise InputError("--cutout and --background: one of them, since there is one output")
    if background is not None:
        return over(background)
    for job in jobs:
        suffix = "" if job.streamed else job.output.suffix.lower()
        if cut_out and suffix in OPAQUE:
            raise InputError(f"{job.output}: this type of file holds no alpha; write a cut-out as PNG")
        if suffix in LOSSY:
            raise InputError(f"{job.output}: JPEG changes an alpha's values; write it as PNG")
    return _cut_out if cut_out else alpha_only


def alpha_only(image: Bytes, alpha: Bytes, profile: bytes | None) -> NDArray[Any]:
    """The `Finish` that writes alpha itself."""
    return alpha


def _cut_out(image: Bytes, alpha: Bytes, profile: bytes | None) -> NDArray[Any]:
    return cutout(image, alpha)


def over(background: str) -> Finish:
    """The `Finish` that composites over an image file, or a colour that Pillow knows (a name, "#rrggbb").

    It looks the same whatever the photo's profile is. Raises InputError for a background that is neither.
    """
    path = Path(background)
    if os.path.isfile(path):
        opened = open_image(path)
        colours = read_colours(opened, path)
        pixels, own = image_bytes(opened, colours), colours.profile
    else:
        try:
            pixels, own = np.array([[ImageColor.getrgb(background)[:3]]], np.uint8), None
        except ValueError:
            raise InputError(f"{background}: neither an image file nor a colour (a name or #rrggbb)") from None

    @lru_cache(maxsize=1)
    def behind(profile: bytes | None) -> Bytes:
        return in_space(pixels, own, profile)

    return lambda image, alpha, profile: place(image, alpha, behind(profile))
