"""The page's samples: drawn by this project when they are asked for, so no picture's licence is in question."""

import io
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from PIL import Image

from erkd.data.compositing import composite
from erkd.data.synth.backgrounds import draw_background
from erkd.data.synth.materials import draw_foreground
from erkd.data.trimap_generation import trimap_from_alpha
from erkd.inference.cutouts import cover
from erkd.io.images import Array, to_bytes

SIZE = 800  # pixels of the longer side
RADIUS = 12  # of the unknown band, pixels


@dataclass(frozen=True)
class Sample:
    """What is drawn: a material and a backdrop, each from a seed."""

    material: str
    backdrop: str
    seed: int


SAMPLES = {
    "hair": Sample("hair", "gradient", 48),
    "fur": Sample("fur", "fabric", 25),
    "dandelion": Sample("dandelion", "landscape", 49),
    "leaves": Sample("foliage", "noise", 27),
}


@lru_cache(maxsize=len(SAMPLES))
def draw_sample(name: str) -> tuple[bytes, bytes]:
    """The photo (JPEG) and the trimap (PNG) of a sample by its name in SAMPLES."""
    sample = SAMPLES[name]
    drawing = draw_foreground(sample.material, sample.seed, SIZE)
    backdrop, _ = draw_background(sample.backdrop, sample.seed, 2 * SIZE)
    image = composite(drawing.foreground, drawing.alpha, cover(backdrop, *drawing.alpha.shape))
    trimap = trimap_from_alpha(drawing.alpha, RADIUS, RADIUS)
    return _file(image, "JPEG", quality=92), _file(trimap, "PNG", optimize=True)


def _file(array: Array, kind: str, **settings: object) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(to_bytes(np.asarray(array))).save(stream, kind, **settings)
    return stream.getvalue()
