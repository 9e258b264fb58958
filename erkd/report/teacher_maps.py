"""Where in an image a teacher sees what a phrase says."""

from collections.abc import Sequence
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor

from erkd.io.images import Array, load_image
from erkd.io.tables import CompositeRow, Sample, read_table, resolve
from erkd.report.contact_sheets import take_turns
from erkd.report.similarity import Shown, save_similarity
from erkd.teachers.prompts import TEMPLATES
from erkd.teachers.teacher import Teacher

COMPOSITES = 8
PHOTOGRAPHS = 9


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


def show_composites(teacher: Teacher, table: Path, folder: Path) -> list[Shown]:
    """Draw test composites, materials in turn, with the phrases of their foreground and their backdrop."""
    rows = take_turns(read_table(table, CompositeRow, "test"), lambda row: row.material, COMPOSITES)
    shown = []
    for row in rows:
        image, phrases = load_image(resolve(table, row.image)), [row.foreground_phrase, row.background_phrase]
        maps, _ = similarity_maps(teacher, image, [TEMPLATES[0].format(phrase) for phrase in phrases])
        shown.append(save_similarity(folder, row.sample_id, image, phrases, maps))
    return shown


def show_photographs(teacher: Teacher, samples: Sequence[Sample], folder: Path) -> list[Shown]:
    """Draw photographs, each once and nine at most, with the prompts that are nearest to them."""
    once = list({sample.image: sample for sample in samples}.values())[:PHOTOGRAPHS]
    shown = []
    for sample in once:
        image = load_image(sample.image)
        phrases = best_prompts(teacher, image, 2)
        maps, _ = similarity_maps(teacher, image, phrases)
        shown.append(save_similarity(folder, sample.image.stem, image, phrases, maps))
    return shown
