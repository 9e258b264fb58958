"""Where in an image a teacher sees what a phrase says: maps of patch-text similarity, drawn and stored."""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from erkd.io.files import write_json
from erkd.io.images import Array, load_image, resize_area, save_image
from erkd.io.tables import CompositeRow, Sample, read_table, resolve, take_turns
from erkd.report.matte_images import TOO_CLEAR, TOO_OPAQUE
from erkd.teachers.prompts import TEMPLATES
from erkd.teachers.teacher import Teacher

COMPOSITES = 8
PHOTOGRAPHS = 9
SIDE = 320  # longer side of a stored image
Maps = tuple[str, Array, Sequence[str], Array]  # sample_id, image H x W x 3, K phrases, maps K x Gh x Gw


def similarity_maps(teacher: Teacher, image: Array, phrases: Sequence[str]) -> tuple[Array, Array]:
    """Cosines of an image (H x W x 3 in [0, 1]) and K phrases: of each cell, K x Gh x Gw, and of the whole, K."""
    texts = teacher.text(phrases)
    features = teacher(teacher.prepare(image)[None].to(texts.device))
    cells: Tensor = torch.einsum("dhw,kd->khw", F.normalize(features.patches[0], dim=0), texts)
    return cells.cpu().numpy(), (texts @ F.normalize(features.embedding[0], dim=0)).cpu().numpy()


def best_prompts(teacher: Teacher, image: Array, count: int) -> list[str]:
    """The `count` prompts of the teacher's own that are nearest to the whole image, the nearest first."""
    _, whole = similarity_maps(teacher, image, teacher.prompts)
    return [teacher.prompts[place] for place in whole.argsort()[::-1][:count]]


def composite_maps(teacher: Teacher, table: Path) -> Iterator[Maps]:
    """Test composites, materials in turn, with the phrases of their foreground and their backdrop."""
    for row in take_turns(read_table(table, CompositeRow, "test"), lambda row: row.material, COMPOSITES):
        image, phrases = load_image(resolve(table, row.image)), [row.foreground_phrase, row.background_phrase]
        maps, _ = similarity_maps(teacher, image, [TEMPLATES[0].format(phrase) for phrase in phrases])
        yield row.sample_id, image, phrases, maps


def photograph_maps(teacher: Teacher, samples: Sequence[Sample]) -> Iterator[Maps]:
    """Photographs, each once and nine at most, with the prompts that are nearest to them."""
    for sample in list({sample.image: sample for sample in samples}.values())[:PHOTOGRAPHS]:
        image = load_image(sample.image)
        phrases = best_prompts(teacher, image, 2)
        yield sample.image.stem, image, phrases, similarity_maps(teacher, image, phrases)[0]


def draw_similarity(image: Array, similarity: Array) -> Array:
    """The image (H x W x 3 in [0, 1]), greyed, under its cells' similarity (Gh x Gw): H x W x 3.

    Orange: more alike than the image's mean cell; blue: less. The largest difference has full colour.
    """
    height, width = image.shape[:2]
    relative = similarity - similarity.mean()
    relative = relative / max(float(np.abs(relative).max()), 1e-6)
    fine = cv2.resize(relative.astype(np.float32), (width, height), interpolation=cv2.INTER_CUBIC)
    strength = np.clip(np.abs(fine), 0, 1)[:, :, None] * 0.75
    grey = np.repeat(image.mean(axis=2, keepdims=True), 3, axis=2) * 0.8
    colour = np.where(fine[:, :, None] > 0, TOO_OPAQUE, TOO_CLEAR)
    return np.asarray(grey * (1 - strength) + colour * strength, np.float32)


def save_maps(found: Iterable[Maps], folder: Path) -> None:
    """Write every image and its maps as small JPEG files into `folder`, and what they are as `similarity.json`."""
    index = []
    for sample_id, image, phrases, maps in found:
        scale = min(1.0, SIDE / max(image.shape[:2]))
        small = resize_area(image, round(image.shape[0] * scale), round(image.shape[1] * scale))
        drawn = [small, *(draw_similarity(small, similarity) for similarity in maps)]
        names = [f"{sample_id}-{number}.jpg" for number in range(len(drawn))]
        for name, panel in zip(names, drawn, strict=True):
            save_image(panel, folder / name)
        index.append({"sample_id": sample_id, "phrases": list(phrases), "pictures": names})
    write_json(index, folder / "similarity.json")
