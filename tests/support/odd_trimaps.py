"""Trimaps as other programs write them, and what is none; tests of every door take them from here."""

import numpy as np
from PIL import Image

from tests.support.demo_site import encoded, png
from tests.support.photo import photo

IMAGE, TRIMAP = photo(96, 128)


def resized(values: np.ndarray) -> bytes:
    """Half as large and back: with borders between the values."""
    small = Image.fromarray(values).resize((values.shape[1] // 2, values.shape[0] // 2), Image.Resampling.LANCZOS)
    return png(np.asarray(small.resize((values.shape[1], values.shape[0]), Image.Resampling.BICUBIC)))


def replaced(old: int, new: int) -> bytes:
    return png(np.where(old == TRIMAP, np.uint8(new), TRIMAP))


SOFT = np.clip((40 - np.hypot(*np.ogrid[-48:48, -64:64])) / 9 + 0.5, 0, 1)
TAKEN = {
    "127": replaced(128, 127),
    "100": replaced(128, 100),
    "5": replaced(0, 5),
    "250": replaced(255, 250),
    "JPEG": encoded(TRIMAP, "JPEG", quality=60),
    "antialiased": resized(TRIMAP),
}
REFUSED = {  # and what is said
    "soft mask": (png(np.uint8(SOFT * 255)), "no trimap: of its greys between .*% are far from 128"),
    "labels": (png(TRIMAP // np.uint8(127)), "its values go up to 2 of 255"),
    "8 bits in 16": (png(TRIMAP.astype(np.uint16)), "its values go up to 1 of 255"),
    "grey photo": (png(IMAGE[:, :, 0]), "no trimap: of its greys between .*% are far from 128"),
    "photo": (png(IMAGE), "one grey channel is expected; found colour channels"),
    "transparency": (png(np.dstack([TRIMAP] * 4)), "one grey channel is expected; found transparency"),
}
