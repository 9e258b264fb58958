"""Distillation from a matting teacher: a larger trained student, which may see a narrower trimap than the student.

- `similarity`: mean squared difference of both networks' cosine similarities among cells at stride 8, the spatial
  term of SPKD (DongGeun-Yoon/SPKD), for which a large gain in matting was published;
- `alpha`: Charbonnier distance to the teacher's alpha on unknown pixels, SPKD's third term.
SPKD's channel term needs networks of equal width and is left out. The teacher runs on every batch, as its features of
live composites cannot be cached.
"""

from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn.functional import max_pool2d

from erkd.batches.batch import Batch
from erkd.distill.map_distances import cosines
from erkd.io.files import InputError
from erkd.params import MattingParams
from erkd.students.losses import charbonnier
from erkd.students.student import Matte, load_student

STRIDE = 8
SOLID, EMPTY = 253.5 / 255, 1.5 / 255  # alpha of definite foreground and background


def narrowed(batch: Batch, radius: int) -> Tensor:
    """Narrow the batch's trimap: B x 1 x S x S of 0, 0.5, 1.

    Pixels stay unknown where both foreground and background (or fractional alpha) lie within a square window of
    `radius` pixels.
    """
    window = 2 * radius + 1
    largest = max_pool2d(batch.alpha, window, stride=1, padding=radius)
    smallest = -max_pool2d(-batch.alpha, window, stride=1, padding=radius)
    unknown = (batch.trimap == 0.5) & (largest > EMPTY) & (smallest < SOLID)
    return torch.where(unknown, 0.5, torch.where(batch.trimap == 0.5, batch.alpha.round(), batch.trimap))


class Matting(nn.Module):
    """The losses of one batch, with the frozen teacher loaded from `folder`. Raises InputError when it is None."""

    def __init__(self, folder: Path | None, params: MattingParams) -> None:
        super().__init__()
        if folder is None:
            raise InputError(
                "kd.methods matting: kd.matting.teacher is null; give the folder of a trained student, "
                "e.g. a copy of models/student"
            )
        self.params = params
        self.teacher = load_student(folder).requires_grad_(False)

    def train(self, mode: bool = True) -> "Matting":
        """Set the mode; the teacher stays in eval mode."""
        super().train(mode)
        self.teacher.eval()
        return self

    def forward(self, matte: Matte, batch: Batch, progress: float) -> dict[str, Tensor]:
        """Return the weighted losses by name; gradients reach the student only."""
        radius = self.params.narrow
        with torch.no_grad():
            trimap = batch.trimap if radius is None else narrowed(batch, radius)
            teacher = self.teacher(batch.image, trimap)
        difference = cosines(matte.levels[STRIDE]) - cosines(teacher.levels[STRIDE])
        alpha = charbonnier(matte.alpha, teacher.alpha, batch.unknown)
        return {
            "similarity": self.params.weight * self.params.similarity * difference.pow(2).mean(),
            "alpha": self.params.weight * self.params.alpha * alpha,
        }
