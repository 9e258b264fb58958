"""Write the stored composites: benchmarks' pairs by the official rule, all others with random augmentation."""

import shutil
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Literal

import numpy as np

from erkd.data.compositing import (
    SHIFTED,
    WIDEST,
    camera_effects,
    composite,
    composite_official,
    place_background,
    shift_mean_colour,
)
from erkd.data.lens import defocus, draw_lens
from erkd.data.pairing import Plan, make_plans
from erkd.data.sources.layers import check_size
from erkd.io.files import atomic
from erkd.io.images import Bytes, load_alpha, load_bytes, load_image, save_image
from erkd.io.tables import CompositeRow, LayerRow, read_table, resolve, write_table
from erkd.params import CompositeParams
from erkd.runtime.parallel import iterate_rows


@dataclass(frozen=True)
class _Make:
    """Make one composite, write image and alpha, return its row (picklable for workers)."""

    table: Path
    out_dir: Path
    defocus: float
    effects: float

    def __call__(self, plan: Plan) -> CompositeRow:
        return self._official(plan) if plan.official else self._random(plan)

    def _official(self, plan: Plan) -> CompositeRow:
        paths = [resolve(self.table, plan.foreground.image), resolve(self.table, plan.foreground.alpha)]
        foreground = _cached(paths[0], paths[0].stat().st_mtime_ns, "RGB")
        alpha = _cached(paths[1], paths[1].stat().st_mtime_ns, "L")
        check_size(plan.foreground.alpha, alpha.shape, "image", foreground.shape)
        background = load_bytes(resolve(self.table, plan.background.image), "RGB")
        row = _row(plan, *alpha.shape[:2])
        save_image(composite_official(foreground, alpha, background), self.out_dir / row.image)
        with atomic(self.out_dir / row.alpha) as temporary:
            shutil.copyfile(paths[1], temporary)
        return row

    def _random(self, plan: Plan) -> CompositeRow:
        rng = np.random.default_rng(plan.seed)
        foreground = load_image(resolve(self.table, plan.foreground.image))
        alpha = load_alpha(resolve(self.table, plan.foreground.alpha))
        check_size(plan.foreground.alpha, alpha.shape, "image", foreground.shape)
        background = load_image(resolve(self.table, plan.background.image))
        if rng.random() < 0.5:
            foreground, alpha = foreground[:, ::-1], alpha[:, ::-1]
        height, width = alpha.shape
        background = place_background(background, height, width, rng)
        if self.defocus and rng.random() < self.defocus:
            background = defocus(background, draw_lens(rng, max(height, width) / WIDEST))
        if rng.random() < SHIFTED:
            background = shift_mean_colour(background, foreground, alpha, rng.uniform(0.3, 0.95))
        image = composite(foreground, alpha, background)
        if rng.random() < self.effects:
            image = camera_effects(image, rng)
        row = _row(plan, height, width)
        save_image(image, self.out_dir / row.image)
        save_image(alpha, self.out_dir / row.alpha)
        return row


@lru_cache(maxsize=2)
def _cached(path: Path, _: int, mode: Literal["RGB", "L"]) -> Bytes:
    """Read a foreground or its alpha once for all of its composites; the second argument is its time stamp."""
    return load_bytes(path, mode)


def _row(plan: Plan, height: int, width: int) -> CompositeRow:
    foreground, background = plan.foreground, plan.background
    return CompositeRow(
        sample_id=plan.sample_id,
        split=foreground.split,
        source=foreground.source,
        licence=" + ".join(dict.fromkeys((foreground.licence, background.licence))),
        foreground_id=foreground.layer_id,
        background_id=background.layer_id,
        material=foreground.material,
        image=f"images/{plan.sample_id}.png",
        alpha=f"alphas/{plan.sample_id}.png",
        height=height,
        width=width,
        seed=plan.seed,
        caption=f"{foreground.caption} in front of {background.caption}",
        foreground_phrase=foreground.caption,
        background_phrase=background.caption,
    )


def write_composites(
    library_dir: Path, out_dir: Path, params: CompositeParams, seed: int, done: Path | None = None
) -> None:
    """Make all composites of a library, in parallel; `manifest.csv` is written last.

    Args:
        library_dir: Folder of `library.csv`.
        out_dir: Where images, alphas and the table go.
        params: The section `composite`.
        seed: Seed of pairs and augmentation.
        done: Folder that records finished rows, for resuming.

    Raises:
        InputError: For a split without layers, and an alpha that differs in size from its foreground.
    """
    table = library_dir / "library.csv"
    plans = make_plans(read_table(table, LayerRow), params, seed)
    rows = iterate_rows(
        _Make(table, out_dir, params.defocus, params.effects), plans, "Compositing", done, CompositeRow
    )
    write_table(rows, out_dir / "manifest.csv")
