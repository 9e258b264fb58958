"""What reading the teacher from a cache costs a training step, and whether what is read is right.

`python -m benchmarks.features [--root DIR]` times one optimisation step of the student on the CPU without
distillation, with ERKD and a cache, and with ERKD and a ViT-B-16 of random weights run on every image of the
batch. With models/teacher and data/composites below DIR (default `.`) it also compares cached with live features.
The last line is a JSON object:

- `cached_over_none`, `online_over_cached`: ratios of CPU seconds per step, medians of steps that take turns;
- `cosine`: mean cosine of cached and live features of whole images, centred (test composites);
- `aligned`: share of the cells of random crops where the cached target, centred, agrees more with the teacher run
  on that crop at the same scale than any target two or more cells away does;
- `bytes_over_expected`: the cache file's size over N x C x Gh x Gw x 2.
"""

import argparse
import json
import statistics
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import open_clip
import torch
from torch import Tensor, nn

from erkd.batches.batch import Batch, Crops
from erkd.distill.methods import build_methods
from erkd.features.cache import FeatureCache, open_features
from erkd.features.images import TeacherImages
from erkd.features.precompute import write_features
from erkd.features.space import CentredSpace
from erkd.io.images import load_image
from erkd.io.tables import CompositeRow, read_table, resolve
from erkd.params import Params, load_params
from erkd.students.sizes import student_config
from erkd.students.student import build_student
from erkd.teachers.dense import dense_features
from erkd.teachers.teacher import Teacher, load_teacher
from erkd.training.loop import total_loss

ROWS, CHANNELS, GRID, PROMPTS = 64, 128, 16, 21
IMAGES, CROPS = 16, 4


def random_batch(count: int, side: int) -> Batch:
    """Noise, with an unknown band in the middle half, each crop half as wide as its image."""
    random = torch.Generator().manual_seed(0)
    image, alpha = torch.rand(count, 3, side, side, generator=random), torch.zeros(count, 1, side, side)
    alpha[..., side // 2 :] = 1
    trimap = alpha.clone()
    trimap[..., side // 4 : -side // 4] = 0.5
    theta = torch.tensor([[0.5, 0.0, 0.1], [0.0, 0.5, -0.2]]).repeat(count, 1, 1)
    crops = Crops(torch.randint(ROWS, (count,), generator=random), theta, torch.ones_like(alpha))
    return Batch(image, trimap, (crops,), alpha)


def random_cache(folder: Path) -> FeatureCache:
    """A cache of noise, mapped from a file as in training."""
    random = np.random.default_rng(0)
    shape = (ROWS, CHANNELS, GRID, GRID)
    np.save(folder / "cache.npy", random.normal(size=shape).astype(np.float16))
    text = random.normal(size=(PROMPTS, CHANNELS)).astype(np.float32)
    text /= np.linalg.norm(text, axis=1, keepdims=True)
    features = np.load(folder / "cache.npy", mmap_mode="r")
    names = [str(number) for number in range(ROWS)]
    return FeatureCache(features, names, [""] * PROMPTS, text, np.zeros(CHANNELS, np.float32))


class OnlineViT:
    """Stands where the memory map stands: a ViT-B-16 of random weights on as many whole images."""

    def __init__(self, channels: int) -> None:
        self.model = open_clip.create_model("ViT-B-16").visual.eval()
        self.channels = channels

    @torch.no_grad()
    def __getitem__(self, rows: np.ndarray) -> np.ndarray:
        patches = dense_features(self.model, torch.rand(len(rows), 3, 224, 224)).patches
        return patches[:, : self.channels].numpy().astype(np.float16)


def step_of(params: Params, cache: FeatureCache, methods: list[str], batch: Batch) -> Callable[[], None]:
    """One optimisation step, ready to be timed."""
    text = torch.from_numpy(cache.text)
    new_student = partial(build_student, student_config(params.student, cache.text.shape), text, pretrained=False)
    torch.manual_seed(0)
    student = new_student()
    student.train().to(memory_format=torch.channels_last)
    losses = build_methods(
        student,
        cache,
        params.kd.model_copy(update={"methods": methods}),
        laplacian=params.distill.laplacian,
        new_student=new_student,
        root=Path("."),
    ).train()
    trained = [p for p in [*student.parameters(), *losses.parameters()] if p.requires_grad]
    optimiser = torch.optim.AdamW(trained, 1e-4)

    def step() -> None:
        loss = torch.stack([*total_loss(student, losses, batch, params.distill, 1.0, 0.0).values()]).sum()
        optimiser.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(trained, 1.0)
        optimiser.step()

    return step


def seconds_per_step(params: Params, repeats: int) -> dict[str, float]:
    """Median CPU seconds of a step of each kind; they take turns, so that what else runs meets all of them."""
    batch = random_batch(params.distill.batch_size, params.distill.crop)
    with tempfile.TemporaryDirectory() as folder:
        cache = random_cache(Path(folder))
        steps = {
            "none": step_of(params, cache, [], batch),
            "cached": step_of(params, cache, ["erkd"], batch),
            "online": step_of(params, replace(cache, features=OnlineViT(CHANNELS)), ["erkd"], batch),
        }
        times: dict[str, list[float]] = {name: [] for name in steps}
        for turn in range(repeats + 1):
            for name, step in steps.items():
                if name == "online" and turn > max(1, repeats // 4):
                    continue
                start = time.process_time()
                step()
                times[name].append(time.process_time() - start)
    return {name: statistics.median(found[1:]) for name, found in times.items()}


def agreement(root: Path, params: Params) -> dict[str, Any]:
    """Cached against live: cosine over whole images, alignment over crops, and the file's size."""
    teacher = load_teacher(root / "models/teacher")
    table = root / "data/composites/manifest.csv"
    rows = read_table(table, CompositeRow, "test")[:IMAGES]
    settings = params.features.model_copy(update={"pca": None, "levels": 1})
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        pictures = {"composites": TeacherImages(table, rows)}
        write_features(folder / "cache", pictures, teacher, settings, "cpu", folder / "scratch")  # type: ignore[arg-type]
        cache = open_features(folder / "cache")
        size = (folder / "cache/composites.npy").stat().st_size
        images = [teacher.prepare(load_image(resolve(table, row.image))) for row in rows]
        space = CentredSpace(cache)
        cosines, hits = [], []
        random = np.random.default_rng(0)
        for number, image in enumerate(images):
            index = torch.tensor([number])
            live = teacher.patches(image[None])
            stored = cache.sample(index, torch.eye(2, 3)[None], live.shape[2:])
            cosines.append(float(1 - space.distance(live, stored).mean()))
            hits += [aligned(teacher, space, cache, index, image, random) for _ in range(CROPS)]
    expected = int(np.prod(cache.features.shape)) * 2  # type: ignore[attr-defined]
    return {
        "cosine": round(statistics.mean(cosines), 5),
        "aligned": round(float(np.concatenate(hits).mean()), 4),
        "bytes_over_expected": round(size / expected, 5),
    }


def aligned(
    teacher: Teacher,
    space: CentredSpace,
    cache: FeatureCache,
    index: Tensor,
    image: Tensor,
    random: np.random.Generator,
) -> np.ndarray:
    """Of each cell of one random crop: is its own target nearer to the live crop than all that lie further off?"""
    side = image.shape[-1]
    cell = side // GRID
    cells = int(random.integers(GRID // 2, GRID - 1))
    top, left = random.integers(side - cells * cell + 1, size=2)
    crop = image[None, :, top : top + cells * cell, left : left + cells * cell]
    scale = cells * cell / side
    shift = [2 * (start + cells * cell / 2) / side - 1 for start in (left, top)]
    theta = torch.tensor([[[scale, 0.0, shift[0]], [0.0, scale, shift[1]]]])
    ours, theirs = (
        nn.functional.normalize(space.centre(part), dim=1)[0].flatten(1)
        for part in (teacher.patches(crop), cache.sample(index, theta, (cells, cells)))
    )
    cosines = ours.T @ theirs
    places = torch.stack(torch.meshgrid(torch.arange(cells), torch.arange(cells), indexing="ij")).flatten(1)
    far = (places[:, :, None] - places[:, None, :]).abs().amax(0) >= 2
    return (cosines.diagonal() > cosines.masked_fill(~far, -2).amax(1)).numpy()


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--root", type=Path, default=Path("."))
    parser.add_argument("--repeats", type=int, default=12)
    arguments = parser.parse_args()
    params = load_params(arguments.root / "params.yaml")
    torch.set_num_threads(1)
    seconds = seconds_per_step(params, arguments.repeats)
    found: dict[str, Any] = {f"seconds_{name}": round(value, 4) for name, value in seconds.items()}
    found["cached_over_none"] = round(seconds["cached"] / seconds["none"], 4)
    found["online_over_cached"] = round(seconds["online"] / seconds["cached"], 3)
    if (arguments.root / "models/teacher").is_dir():
        found |= agreement(arguments.root, params)
    print(json.dumps(found))


if __name__ == "__main__":
    main()
