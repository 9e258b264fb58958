"""The control for the cache: the same targets from a teacher that runs in every training step."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from erkd.features.cache import FeatureCache
from erkd.features.images import TeacherImages
from erkd.features.space import CentredSpace
from erkd.teachers.teacher import Teacher, load_teacher


@dataclass(frozen=True)
class OnlineMaps:
    """In place of a cache's memory map: indexing by rows runs the teacher on these whole images."""

    teacher: Teacher
    images: TeacherImages
    space: CentredSpace
    device: str

    def __getitem__(self, rows: NDArray[Any]) -> NDArray[np.float16]:
        """Compute the features of `rows` as the cache stores them, B x C x Gh x Gw."""
        images = [self.teacher.prepare(self.images.load(int(row), self.teacher.ground)) for row in rows]
        patches = self.teacher.patches(torch.stack(images).to(self.device)).float().cpu()
        if self.space.basis is not None:
            patches = self.space.centre(patches)
        return patches.numpy().astype(np.float16)


def online_features(cache: FeatureCache, folder: Path, images: TeacherImages, device: str) -> FeatureCache:
    """Return `cache` with features computed on demand by the teacher in `folder`, on `device`.

    `images` are the cached ones. Mean, basis, text and the shallow level stay the cache's.
    """
    maps = OnlineMaps(load_teacher(folder, device), images, CentredSpace(cache), device)
    return replace(cache, features=maps)
