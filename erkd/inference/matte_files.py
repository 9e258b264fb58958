"""Matting of image files: pair photos with trimaps and outputs, and write the results."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from erkd.inference.cutouts import cutout, place
from erkd.inference.matter import Matter
from erkd.io.files import InputError
from erkd.io.image_files import SUFFIXES, images_by_name, open_pair
from erkd.io.images import Bytes, image_bytes, load_image, save_image, trimap_bytes
from erkd.io.tables import shorten
from erkd.runtime.threads import map_threads

Finish = Callable[[Bytes, Bytes], NDArray[Any]]  # (image, alpha) -> output image
SHOWN = 5  # file names in a message
AT_ONCE = 2  # photos of a folder: one is read or written while the other is run; each takes memory
OPAQUE = (".jpg", ".jpeg", ".bmp")  # formats without an alpha channel


@dataclass(frozen=True)
class Job:
    """One photo, its trimap, and the file to write."""

    image: Path
    trimap: Path
    output: Path


def find_jobs(images: Sequence[Path], trimap: Path, output: Path, force: bool) -> list[Job]:
    """Pair photos with trimaps by file name without suffix.

    Args:
        images: Photos, or folders of photos.
        trimap: A folder, or a file if there is one photo.
        output: A file if there is one photo and it has an image's suffix, else a folder that gets NAME.png.
        force: Whether existing outputs may be overwritten.

    Raises:
        InputError: For photos without a trimap or of equal names, existing outputs, and outputs that are inputs.
    """
    photos = _photos(images)
    single = len(photos) == 1
    if trimap.is_dir():
        trimaps = images_by_name(trimap)
        missing = [path.name for stem, path in photos.items() if stem not in trimaps]
        if missing:
            raise InputError(f"{trimap}: no trimap of the same name for {shorten(missing, SHOWN)}")
    elif single:
        trimaps = dict.fromkeys(photos, trimap)
    else:
        raise InputError(f"{trimap}: a folder of trimaps is expected, since there are {len(photos)} photos")
    to_file = single and output.suffix.lower() in SUFFIXES and not output.is_dir()
    if not to_file and output.is_file():
        raise InputError(f"{output}: a folder is expected here, and a file is in its place")
    jobs = [Job(path, trimaps[stem], output if to_file else output / f"{stem}.png") for stem, path in photos.items()]
    inputs = {path.resolve() for job in jobs for path in (job.image, job.trimap)}
    for job in jobs:
        if job.output.resolve() in inputs:
            raise InputError(f"{job.output}: this is an input; write to another name or folder")
    existing = [str(job.output) for job in jobs if job.output.exists()]
    if existing and not force:
        raise InputError(f"{shorten(existing, SHOWN)} exists already; --force overwrites")
    return jobs


def _photos(images: Iterable[Path]) -> dict[str, Path]:
    photos: dict[str, Path] = {}
    for path in images:
        found = images_by_name(path) if path.is_dir() else {path.stem: path}
        if not found:
            raise InputError(f"{path}: no image in this folder ({', '.join(SUFFIXES)})")
        for stem, photo in found.items():
            if stem in photos:
                raise InputError(f"{photos[stem]} and {photo} have one name; matte them one at a time")
            photos[stem] = photo
    return photos


def write_mattes(matter: Matter, jobs: Iterable[Job], finish: Finish, at_once: int = AT_ONCE) -> Iterator[str]:
    """Run the jobs, so many at once; yield one line for each that fails on its input, in order, and go on."""

    def attempt(job: Job) -> str:
        try:
            write_matte(matter, job, finish)
        except InputError as error:
            return str(error)
        return ""

    yield from filter(None, map_threads(attempt, jobs, at_once))


def write_matte(matter: Matter, job: Job, finish: Finish) -> None:
    """Read a photo and its trimap, estimate alpha and write `finish(image, alpha)`."""
    photo, drawn = open_pair(job.image, job.trimap)
    profile = photo.info.get("icc_profile")
    trimap = trimap_bytes(drawn, job.trimap)
    del drawn  # hold a large photo's pixels only once
    image = image_bytes(photo)
    del photo
    alpha = np.empty(trimap.shape, np.uint8)
    matter.write(image, trimap, alpha, job.trimap)
    result = finish(image, alpha)
    save_image(result, job.output, profile if result.ndim == 3 else None)


def alpha_only(image: Bytes, alpha: Bytes) -> NDArray[Any]:
    """The `Finish` that writes alpha itself."""
    return alpha


def choose_finish(cut_out: bool, background: str | None, outputs: Iterable[Path]) -> Finish:
    """Choose what is written: alpha, a cut-out (RGBA), or a composite over `background`, an image file or a colour.

    Raises InputError for a background that is neither, for both options at once, and for `outputs` of a format that
    cannot hold a cut-out.
    """
    if cut_out and background is not None:
        raise InputError("--cutout and --background: one of them, since there is one output")
    if background is not None:
        behind = read_background(background)
        return lambda image, alpha: place(image, alpha, behind)
    if not cut_out:
        return alpha_only
    for path in outputs:
        if path.suffix.lower() in OPAQUE:
            raise InputError(f"{path}: this type of file holds no alpha; write a cut-out as PNG")
    return cutout


def read_background(background: str) -> NDArray[Any]:
    """Read an image file, H x W x 3, or a colour that Pillow knows (a name, "#rrggbb"), 3; in [0, 1]. InputError."""
    from PIL import ImageColor

    path = Path(background)
    if path.is_file():
        return load_image(path)
    try:
        colour = ImageColor.getrgb(background)
    except ValueError:
        raise InputError(f"{background}: neither an image file nor a colour (a name or #rrggbb)") from None
    return np.array(colour[:3], np.float32) / 255
