"""Render the judge's scenes: `python -m judge.render --out DIR`. What is there already is not rendered again."""

import argparse
import math
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from rich.progress import track

from erkd.io.files import InputError, write_json
from erkd.io.images import Array
from erkd.io.tables import row_seed
from judge import cloth, flat, foliage, fur, glass, hair, mesh
from judge.backgrounds import disc_blur, list_plates, photograph, to_srgb, view_into
from judge.layout import draw_trimaps, paths, write_scene
from judge.shapes import Floats, Scene
from judge.tracing import View, read_panorama, trace, trace_uncertain

PLATES = Path(__file__).parent / "plates"
KINDS = {"hair": hair, "fur": fur, "cloth": cloth, "mesh": mesh, "foliage": foliage, "glass": glass, "flat": flat}
SIDE = 480  # longer side, pixels
SHAPES = ((1.0, 1.0), (0.8, 1.0), (1.0, 0.8))


@dataclass(frozen=True)
class Plan:
    """One scene: its name, kind and variant, and the seed of everything random in it."""

    name: str
    kind: str
    variant: str
    seed: int


def plan(count: int, seed: int) -> list[Plan]:
    """Scenes by turns of kinds; each kind goes through its variants."""
    kinds, planned = list(KINDS), []
    for index in range(count):
        kind = kinds[index % len(kinds)]
        variants = KINDS[kind].VARIANTS
        variant = variants[index // len(kinds) % len(variants)]
        name = f"{kind}-{index // len(kinds):02d}-{variant.replace(' ', '-')}"
        planned.append(Plan(name, kind, variant, row_seed(seed, name)))
    return planned


def mean_radiance(panorama: Array) -> float:
    """The mean light of a panorama over the sphere."""
    weight = np.sin((np.arange(len(panorama)) + 0.5) / len(panorama) * np.pi)
    return float((panorama.mean((1, 2)) * weight).sum() / weight.sum())


def stage(planned: Plan, plates: Path, side: int) -> tuple[Scene, View, Array]:
    """The subject, camera and light of a scene, and the background H x W x 3 in linear light."""
    rng = np.random.default_rng(planned.seed)
    width, height = (round(side * share) for share in SHAPES[rng.integers(len(SHAPES))])
    photographs, panoramas = list_plates(plates)
    yaw, blur = rng.uniform(0, 2 * np.pi), np.exp(rng.uniform(np.log(1.5), np.log(16)))
    lights = panoramas or list_plates(PLATES)[1]
    surroundings = lights[rng.integers(len(lights))]
    light = read_panorama(surroundings)
    exposure = rng.uniform(0.7, 1.3) / mean_radiance(light)
    if panoramas and rng.random() < 0.4:
        part = view_into(light, width, height, yaw, rng.uniform(-0.15, 0.1), rng.uniform(0.6, 1.1))
        part *= rng.uniform(0.1, 0.3) / max(1e-6, float(np.median(part)))
        background = disc_blur(part, max(blur, 9.0) * side / SIDE)
    else:
        background = photograph(photographs[rng.integers(len(photographs))], width, height, rng)
        if rng.random() < 0.75:
            background = disc_blur(background, blur * side / SIDE)
    aperture = rng.uniform(0.02, 0.07) if rng.random() < 0.5 else 0.0
    view = View(width, height, aperture, rng.uniform(-0.35, 0.1), rng.uniform(0.95, 1.3), surroundings, yaw, exposure)
    paint: Callable[[str, np.random.Generator, Floats], Scene] = KINDS[planned.kind].draw
    return paint(planned.variant, rng, np.asarray(to_srgb(background), np.float64)), view, background


def render_scene(planned: Plan, plates: Path, side: int, samples: float, out: Path) -> None:
    """Trace one scene with `samples` times its own samples, put it before its background, and write its files."""
    scene, view, background = stage(planned, plates, side)
    scene = replace(scene, samples=max(4, round(math.sqrt(scene.samples * samples)) ** 2))
    light, alpha = trace(scene, view, planned.seed % 2**31)
    image = to_srgb(light + (1 - alpha[..., None]) * background)
    cutout = np.dstack([to_srgb(light / np.maximum(alpha, 1e-3)[..., None]), alpha])
    trimaps = draw_trimaps(alpha, trace_uncertain(scene, view, planned.seed % 2**31), scene.porous)
    write_scene(out, planned.name, image, cutout, alpha, trimaps)


def main() -> None:
    """Read the command line and render what is missing."""
    parser = argparse.ArgumentParser(prog="python -m judge.render", description=__doc__)
    parser.add_argument("--out", type=Path, required=True, help="folder of the set; what it holds is kept")
    parser.add_argument("--scenes", type=int, default=42, help="default: 42, six of each kind")
    parser.add_argument("--seed", type=int, default=7, help="default: 7, the judge; scenes to train on need another")
    parser.add_argument("--side", type=int, default=SIDE, help=f"longer side in pixels; default: {SIDE}")
    parser.add_argument("--samples", type=float, default=1, help="times each scene's own samples; default: 1")
    parser.add_argument(
        "--plates", type=Path, default=PLATES, help="photographs for backgrounds; panoramas for light too"
    )
    given = parser.parse_args()
    if min(given.scenes, given.side, given.samples) <= 0:
        parser.error("--scenes, --side and --samples have to be above 0")
    try:
        for planned in track(plan(given.scenes, given.seed), "Rendering"):
            if not paths(given.out, planned.name)["alpha"].exists():
                start = time.process_time()
                render_scene(planned, given.plates, given.side, given.samples, given.out)
                write_json(
                    {"cpu_seconds": round(time.process_time() - start, 1)},
                    given.out / "timings" / f"{planned.name}.json",
                )
    except InputError as error:
        print(error, file=sys.stderr)
        sys.exit(2)


if __name__ == "__main__":
    main()
