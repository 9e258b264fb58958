"""Which photos are matted: each paired with its trimap or mask and the file to write, or refused before the work."""

import os
import re
import sys
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from PIL import Image

from erkd.inference.hints import Hint
from erkd.io.files import InputError, check_writable, composed, warn
from erkd.io.image_files import SHOWN, STANDARD_STREAM, SUFFIXES, images_by_name
from erkd.io.tables import shorten

NAMES_OF_STREAMS = re.compile(r"-|/dev/(stdout|stderr|fd/\d+)")  # even where a shell made them a file
OTHER_IMAGES = (".heic", ".heif", ".jxl", ".exr", ".xcf", ".svg", ".dng", ".raw")  # besides those that Pillow knows


@dataclass(frozen=True)
class Job:
    """One photo, what its trimap comes from, and the file to write: `STANDARD_STREAM` and devices get a PNG."""

    image: Path
    hint: Hint
    output: Path

    @property
    def streamed(self) -> bool:
        """Whether the output is no file that takes its name when it is whole."""
        return _streamed(self.output)


def _streamed(output: Path) -> bool:
    special = os.path.exists(output) and not os.path.isfile(output) and not os.path.isdir(output)
    return special or NAMES_OF_STREAMS.fullmatch(str(output)) is not None


def find_jobs(
    images: Sequence[Path], hint: Hint, output: Path, force: bool, skip_existing: bool = False
) -> list[Job]:
    """Pair photos with trimaps or masks by file name without suffix, in sub-folders by folder and name.

    Args:
        images: Photos, or folders of photos.
        hint: Trimaps or masks in a folder, or, if there is one photo, in a file; or a box for that.
        output: A file if there is one photo and it has an image's suffix, else a folder that gets NAME.png.
        force: Whether existing outputs may be overwritten.
        skip_existing: Whether photos whose output exists are left out.

    Raises:
        InputError: For photos without a hint or of equal names, existing outputs, and outputs that are inputs or
            that cannot be written.
    """
    if output == STANDARD_STREAM and sys.stdout.isatty():
        raise InputError("-: standard output is a terminal; send the PNG to a file or a pipe")
    photos = _photos(images, output, [path for path in (hint.path, output) if path])
    hints = _pair(photos, hint, output)
    to_file = _is_file(output, len(photos))
    jobs = [Job(photos[name], own, output if to_file else output / f"{name}.png") for name, own in hints.items()]
    inputs = {os.path.realpath(path) for job in jobs for path in (job.image, job.hint.path) if path}
    for job in (job for job in jobs if not job.streamed):
        if os.path.realpath(job.output) in inputs:
            raise InputError(f"{job.output}: this is an input; write to another name or folder")
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


def _pair(photos: Mapping[str, Path], hint: Hint, output: Path) -> dict[str, Hint]:
    """Each photo's own hint, by the photo's name.

    Sub-folders of photos that the hints have not, such as earlier results, are left out with a warning.
    """
    if hint.path is None or not os.path.isdir(hint.path):
        if len(photos) > 1:
            name = hint.path or "--box"
            raise InputError(f"{name}: a folder of {hint.kind}s is expected, since there are {len(photos)} photos")
        return dict.fromkeys(photos, hint)
    files = _by_any_case(images_by_name(hint.path, leave_out=(output,)), photos)
    folders = {name: name.rpartition("/")[0] for name in photos}
    known = {"", *(name.rpartition("/")[0] for name in files)}
    wanted = [name for name in photos if folders[name] in known] or [*photos]
    if len(wanted) < len(photos):
        absent = sorted({*folders.values()} - known)
        warn(f"{hint.path}: no folder {shorten(absent, SHOWN)}; photos in it are left out")
    missing = [f"{name}{photos[name].suffix}" for name in wanted if name not in files]
    if missing:
        raise InputError(f"{hint.path}: no {hint.kind} of the same name for {shorten(missing, SHOWN)}")
    return {name: replace(hint, path=files[name]) for name in wanted}


def _by_any_case(files: Mapping[str, Path], names: Iterable[str]) -> dict[str, Path]:
    """`files`, those under another spelling of one of `names` too that differs in case alone, if it is the one."""
    alike: dict[str, list[Path]] = {}
    for name, path in files.items():
        alike.setdefault(name.casefold(), []).append(path)
    found = {name: alike.get(name.casefold(), []) for name in names}
    return {name: paths[0] for name, paths in found.items() if len(paths) == 1} | dict(files)


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
    if count > 1 and (file or _streamed(output)):
        raise InputError(f"{output}: a folder is expected, since there are {count} photos")
    if file or _streamed(output):
        return True
    if os.path.isfile(output):
        raise InputError(f"{output}: a folder is expected here, and a file is in its place")
    if output.suffix.lower() in {*Image.registered_extensions(), *OTHER_IMAGES}:
        raise InputError(f"{output}: files of this type are not written; {', '.join(SUFFIXES)} are")
    return False
