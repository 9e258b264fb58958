"""Matting of image files: from the photo and what its trimap comes from to the file that is written."""

import contextlib
import io
import os
import re
import sys
from collections.abc import Callable, Iterable, Iterator, Sized
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import ImageColor

from erkd.inference.cutouts import cutout, place
from erkd.inference.jobs import Job
from erkd.inference.matter import Matter
from erkd.io.colours import in_space, read_colours
from erkd.io.files import InputError
from erkd.io.image_files import NO_MEMORY, STANDARD_STREAM, kept, open_image
from erkd.io.images import Bytes, encode, image_bytes, save_image, warn_of_transparency
from erkd.runtime.threads import map_threads

Finish = Callable[[Bytes, Bytes, bytes | None], NDArray[Any]]  # image, alpha, profile of the image -> output image
AT_ONCE = 2  # photos of a folder: one is read or written while the other is run; each takes memory
OPAQUE = (".jpg", ".jpeg", ".bmp")  # formats without an alpha channel
LOSSY = (".jpg", ".jpeg")
LARGEST = {".webp": 16383, ".jpg": 65500, ".jpeg": 65500}  # longest side that a format can hold, pixels
OUT_OF_MEMORY = re.compile(r"bad_alloc|[Ii]nsufficient memory|allocat|out of memory")


def threads_for(jobs: Sized) -> int:
    """Threads of ONNX Runtime for each photo: all cores (0) for a single one, else a share of them."""
    return 0 if len(jobs) == 1 else max(1, (os.cpu_count() or 1) // AT_ONCE)


def attempt_each(write: Callable[[Job], None], jobs: Iterable[Job], at_once: int = AT_ONCE) -> Iterator[str]:
    """`write` the jobs, so many at once; yield one line for each that fails on its input, in order, and go on."""

    def attempt(job: Job) -> str:
        try:
            write(job)
        except InputError as error:
            return str(error)
        return ""

    yield from filter(None, map_threads(attempt, jobs, at_once))


def write_matte(matter: Matter, job: Job, finish: Finish) -> None:
    """Read a photo and its hint, estimate alpha and write `finish(image, alpha, profile)`."""
    with _memory_told(job.image):
        photo, make_trimap = job.hint.open(job.image)
        _check_size(job, max(photo.size))
        warn_of_transparency(photo, job.image)
        colours, options = read_colours(photo, job.image), kept(photo)
        image = image_bytes(photo, colours)
        del photo  # hold a large photo's pixels only once
        trimap = make_trimap(matter, image)
        del make_trimap
        alpha = np.empty(trimap.shape, np.uint8)
        matter.write(image, trimap, alpha, job.hint.path or job.image)
        del trimap
        result = finish(image, alpha, colours.profile)
        if result.ndim == 2:
            options.pop("exif", None)
        elif colours.profile:
            options["icc_profile"] = colours.profile
        _write(result, job, options)


def write_trimap(matter: Matter, job: Job) -> None:
    """Read a photo and its hint, and write the trimap that `write_matte` would use."""
    with _memory_told(job.image):
        photo, make_trimap = job.hint.open(job.image)
        _check_size(job, max(photo.size))
        trimap = make_trimap(matter, image_bytes(photo, read_colours(photo, job.image)))
        _write(trimap, job, {})


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


def _write(result: NDArray[Any], job: Job, options: dict[str, Any]) -> None:
    """Write a file, or a PNG to standard output or to a device, as one piece."""
    if not job.streamed:
        return save_image(result, job.output, **options)
    png = io.BytesIO()
    encode(result, png, ".png", **options)
    try:
        if job.output != STANDARD_STREAM:
            job.output.write_bytes(png.getbuffer())
            return None
        unbuffered, rest = getattr(sys.stdout.buffer, "raw", sys.stdout.buffer), png.getbuffer()
        while rest:  # what a buffer held after an error, Python would try to write again at its end
            rest = rest[unbuffered.write(rest) :]
    except BrokenPipeError:
        raise
    except OSError as error:
        raise InputError(f"{job.output}: cannot be written ({error.strerror})") from None


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
            raise InputError(f"{job.output}: JPEG would change the values; write it as PNG")
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
        warn_of_transparency(opened, path)
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
