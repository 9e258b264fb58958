"""The table of materials, and drawing a foreground of any of them."""

from collections.abc import Callable

import numpy as np

from erkd.data.synth import cloth, feathers, flat, hair, plants, solids, transparent, woven
from erkd.data.synth.canvas import Drawing, over, random_shape
from erkd.data.synth.shapes import body_field, solid_body
from erkd.io.images import Array
from erkd.io.tables import FLAT

# each draws (rng, height, width, picture or None), in pixels; the picture, H x W x 3, lends its colours
_DRAW: dict[str, Callable[[np.random.Generator, int, int, Array | None], Drawing]] = {
    "hair": hair.hair,
    "fur": hair.fur,
    "feather": feathers.feather,
    "yarn": hair.yarn,
    "leaves": plants.leaves,
    "foliage": plants.foliage,
    "dandelion": plants.dandelion,
    "web": plants.web,
    "net": cloth.net,
    "lace": cloth.lace,
    "veil": cloth.veil,
    "smoke": transparent.smoke,
    "glass": transparent.glass,
    "plastic bag": transparent.plastic_bag,
    "solid": solids.solid,
    "defocus": solids.defocus,
    "motion blur": solids.motion_blur,
    "flag": flat.flag,
    "card": flat.card,
    "wire mesh": woven.wire_mesh,
    "wicker": woven.wicker,
}
MATERIALS = tuple(_DRAW)
# materials without an opaque core: half of their drawings get a solid body
THIN = ("feather", "foliage", "dandelion", "smoke", "glass", "plastic bag")
ATTACHED = 0.12  # share of other materials that get such a thing
ATTEMPTS = 20


def _with_body(rng: np.random.Generator, drawing: Drawing, picture: Array | None) -> Drawing:
    """Composite a drawing with a solid body behind or in front of it, so that some foreground is opaque."""
    field = body_field(rng, *drawing.alpha.shape)
    body = solid_body(rng, field, picture)
    thin = (drawing.foreground, drawing.alpha)
    foreground, alpha = over(thin, body) if rng.random() < 0.6 else over(body, thin)
    return Drawing(foreground, alpha, drawing.phrase)


def draw_foreground(material: str, seed: int, size: int, picture: Array | None = None) -> Drawing:
    """Draw a foreground, flipped half of the time.

    Args:
        material: One of `MATERIALS`.
        seed: Decides everything random; a nearly empty or nearly full drawing is repeated with further randomness.
        size: Longer side, pixels.
        picture: Source of textures, H x W x 3 in [0, 1]; None for procedural ones.
    """
    for attempt in range(ATTEMPTS):
        rng = np.random.default_rng([seed, attempt])
        height, width = random_shape(rng, size)
        drawing = _DRAW[material](rng, height, width, picture)
        if material in THIN and rng.random() < 0.5:
            drawing = _with_body(rng, drawing, picture)
        if material not in FLAT and rng.random() < ATTACHED:
            drawing = flat.attach(rng, drawing, picture)
        if 0.04 < float(drawing.alpha.mean()) < 0.9 and float((drawing.alpha < 1 / 255).mean()) > 0.05:
            break
    else:
        raise RuntimeError(f"no usable {material} from seed {seed} in {ATTEMPTS} attempts")
    foreground, alpha = np.clip(drawing.foreground, 0, 1), np.clip(drawing.alpha, 0, 1)
    if rng.random() < 0.5:
        foreground, alpha = foreground[:, ::-1], alpha[:, ::-1]
    return Drawing(np.ascontiguousarray(foreground), np.ascontiguousarray(alpha), drawing.phrase)
