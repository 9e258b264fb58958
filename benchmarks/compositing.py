"""What compositing costs: drawing, and the official rule with its files.

`python -m benchmarks.compositing` prints a JSON object as its last line:
- `procedural_s`: CPU seconds, on one core, to draw a 512 x 512 foreground and background and composite them;
  mean over whole decks of materials. `slowest` names the three dearest materials.
- `layer_384_s`: CPU seconds to draw a foreground whose longer side is 384 pixels, as in the default data; mean
  over a deck. The bar is 0.25.
- `official_mp_per_s`: megapixels of Composition-1k's rule per second by the clock, on all cores, from files
  to files; `official_mp_per_core_s` the same per CPU second of one process.
"""

import json
import tempfile
import time
from collections import defaultdict
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
from joblib import parallel_config

from erkd.data.composites import write_composites
from erkd.data.compositing import composite, place_background
from erkd.data.sources.procedural import DECK, list_backgrounds, list_foregrounds, load_picture, render
from erkd.data.synth.materials import draw_foreground
from erkd.io.images import Array, save_image
from erkd.io.tables import SPLITS, LayerRow, write_table
from erkd.params import CompositeParams, DataParams, Splits

SIDE = 512
LAYER = 384  # longer side of a layer of the default data
DECKS = 2


def procedural() -> dict[str, object]:
    """CPU seconds of one composite, and the materials that take longest."""
    count = DECKS * len(DECK)
    splits = Splits(train=count, validation=1, test=1)
    data = DataParams(
        source="procedural",
        root=None,
        backgrounds_root=None,
        photographs=None,
        size=SIDE,
        foregrounds=splits,
        backgrounds=splits,
    )
    pairs = [*zip(list_foregrounds(data, 0)[:count], list_backgrounds(data, 0)[:count], strict=True)]
    for layer in (layer for pair in pairs for layer in pair if layer.picture):
        load_picture(layer.picture)
    seconds = defaultdict(list)
    for foreground, background in pairs:
        start = time.process_time()
        front, behind = render(foreground), render(background)
        assert front.alpha is not None
        height, width = front.alpha.shape
        placed = place_background(behind.image, height, width, np.random.default_rng(0))
        composite(front.image, front.alpha, placed)
        pixels = height * width / SIDE**2  # shapes differ; per square of SIDE x SIDE
        seconds[foreground.material].append((time.process_time() - start) / pixels)
    times = [value for values in seconds.values() for value in values]
    means = {name: round(float(np.mean(values)), 3) for name, values in seconds.items()}
    slowest = dict(sorted(means.items(), key=lambda item: -item[1])[:3])
    return {"procedural_s": round(float(np.mean(times)), 4), "slowest": slowest}


def layer() -> dict[str, float]:
    """CPU seconds of one foreground of the default size, half of them with textures from a picture."""
    pictures = [None, load_picture("china")]
    start = time.process_time()
    for number, material in enumerate(DECK * DECKS):
        draw_foreground(material, number, LAYER, pictures[number % 2])
    return {"layer_384_s": round((time.process_time() - start) / len(DECK * DECKS), 4)}


def photograph(name: str, height: int, width: int) -> Array:
    """A bundled photograph in another size."""
    return np.clip(cv2.resize(load_picture(name), (width, height), interpolation=cv2.INTER_CUBIC), 0, 1)


def disc(height: int, width: int) -> Array:
    """A body with a soft edge over a quarter of the image."""
    rows, columns = np.mgrid[:height, :width].astype(np.float32)
    distance = np.hypot(rows - height / 2, columns - width / 2)
    return np.clip((0.35 * height - distance) / (0.1 * height) + 0.5, 0, 1)


def write_layers(folder: Path, foregrounds: int, backgrounds: int, size: tuple[int, int]) -> None:
    """A library of `foregrounds` x `backgrounds` training layers, and one of each for the other splits."""
    base = LayerRow("", "foreground", "", "composition1k", "-", "photograph", "", "", *size, 0, "a picture")
    rows = []
    for split in SPLITS:
        for k in range(foregrounds if split == "train" else 1):
            front = replace(base, layer_id=f"{split}-{k}", split=split, seed=k)
            front = replace(front, image=f"{front.layer_id}.png", alpha=f"{front.layer_id}-alpha.png")
            save_image(photograph("coffee", *size), folder / front.image)
            save_image(disc(*size), folder / front.alpha)
            rows.append(front)
            for copy in range(backgrounds if split == "train" else 1):
                name = f"{front.layer_id}_{copy}"
                save_image(photograph("china", 375, 500), folder / f"{name}.jpg")
                behind = replace(front, layer_id=f"{name}-bg", kind="background", image=f"{name}.jpg", alpha="")
                rows.append(replace(behind, height=375, width=500))
    write_table(rows, folder / "library.csv")


def official(folder: Path) -> dict[str, float]:
    """Megapixels per second of the official rule over 80 composites of 1.5 megapixels."""
    write_layers(folder / "library", 4, 20, (1000, 1500))
    params = CompositeParams(per_foreground=Splits(train=20, validation=1, test=1), defocus=0.0, effects=0.0)
    megapixels = 82 * 1.5
    start = time.perf_counter()
    write_composites(folder / "library", folder / "parallel", params, 0, folder / "done")
    by_clock = time.perf_counter() - start
    start = time.process_time()
    with parallel_config(backend="sequential"):
        write_composites(folder / "library", folder / "serial", params, 0)
    by_core = time.process_time() - start
    return {
        "official_mp_per_s": round(megapixels / by_clock, 1),
        "official_mp_per_core_s": round(megapixels / by_core, 1),
    }


def main() -> None:
    """Measure and print."""
    cv2.setNumThreads(1)
    with tempfile.TemporaryDirectory() as name:
        print(json.dumps(procedural() | layer() | official(Path(name))))


if __name__ == "__main__":
    main()
