"""Compositing: the equation, the official rule of Composition-1k, and the stage's composites."""

import math
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from erkd.files import InputError
from erkd.images import Array, load_alpha, load_image, save_image, to_bytes
from erkd.parallel import map_rows
from erkd.tables import CompositeRow, LayerRow, read_table, resolve, write_table

if TYPE_CHECKING:  # the web page draws its samples where the pipeline's packages are missing
    from erkd.params import CompositeParams

LIKENED = 0.25  # of the composites get a background in about the foreground's colours

Bytes = NDArray[np.uint8]


def composite(foreground: Array, alpha: Array, background: Array) -> Array:
    """I = alpha F + (1 - alpha) B: H x W x 3 from colours (H x W x 3) and alpha (H x W), all in [0, 1].

    Raises ValueError when the sizes differ.
    """
    if foreground.shape != background.shape or foreground.shape[:2] != alpha.shape:
        raise ValueError(f"sizes differ: {foreground.shape}, {alpha.shape}, {background.shape}")
    share = alpha[:, :, None]
    return share * foreground + (1 - share) * background


def composite_official(foreground: Bytes, alpha: Bytes, background: Bytes) -> Bytes:
    """Composite 8-bit layers exactly as Composition-1k and Distinctions-646 were made.

    `foreground` is H x W x 3, `alpha` H x W, `background` any size x 3. A background that is too small is
    enlarged to cover (PIL bicubic, sizes rounded up), never shrunk; its top-left corner is used. The sum is
    taken in float64 and truncated; alpha 255 copies the foreground. Xu et al., "Deep image matting", 2017.
    """
    height, width = alpha.shape
    if foreground.shape != (height, width, 3):
        raise ValueError(f"foreground of {foreground.shape}, alpha of {alpha.shape}")
    rows, columns = background.shape[:2]
    ratio = max(width / columns, height / rows)
    if ratio > 1:
        size = (math.ceil(columns * ratio), math.ceil(rows * ratio))
        background = np.asarray(Image.fromarray(background).resize(size, Image.Resampling.BICUBIC))
    share = alpha[:, :, None] / 255.0
    mixed = (share * foreground + (1 - share) * background[:height, :width]).astype(np.uint8)
    return np.where(alpha[:, :, None] == 255, foreground, mixed)


def place_background(background: Array, height: int, width: int, rng: np.random.Generator) -> Array:
    """Resize a background to cover height x width, or up to 1.3 times more; crop it, mirror half of them."""
    rows, columns = background.shape[:2]
    ratio = max(height / rows, width / columns) * rng.uniform(1.0, 1.3)
    size = (max(width, math.ceil(columns * ratio)), max(height, math.ceil(rows * ratio)))
    interpolation = cv2.INTER_AREA if ratio < 1 else cv2.INTER_CUBIC
    covering = np.clip(cv2.resize(background, size, interpolation=interpolation), 0, 1)
    top, left = rng.integers(size[1] - height + 1), rng.integers(size[0] - width + 1)
    crop = covering[top : top + height, left : left + width]
    return np.ascontiguousarray(crop[:, ::-1] if rng.random() < 0.5 else crop)


def liken(background: Array, foreground: Array, alpha: Array, strength: float) -> Array:
    """Move a background's mean colour towards the foreground's by `strength` in [0, 1]; contrast stays."""
    weight = alpha[:, :, None]
    target = (foreground * weight).sum(axis=(0, 1)) / max(float(weight.sum()), 1e-6)
    return np.clip(background + strength * (target - background.mean(axis=(0, 1))), 0, 1).astype(np.float32)


def camera_effects(image: Array, rng: np.random.Generator) -> Array:
    """What a camera does to a picture, mildly, each effect on some: blur, gamma, noise, JPEG. H x W x 3."""
    if rng.random() < 0.3:
        image = cv2.GaussianBlur(image, (0, 0), rng.uniform(0.3, 0.6)).astype(np.float32)
    if rng.random() < 0.4:
        image = np.clip(image, 0, 1) ** np.float32(math.exp(rng.uniform(-0.25, 0.25)))
    if rng.random() < 0.5:
        grain = rng.standard_normal(image.shape, dtype=np.float32)
        image = image + np.float32(rng.uniform(0.003, 0.03)) * grain
    if rng.random() < 0.4:
        quality = int(rng.integers(60, 97))
        _, packed = cv2.imencode(".jpg", to_bytes(image)[:, :, ::-1], [cv2.IMWRITE_JPEG_QUALITY, quality])
        decoded = np.asarray(cv2.imdecode(packed, cv2.IMREAD_COLOR), np.float32)
        image = decoded[:, :, ::-1] / np.float32(255)
    return np.clip(image, 0, 1).astype(np.float32)


def _licences(*rows: LayerRow) -> str:
    return " + ".join(dict.fromkeys(row.licence for row in rows))


@dataclass(frozen=True)
class _Plan:
    """One composite before it is made."""

    sample_id: str
    foreground: LayerRow
    background: LayerRow
    seed: int


@dataclass(frozen=True)
class _Make:
    """Makes one composite, writes its image and alpha, and returns its row."""

    table: Path
    out_dir: Path
    effects: float

    def __call__(self, plan: _Plan) -> CompositeRow:
        rng = np.random.default_rng(plan.seed)
        foreground = load_image(resolve(self.table, plan.foreground.image))
        alpha = load_alpha(resolve(self.table, plan.foreground.alpha))
        height, width = alpha.shape
        if foreground.shape[:2] != (height, width):
            raise InputError(
                f"{plan.foreground.alpha}: {alpha.shape} pixels; its image has {foreground.shape[:2]}"
            )
        background = load_image(resolve(self.table, plan.background.image))
        if rng.random() < 0.5:
            foreground, alpha = foreground[:, ::-1], alpha[:, ::-1]
        background = place_background(background, height, width, rng)
        if rng.random() < LIKENED:
            background = liken(background, foreground, alpha, rng.uniform(0.3, 0.95))
        image = composite(foreground, alpha, background)
        if rng.random() < self.effects:
            image = camera_effects(image, rng)
        names = {kind: f"{kind}s/{plan.sample_id}.png" for kind in ("image", "alpha")}
        save_image(image, self.out_dir / names["image"])
        save_image(alpha, self.out_dir / names["alpha"])
        return CompositeRow(
            sample_id=plan.sample_id,
            split=plan.foreground.split,
            source=plan.foreground.source,
            licence=_licences(plan.foreground, plan.background),
            foreground_id=plan.foreground.layer_id,
            background_id=plan.background.layer_id,
            material=plan.foreground.material,
            image=names["image"],
            alpha=names["alpha"],
            height=height,
            width=width,
            seed=plan.seed,
            caption=f"{plan.foreground.caption} in front of {plan.background.caption}",
            foreground_phrase=plan.foreground.caption,
            background_phrase=plan.background.caption,
        )


def _plan(layers: list[LayerRow], params: "CompositeParams", seed: int) -> list[_Plan]:
    """Give every foreground its backgrounds: all of a split's before one comes again."""
    plans = []
    for part, split in enumerate(("train", "validation", "test")):
        foregrounds = [row for row in layers if row.kind == "foreground" and row.split == split]
        backgrounds = [row for row in layers if row.kind == "background" and row.split == split]
        if not foregrounds or not backgrounds:
            raise InputError(
                f"library.csv: the split {split} has no {'fore' if not foregrounds else 'back'}grounds"
            )
        rng = np.random.default_rng([seed, 17, part])
        order: list[int] = []
        used: dict[str, set[int]] = {row.layer_id: set() for row in foregrounds}
        for copy in range(getattr(params.per_foreground, split)):
            for foreground in foregrounds:
                order = order or rng.permutation(len(backgrounds)).tolist()
                seen = used[foreground.layer_id]
                chosen = next((index for index in order if index not in seen), order[0])
                order.remove(chosen)
                seen.add(chosen)
                sample_id = f"{foreground.layer_id}-{copy:02d}"
                row_seed = (seed + zlib.crc32(f"composite {sample_id}".encode())) % 2**32
                plans.append(_Plan(sample_id, foreground, backgrounds[chosen], row_seed))
    return plans


def write_composites(
    library_dir: Path, out_dir: Path, params: "CompositeParams", seed: int
) -> list[CompositeRow]:
    """Make every composite of a library into `out_dir`, in parallel; the table is written last.

    The alpha written is the 8-bit alpha the composite was made with. Raises InputError for a split without
    layers and for an alpha of another size than its foreground.
    """
    table = library_dir / "library.csv"
    plans = _plan(read_table(table, LayerRow), params, seed)
    rows = map_rows(_Make(table, out_dir, params.effects), plans, "Compositing")
    write_table(rows, out_dir / "manifest.csv")
    return rows
