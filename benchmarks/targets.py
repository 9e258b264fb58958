"""How far the targets of live crops are from what the teacher says of the composite itself.

`python -m benchmarks.targets [--root DIR] [--batches N]` draws live batches from the library below DIR (default `.`),
caches their layers with models/teacher at the teacher's resolution and at their own, and runs the teacher on the
composites, at a crop's own pixels. The last line is a JSON object: by resolution and level (`deep`, `shallow`) the
mean cosine of mixed target and teacher, both centred, over all cells and by their mean alpha; `other` is that of the
target of another crop, the floor. Smooth targets have high cosines; `aligned` tells how fine they are: the share of
cells where the own target agrees more with the teacher than any target of the crop two or more cells away does.
"""

import argparse
import json
import tempfile
from collections import defaultdict
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor
from torch.nn.functional import avg_pool2d

from benchmarks.features import found_again
from erkd.batches.batch import Batch
from erkd.batches.live import LiveBatches
from erkd.distill.targets import crop_targets
from erkd.features.cache import open_features
from erkd.features.images import TeacherImages
from erkd.features.precompute import write_features
from erkd.features.space import CentredSpace
from erkd.params import Params, Resolution, load_params
from erkd.teachers.teacher import Teacher, load_teacher

RANGES = {"0": (0.0, 0.0), "0-0.25": (0.0, 0.25), "0.25-0.75": (0.25, 0.75), "0.75-1": (0.75, 1.0), "1": (1.0, 1.0)}


def inside(alpha: Tensor, low: float, high: float) -> Tensor:
    """Where alpha is strictly between `low` and `high`, or equal to both."""
    return alpha.eq(low) if low == high else alpha.gt(low) & (alpha.lt(high) if high == 1 else alpha.le(high))


def used_layers(batches: LiveBatches, count: int) -> tuple[list[Batch], TeacherImages]:
    """The first batches, and the layers that they show; crops are numbered by these."""
    drawn = [batches[step] for step in range(count)]
    used = sorted({row for batch in drawn for crops in batch.crops for row in crops.index.tolist()})
    place = torch.zeros(len(batches.rows), dtype=torch.long)
    place[used] = torch.arange(len(used))
    renumbered = [
        replace(batch, crops=tuple(replace(crops, index=place[crops.index]) for crops in batch.crops))
        for batch in drawn
    ]
    return renumbered, TeacherImages(batches.table, [batches.rows[row] for row in used])


def cosines(
    teacher: Teacher, params: Params, resolution: Resolution, batches: list[Batch], images: TeacherImages
) -> dict[str, dict[str, float]]:
    """Mean cosines of mixed targets and the teacher's features of composites, by level and range of alpha."""
    changes = {"kinds": ["layers"], "resolution": resolution, "levels": 2, "pca": None}
    settings = params.features.model_copy(update=changes)
    found: dict[str, dict[str, list[Tensor]]] = {"deep": defaultdict(list), "shallow": defaultdict(list)}
    with tempfile.TemporaryDirectory() as name:
        write_features(Path(name, "cache"), {"layers": images}, teacher, settings, "cpu", Path(name, "scratch"))
        cache = open_features(Path(name, "cache"), "layers")
        assert cache.shallow is not None
        levels = {"deep": cache, "shallow": cache.shallow}
        for batch in batches:
            for level, said in zip(levels, teacher.levels(batch.image, 2), strict=True):
                space, by_range = CentredSpace(levels[level]), found[level]
                target = crop_targets(levels[level], batch, said.shape[-1])
                agreement, other = (1 - space.distance(said, part) for part in (target, target.roll(1, 0)))
                alpha = avg_pool2d(batch.alpha, batch.alpha.shape[-1] // said.shape[-1])
                by_range["all"].append(agreement.flatten())
                by_range["other"].append(other.flatten())
                by_range["aligned"].append(found_again(space, said, target).float().flatten())
                for label, bounds in RANGES.items():
                    by_range[label].append(agreement[inside(alpha, *bounds)])
    return {
        level: {label: round(float(torch.cat(parts).mean()), 4) for label, parts in by_range.items()}
        for level, by_range in found.items()
    }


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--root", type=Path, default=Path("."))
    parser.add_argument("--batches", type=int, default=12)
    arguments = parser.parse_args()
    params = load_params(arguments.root / "params.yaml")
    torch.set_num_threads(1)
    table = arguments.root / "data/library/library.csv"
    batches = LiveBatches(table, params.trimap, params.distill, params.seed, torch.device("cpu"))
    drawn, images = used_layers(batches, arguments.batches)
    teacher = load_teacher(arguments.root / "models/teacher")
    resolutions: tuple[Resolution, ...] = ("teacher", "own")
    print(json.dumps({name: cosines(teacher, params, name, drawn, images) for name in resolutions}))


if __name__ == "__main__":
    main()
