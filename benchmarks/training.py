"""Steps per second of training on live batches, on whatever device there is; the last line is a JSON object.

`python -m benchmarks.training [--device cuda] [--batch 32] [--crop 320] [--size small] [--no-deterministic]` trains
a student on layers drawn at random, by ERKD with features as large as a ViT-B/16's; it needs no data. Beside the
steps it counts what a step asks of the device: kernels and copies on CUDA, and the milliseconds that these keep it
busy; operators on the CPU.
"""

import argparse
import json
import tempfile
import time
from itertools import pairwise
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import torch
from torch.autograd import DeviceType
from torch.nn.functional import normalize
from torch.profiler import ProfilerActivity, profile

from erkd.batches.live import LiveBatches
from erkd.distill.methods import build_methods
from erkd.features.cache import FeatureCache
from erkd.features.maps import PackedMaps
from erkd.io.images import resize_area, save_image
from erkd.io.tables import LayerRow, write_table
from erkd.params import load_params
from erkd.runtime.device import choose_device, prepare_torch
from erkd.students.sizes import student_config
from erkd.students.student import build_student
from erkd.training.loop import Record, fit
from erkd.training.train import WORKERS

PARAMS = Path("release/params.yaml")
HEIGHT, WIDTH, CELL = 480, 640, 16  # of a layer, pixels, and of a cell of its features
CHANNELS, PROMPTS = 512, 24  # of a ViT-B/16's features
PROFILED = 3  # steps that are counted, the last ones


def draw_layers(folder: Path, count: int) -> Path:
    """Write so many layers, two thirds of them foregrounds: soft blobs in noise."""
    rng, rows = np.random.default_rng(0), []

    def smooth(cells: int, channels: int) -> np.ndarray[Any, Any]:
        return resize_area(rng.random((cells, cells, channels), np.float32), HEIGHT, WIDTH)

    for i in range(count):
        foreground = i < 2 * count / 3
        image, alpha = f"{i}.png", f"{i}-alpha.png" if foreground else ""
        save_image(smooth(40, 3), folder / image)
        if foreground:
            save_image(np.clip(4 * smooth(8, 1) - 1.5, 0, 1), folder / alpha)
        kind = "foreground" if foreground else "background"
        rows.append(LayerRow(str(i), kind, "train", "", "", "", image, alpha, HEIGHT, WIDTH, i, ""))
    write_table(rows, folder / "library.csv")
    return folder / "library.csv"


def draw_cache(count: int) -> FeatureCache:
    """Random features of so many layers, at their own resolution."""
    rng, grid = np.random.default_rng(0), (HEIGHT // CELL, WIDTH // CELL)
    cells = rng.standard_normal((count * grid[0] * grid[1], CHANNELS), np.float32).astype(np.float16)
    words = normalize(torch.randn(PROMPTS, CHANNELS, generator=torch.Generator().manual_seed(0)), dim=1).numpy()
    names = [str(i) for i in range(PROMPTS)]
    maps = PackedMaps(cells, np.array([grid] * count))
    return FeatureCache(maps, [str(i) for i in range(count)], names, words, words, np.zeros(CHANNELS, np.float32))


def measure(
    device: torch.device, size: str, batch: int, crop: int, steps: int, layers: int, deterministic: bool
) -> dict[str, Any]:
    """Train so many steps and say how long one takes, and what it asks of the device."""
    params = load_params(PARAMS)
    changes = {"batch_size": batch, "crop": crop, "steps": steps, "validate_every": 10 * steps}
    distill = params.distill.model_copy(update=changes)
    kd = params.kd.model_copy(update={"methods": ["erkd"]})
    student_params = params.student.model_copy(update={"size": size, "pretrained": False})
    prepare_torch(params.threads, deterministic)
    torch.manual_seed(0)
    cache = draw_cache(layers)
    if device.type == "cuda":
        cache = cache.on(device)
    student = build_student(student_config(student_params, cache.text.shape), torch.from_numpy(cache.text), False)
    methods = build_methods(
        student, cache, kd, laplacian=distill.laplacian, new_student=lambda: student, root=Path(".")
    )
    ends, losses, counted = [], [], profile(activities=activities(device))

    def log(step: int, record: Record) -> None:
        ends.append(time.perf_counter())
        losses.append(record["loss"])
        if step == steps - PROFILED:
            counted.start()
        elif step == steps:
            counted.stop()

    with tempfile.TemporaryDirectory() as name:
        batches = LiveBatches(draw_layers(Path(name), layers), params.trimap, distill, 0, device)
        fit(student, methods, batches, distill, lambda _: 1.0, lambda _: {"sad": 1.0}, device, WORKERS, log)
        begun = time.perf_counter()
        for step in range(3):
            batches[step].image.sum().item()
        rendering = (time.perf_counter() - begun) / 3
    seconds = [after - before for before, after in pairwise(ends[: steps - PROFILED])]
    return {
        "device": torch.cuda.get_device_name() if device.type == "cuda" else "cpu",
        "size": size,
        "batch": batch,
        "crop": crop,
        "deterministic": deterministic,
        "steps_per_second": round(1 / median(seconds[len(seconds) // 3 :]), 3),
        "drawn_and_rendered_alone_seconds": round(rendering, 4),
        "per_step": {name: round(count / PROFILED, 1) for name, count in counts(counted, device).items()},
        "losses": [round(loss, 4) for loss in (losses[0], losses[-1])],
        "peak_gib": round(torch.cuda.max_memory_allocated() / 2**30, 2) if device.type == "cuda" else None,
    }


def activities(device: torch.device) -> list[ProfilerActivity]:
    """What is profiled: operators, and on CUDA kernels and copies alone."""
    return [ProfilerActivity.CUDA if device.type == "cuda" else ProfilerActivity.CPU]


def counts(profiled: profile, device: torch.device) -> dict[str, float]:
    """How often each kind of work was asked for, and how long CUDA was busy with it."""
    events = profiled.events() or []
    if device.type != "cuda":
        return {"operators": sum(event.name.startswith("aten::") for event in events)}
    there = [event for event in events if event.device_type == DeviceType.CUDA]  # not the calls that ask for it
    copies = {way: sum(f"Memcpy {way}" in event.name for event in there) for way in ("DtoH", "HtoD")}
    busy = sum(event.time_range.elapsed_us() for event in there) / 1000
    return {"kernels": sum("Mem" not in event.name for event in there), "busy_ms": busy} | copies


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--device", default="auto", help="auto, cpu or cuda")
    parser.add_argument("--size", default="small", choices=("nano", "small", "base"))
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--crop", type=int, default=320)
    parser.add_argument("--steps", type=int, default=60)
    parser.add_argument("--layers", type=int, default=96)
    parser.add_argument("--deterministic", action=argparse.BooleanOptionalAction, default=True)
    arguments = vars(parser.parse_args())
    device = choose_device(arguments.pop("device"))
    print(json.dumps(measure(device, **arguments)))


if __name__ == "__main__":
    main()
