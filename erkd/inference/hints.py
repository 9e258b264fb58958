"""Where a photo's trimap comes from: its own file, the mask of a segmenter, or a box."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from PIL import Image

from erkd.inference.boxes import Box, mask_from_box
from erkd.inference.masks import trimap_from_mask
from erkd.inference.matter import Matter
from erkd.io.files import InputError
from erkd.io.image_files import open_image, open_pair
from erkd.io.images import Bytes, mask_bytes, trimap_bytes

MakeTrimap = Callable[[Matter, Bytes], Bytes]  # student and image H x W x 3 -> H x W of 0, 128 and 255


@dataclass(frozen=True)
class TrimapFile:
    """A trimap that was drawn."""

    path: Path
    kind = "trimap"

    def open(self, photo: Path) -> tuple[Image.Image, MakeTrimap]:
        """The photo, upright, and what makes its trimap. Raises InputError."""
        image, drawn = open_pair(photo, self.path)
        values = trimap_bytes(drawn, self.path)
        return image, lambda matter, pixels: values


@dataclass(frozen=True)
class MaskFile:
    """A mask, and by how many pixels to either side its edge is unknown, if that does not follow from it."""

    path: Path
    band: int | None = None
    kind = "mask"

    def open(self, photo: Path) -> tuple[Image.Image, MakeTrimap]:
        """The photo, upright, and what makes its trimap. Raises InputError."""
        image, drawn = open_pair(photo, self.path)
        values = mask_bytes(drawn, self.path)
        return image, lambda matter, pixels: trimap_from_mask(matter, pixels, values, self.band, self.path)


@dataclass(frozen=True)
class BoxHint:
    """A box around the thing, and `band` as for a mask."""

    box: Box
    band: int | None = None
    path = None
    kind = "mask"

    def open(self, photo: Path) -> tuple[Image.Image, MakeTrimap]:
        """The photo, upright, and what makes its trimap. Raises InputError."""
        image = open_image(photo)
        self.box.check(image.height, image.width, photo)
        return image, partial(self._make, photo)

    def _make(self, photo: Path, matter: Matter, pixels: Bytes) -> Bytes:
        return trimap_from_mask(matter, pixels, mask_from_box(pixels, self.box, photo), self.band, photo)


WITHOUT_TRIMAP = "--mask FILE (a segmenter's, the thing white) or --box LEFT,TOP,RIGHT,BOTTOM (around it)"
WAYS = f"--trimap FILE (drawn), {WITHOUT_TRIMAP}"
Hint = TrimapFile | MaskFile | BoxHint


def choose_hint(trimap: Path | None, mask: Path | None, box: str | None, band: int | None, ways: str = WAYS) -> Hint:
    """The one that is given of these `ways`. Raises InputError for none, several, and a band for a trimap."""
    if [trimap, mask, box].count(None) != 2:
        found = "none is given" if trimap is mask is box is None else "more than one is given"
        raise InputError(f"one option says where the thing is, and {found}: {ways}")
    if trimap:
        if band is not None:
            raise InputError("--band is for a mask or a box; a trimap says itself what is unknown")
        return TrimapFile(trimap)
    return MaskFile(mask, band) if mask else BoxHint(Box.parse(box or ""), band)
