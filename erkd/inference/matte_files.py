"""Matting of image files: pair photos with trimaps and outputs, and write the results."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from erkd.inference.cutouts import cutout, place
from erkd.inference.hints import Hint
from erkd.inference.matter import Matter
from erkd.io.files import InputError
from erkd.io.image_files import SUFFIXES, images_by_name
from erkd.io.images import Bytes, image_bytes, load_image, save_image
from erkd.io.tables import shorten

Finish = Callable[[Bytes, Bytes], NDArray[Any]]  # (image, alpha) -> output image
SHOWN = 5  # file names in a message
OPAQUE = (".jpg", ".jpeg", ".bmp")  # formats without an alpha channel


@dataclass(frozen=True)
class Job:
    """One photo, what its trimap comes from, and the file to write."""

    image: Path
    hint: Hint
    output: Path


def find_jobs(images: Sequence[Path], hint: Hint, output: Path, force: bool) -> list[Job]:
    """Pair photos with trimaps or masks by file name without suffix.

    Args:
        images: Photos, or folders of photos.
        hint: Trimaps or masks in a folder, or, if there is one photo, in a file; or a box for that.
        output: A file if there is one photo and it has an image's suffix, else a folder that gets NAME.png.
        force: Whether existing outputs may be overwritten.

    Raises:
        InputError: For photos without a hint or of equal names, existing outputs, and outputs that are inputs.
    """
    photos = _photos(images)
    single = len(photos) == 1
    hints = _pair(photos, hint)
    to_file = single and output.suffix.lower() in SUFFIXES and not output.is_dir()
    if not to_file and output.is_file():
        raise InputError(f"{output}: a folder is expected here, and a file is in its place")
    jobs = [Job(path, hints[stem], output if to_file else output / f"{stem}.png") for stem, path in photos.items()]
    inputs = {path.resolve() for job in jobs for path in (job.image, job.hint.path) if path}
    for job in jobs:
        if job.output.resolve() in inputs:
            raise InputError(f"{job.output}: this is an input; write to another name or folder")
    existing = [str(job.output) for job in jobs if job.output.exists()]
    if existing and not force:
        raise InputError(f"{shorten(existing, SHOWN)} exists already; --force overwrites")
    return jobs


def _pair(photos: Mapping[str, Path], hint: Hint) -> dict[str, Hint]:
    """Each photo's own hint, by the photo's name."""
    if hint.path is None or not hint.path.is_dir():
        if len(photos) > 1:
            name = hint.path or "--box"
            raise InputError(f"{name}: a folder of {hint.kind}s is expected, since there are {len(photos)} photos")
        return dict.fromkeys(photos, hint)
    files = images_by_name(hint.path)
    missing = [path.name for stem, path in photos.items() if stem not in files]
    if missing:
        raise InputError(f"{hint.path}: no {hint.kind} of the same name for {shorten(missing, SHOWN)}")
    return {stem: replace(hint, path=files[stem]) for stem in photos}


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


def write_mattes(matter: Matter, jobs: Iterable[Job], finish: Finish) -> Iterator[str]:
    """Run the jobs one by one; yield one line for each that fails on its input, and go on."""
    for job in jobs:
        try:
            write_matte(matter, job, finish)
        except InputError as error:
            yield str(error)


def write_matte(matter: Matter, job: Job, finish: Finish) -> None:
    """Read a photo and its hint, estimate alpha and write `finish(image, alpha)`."""
    photo, make_trimap = job.hint.open(job.image)
    profile = photo.info.get("icc_profile")
    image = image_bytes(photo)
    del photo  # hold a large photo's pixels only once
    trimap = make_trimap(matter, image)
    del make_trimap
    alpha = np.empty(trimap.shape, np.uint8)
    matter.write(image, trimap, alpha, job.hint.path or job.image)
    result = finish(image, alpha)
    save_image(result, job.output, profile if result.ndim == 3 else None)


def write_trimap(matter: Matter, job: Job) -> None:
    """Read a photo and its hint, and write the trimap that `write_matte` would use."""
    photo, make_trimap = job.hint.open(job.image)
    save_image(make_trimap(matter, image_bytes(photo)), job.output)


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
