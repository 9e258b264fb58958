"""A mask from a box around the thing, by OpenCV's GrabCut."""

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from erkd.inference.masks import reduce_image, reduced_size
from erkd.inference.matter import check_image
from erkd.io.files import InputError
from erkd.io.images import Bytes

SIDE = 640  # pixels of the longer side on which GrabCut runs; it takes a second or two there
ROUNDS = 10
FORM = "four numbers LEFT,TOP,RIGHT,BOTTOM are expected, in pixels from the upright photo's upper left corner"


@dataclass(frozen=True)
class Box:
    """A rectangle in pixels of the upright photo: the first column and row inside it, and the first beyond it."""

    left: int
    top: int
    right: int
    bottom: int

    @classmethod
    def parse(cls, text: str) -> "Box":
        """Read "LEFT,TOP,RIGHT,BOTTOM", to the nearest pixel. Raises InputError for anything else."""
        try:
            box = cls(*(round(float(number)) for number in text.split(",")))
        except (TypeError, ValueError, OverflowError):
            raise InputError(f"box {text}: {FORM}") from None
        if box.left >= box.right or box.top >= box.bottom:
            raise InputError(f"box {box}: it holds no pixel; {FORM}")
        return box

    def __str__(self) -> str:
        return f"{self.left},{self.top},{self.right},{self.bottom}"

    def check(self, height: int, width: int, name: object) -> None:
        """Raise InputError, which calls the photo `name`, unless the box lies in it and leaves some of it outside."""
        size = f"the photo's {width} x {height} pixels"
        if self.left < 0 or self.top < 0 or self.right > width or self.bottom > height:
            raise InputError(f"{name}: box {self} does not lie within {size}")
        if (self.left, self.top, self.right, self.bottom) == (0, 0, width, height):
            raise InputError(
                f"{name}: box {self} holds all of {size}; background is learnt from what lies outside it"
            )


def mask_from_box(image: NDArray[Any], box: Box, name: object = "image") -> Bytes:
    """The mask, H x W of 0..255, of the thing in a box of an image H x W x 3: 255 where GrabCut sees it.

    Raises InputError, which calls the image `name`, for a box that does not fit it, and where GrabCut finds nothing.
    """
    image = check_image(image)
    height, width = image.shape[:2]
    box.check(height, width, name)
    scale, size = reduced_size(height, width, SIDE)
    small = reduce_image(image, size)
    kinds: Bytes = np.full(small.shape[:2], cv2.GC_BGD, np.uint8)
    kinds[_scaled(box.top, box.bottom, scale), _scaled(box.left, box.right, scale)] = cv2.GC_PR_FGD
    if (kinds == cv2.GC_BGD).any():
        cv2.setRNGSeed(0)  # GrabCut's first clusters are drawn by chance
        background, foreground = np.zeros((2, 1, 65))
        cv2.grabCut(small, kinds, (0, 0, 0, 0), background, foreground, ROUNDS, cv2.GC_INIT_WITH_MASK)
    found = kinds == cv2.GC_PR_FGD
    if not found.any() or found.all():
        raise InputError(
            f"{name}: nothing in box {box} can be told from what is outside; draw it anew, or give a mask"
        )
    mask = np.where(found, np.uint8(255), np.uint8(0))
    return np.asarray(cv2.resize(mask, (width, height), interpolation=cv2.INTER_LINEAR), np.uint8)


def _scaled(first: int, beyond: int, scale: float) -> slice:
    """The pixels of the smaller image that a side of the box covers, one at least."""
    start = int(first * scale)
    return slice(start, max(start + 1, round(beyond * scale)))
