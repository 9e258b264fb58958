"""The control for the cache: the same targets from a teacher that runs in every training step."""

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from erkd.features.cache import FeatureCache
from erkd.features.images import Preparation, TeacherImages
from erkd.features.maps import Map
from erkd.features.precompute import preparation
from erkd.features.space import CentredSpace
from erkd.params import Resolution
from erkd.teachers.teacher import Teacher, load_teacher


@dataclass(frozen=True)
class OnlineMaps:
    """In place of a cache's memory map: indexing by a row runs the teacher on that whole image."""

    teacher: Teacher
    images: TeacherImages
    prepare: Preparation
    space: CentredSpace
    device: str

    def __getitem__(self, row: int) -> Map:
        """Compute the features of an image as the cache stores them, C x Gh x Gw."""
        patches = self.teacher.patches(self.prepare(self.images, row)[None].to(self.device)).float().cpu()
        if self.space.basis is not None:
            patches = self.space.centre(patches)
        return patches[0].numpy().astype(np.float16)


def online_features(
    cache: FeatureCache, folder: Path, images: TeacherImages, device: str, resolution: Resolution
) -> FeatureCache:
    """Return `cache` with features computed on demand by the teacher in `folder`, on `device`.

    `images` are the cached ones, `resolution` the cache's. Mean, basis, texts and the shallow level stay the cache's.
    """
    teacher = load_teacher(folder, device)
    maps = OnlineMaps(teacher, images, preparation(teacher, resolution), CentredSpace(cache), device)
    return replace(cache, features=maps)
