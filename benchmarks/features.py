"""What reading the teacher from a cache costs a training step, and whether what is read is right.

`python -m benchmarks.features [--root DIR]` times one optimisation step of the student on the CPU without
distillation, with ERKD and a cache, and with ERKD and a ViT-B-16 of random weights run on every image of the
batch. With models/teacher and data/composites below DIR (default `.`) it also compares cached with live features.
The last line is a JSON object:

- `cached_over_none`, `online_over_cached`: ratios of CPU seconds per step, medians of steps that take turns;
- `own_over_none`: as `cached_over_none`, for a cache of layers of 640 pixels at their own resolution, two levels;
- `cosine`: mean cosine of cached and live features of whole images, centred (test composites);
- `aligned`: share of the cells of random crops where the cached target, centred, agrees more with the teacher run
  on that crop at the same scale than any target two or more cells away does; `aligned_own`: at own resolution;
- `bytes_over_expected`: the cache file's size over cells x C x 2;
- `making`: seconds and bytes an image of a cache by `resolution` and `levels`, all channels.
"""

import argparse
import json
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, Literal

import numpy as np
import open_clip
import torch
from torch import Tensor, nn
from torch.nn.functional import normalize

from erkd.batches.batch import Batch, Crops
from erkd.batches.crops import normalised, random_affine
from erkd.distill.methods import build_methods
from erkd.features.cache import FeatureCache, open_features
from erkd.features.images import TeacherImages
from erkd.features.maps import Map, PackedMaps
from erkd.features.precompute import preparation, write_features
from erkd.features.space import CentredSpace
from erkd.io.tables import CompositeRow, read_table
from erkd.params import Params, Resolution, load_params
from erkd.students.sizes import student_config
from erkd.students.student import build_student
from erkd.teachers.dense import dense_features
from erkd.teachers.teacher import Teacher, load_teacher
from erkd.training.loop import total_loss

ROWS, CHANNELS, GRID, PROMPTS, VOCABULARY = 64, 128, 16, 21, 1021
OWN_GRID, OWN_CHANNELS = 40, (64, 40)  # of a layer of 640 pixels, by level
IMAGES, CROPS, LAYERS = 16, 4, 3
MAKING: tuple[tuple[Resolution, Literal[1, 2]], ...] = (("teacher", 1), ("own", 1), ("own", 2))


def random_batch(count: int, side: int) -> Batch:
    """Noise, with an unknown band in the middle half; three layers, cropped as for training."""
    random = torch.Generator().manual_seed(0)
    image, alpha = torch.rand(count, 3, side, side, generator=random), torch.zeros(count, 1, side, side)
    alpha[..., side // 2 :] = 1
    trimap = alpha.clone()
    trimap[..., side // 4 : -side // 4] = 0.5
    drawn, size = np.random.default_rng(0), (640, 640)
    layers = []
    for _ in range(LAYERS):
        thetas = [normalised(random_affine(drawn, (320, 320), size, side), side, *size) for _ in range(count)]
        index = torch.randint(ROWS, (count,), generator=random)
        layers.append(Crops(index, torch.from_numpy(np.stack(thetas)), torch.full_like(alpha, 1 / LAYERS)))
    return Batch(image, trimap, tuple(layers), alpha)


def random_cache(folder: Path, grid: int, channels: Sequence[int]) -> FeatureCache:
    """A cache of noise with the number of channels of each level, mapped from files as in training."""
    random = np.random.default_rng(0)
    text, vocabulary = (
        normalize(torch.from_numpy(random.normal(size=(count, CHANNELS)).astype(np.float32)), dim=1).numpy()
        for count in (PROMPTS, VOCABULARY)
    )
    names, prompts = [str(number) for number in range(ROWS)], [""] * PROMPTS
    basis = np.linalg.qr(random.normal(size=(CHANNELS, channels[0])))[0].T.astype(np.float32)
    cache, mean = None, np.zeros(CHANNELS, np.float32)
    for level in reversed(range(len(channels))):
        path, side = folder / f"{grid}-{level}.npy", grid * 2**level
        np.save(path, random.normal(size=(ROWS * side * side, channels[level])).astype(np.float16))
        maps = PackedMaps(np.load(path, mmap_mode="r"), np.full((ROWS, 2), side))
        if level:
            cache = FeatureCache(maps, names, prompts, text, vocabulary, mean[: channels[level]])
        else:
            projected = basis if channels[0] < CHANNELS else None
            cache = FeatureCache(maps, names, prompts, text, vocabulary, mean, projected, cache)
    assert cache is not None
    return cache


class OnlineViT:
    """Stands where the memory map stands: a ViT-B-16 of random weights, run on a whole image."""

    def __init__(self, channels: int) -> None:
        self.model = open_clip.create_model("ViT-B-16").visual.eval()
        self.channels = channels

    @torch.no_grad()
    def __getitem__(self, row: int) -> Map:
        patches = dense_features(self.model, torch.rand(1, 3, 224, 224)).patches
        return patches[0, : self.channels].numpy().astype(np.float16)


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
        matte = student(batch.image, batch.trimap)
        parts = total_loss(matte, student, losses, batch, params.distill, 1.0, 0.0)
        loss = torch.stack([*parts.values()]).sum()
        optimiser.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(trained, 1.0)
        optimiser.step()

    return step


def seconds_per_step(params: Params, repeats: int) -> dict[str, float]:
    """Median CPU seconds of a step of each kind; they take turns, so that what else runs meets all of them."""
    batch = random_batch(params.distill.batch_size, params.distill.crop)
    with tempfile.TemporaryDirectory() as folder:
        cache = random_cache(Path(folder), GRID, [CHANNELS])
        own = random_cache(Path(folder), OWN_GRID, OWN_CHANNELS)
        steps = {
            "none": step_of(params, cache, [], batch),
            "cached": step_of(params, cache, ["erkd"], batch),
            "own": step_of(params, own, ["erkd"], batch),
            "online": step_of(params, replace(cache, features=OnlineViT(CHANNELS)), ["erkd"], batch),
        }
        times: dict[str, list[float]] = {name: [] for name in steps}
        for turn in range(repeats + 1):
            for name, step in steps.items():
                if name == "online" and turn:  # once is enough, and takes long
                    continue
                start = time.process_time()
                step()
                times[name].append(time.process_time() - start)
    return {name: statistics.median(found[1:] or found) for name, found in times.items()}


def agreement(root: Path, params: Params) -> dict[str, Any]:
    """Cached against live: cosine over whole images, alignment over crops; seconds and bytes of caches."""
    teacher = load_teacher(root / "models/teacher")
    table = root / "data/composites/manifest.csv"
    images = TeacherImages(table, read_table(table, CompositeRow, "test")[:IMAGES])
    found: dict[str, Any] = {"making": {}}
    for resolution, levels in MAKING:
        changes = {"kinds": ["composites"], "pca": None, "levels": levels, "resolution": resolution}
        settings = params.features.model_copy(update=changes)
        with tempfile.TemporaryDirectory() as name:
            folder, start = Path(name), time.process_time()
            write_features(folder / "cache", {"composites": images}, teacher, settings, "cpu", folder / "scratch")
            seconds = (time.process_time() - start) / len(images.rows)
            cache = open_features(folder / "cache", params=settings)
            assert isinstance(cache.features, PackedMaps)
            size = sum(path.stat().st_size for path in folder.glob("cache/composites*.npy"))
            entry = {"seconds": round(seconds, 4), "bytes": round(size / len(images.rows))}
            found["making"][f"{resolution}_{levels}"] = entry
            if levels == 2:
                continue
            random, prepare = np.random.default_rng(0), preparation(teacher, resolution)
            whole = [prepare(images, number) for number in range(len(images.rows))]
            space = CentredSpace(cache)
            hits = [
                aligned(teacher, space, cache, i, one, random) for i, one in enumerate(whole) for _ in range(CROPS)
            ]
            share = round(float(np.concatenate(hits).mean()), 4)
            if resolution == "own":
                found["aligned_own"] = share
                continue
            cosines = []
            for number, image in enumerate(whole):
                live = teacher.patches(image[None])
                stored = cache.sample(torch.tensor([number]), torch.eye(2, 3)[None], live.shape[2:])
                cosines.append(float(1 - space.distance(live, stored).mean()))
            found["cosine"] = round(statistics.mean(cosines), 5)
            found["aligned"] = share
            found["bytes_over_expected"] = round(size / (cache.features.cells.size * 2), 5)
    return found


def aligned(
    teacher: Teacher, space: CentredSpace, cache: FeatureCache, row: int, image: Tensor, random: np.random.Generator
) -> np.ndarray:
    """Of each cell of one random crop: is its own target nearer to the live crop than all that lie further off?

    `image` is what the teacher was given of the image in `row`, 3 x H x W.
    """
    side, grid = np.array(image.shape[1:]), np.array(cache.features[row].shape[1:])
    cell = int(side[0] // grid[0])
    extent = (grid if cache.extents is None else cache.extents[row]) * cell  # without what was padded
    cells = int(random.integers(GRID // 2, GRID - 1))
    pixels = cells * cell
    top, left = random.integers(side - pixels + 1)
    crop = image[None, :, top : top + pixels, left : left + pixels]
    (down, across), (height, width) = pixels / extent, extent
    shift = 2 * (left + pixels / 2) / width - 1, 2 * (top + pixels / 2) / height - 1
    theta = torch.tensor([[[across, 0.0, shift[0]], [0.0, down, shift[1]]]], dtype=torch.float32)
    target = cache.sample(torch.tensor([row]), theta, (cells, cells))
    return found_again(space, teacher.patches(crop), target).flatten().numpy()


def found_again(space: CentredSpace, said: Tensor, target: Tensor) -> Tensor:
    """Of each cell of `said`, B x D x h x w: is its own `target` nearer than all others two cells away? B x hw."""
    ours, theirs = (normalize(space.centre(part), dim=1).flatten(2) for part in (said, target))
    cosines = torch.einsum("bdi,bdj->bij", ours, theirs)
    rows, columns = said.shape[2:]
    sides = torch.arange(rows), torch.arange(columns)
    places = torch.stack(torch.meshgrid(*sides, indexing="ij")).flatten(1)
    near = (places[:, :, None] - places[:, None, :]).abs().amax(0) < 2
    return cosines.diagonal(dim1=1, dim2=2) > cosines.masked_fill(near, -2).amax(2)


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
    found["own_over_none"] = round(seconds["own"] / seconds["none"], 4)
    found["online_over_cached"] = round(seconds["online"] / seconds["cached"], 3)
    if (arguments.root / "models/teacher").is_dir():
        found |= agreement(arguments.root, params)
    print(json.dumps(found))


if __name__ == "__main__":
    main()
