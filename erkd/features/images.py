"""The images that a teacher's features are computed of: stored composites, and layers on a neutral ground."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from erkd.data.compositing import composite
from erkd.features.cache import Kind, images_digest, row_id
from erkd.io.images import Array, load_alpha, load_image
from erkd.io.tables import CompositeRow, LayerRow, read_table, resolve

WORKERS = 2


@dataclass(frozen=True)
class TeacherImages:
    """The images of one kind, as rows of `table` in the cache's order."""

    table: Path
    rows: Sequence[CompositeRow] | Sequence[LayerRow]

    def load(self, number: int, ground: tuple[float, ...]) -> Array:
        """Load image `number`, H x W x 3 in [0, 1]; foregrounds are composited on the colour `ground`."""
        row = self.rows[number]
        image = load_image(resolve(self.table, row.image))
        if isinstance(row, CompositeRow) or not row.alpha:
            return image
        alpha = load_alpha(resolve(self.table, row.alpha))
        return composite(image, alpha, np.full_like(image, ground))

    def some(self, numbers: range) -> "TeacherImages":
        """Those of `numbers` alone."""
        return TeacherImages(self.table, self.rows[numbers.start : numbers.stop])

    @property
    def ids(self) -> list[str]:
        """The images' ids by row."""
        return [row_id(row) for row in self.rows]

    @property
    def digest(self) -> str:
        """Their `images_digest`."""
        return images_digest(self.table, self.rows)


def read_teacher_images(data: Path, kinds: Sequence[Kind]) -> dict[Kind, TeacherImages]:
    """The training images of each of `kinds`, from the tables below the folder `data`."""
    composites, layers = data / "composites/manifest.csv", data / "library/library.csv"
    return {
        kind: TeacherImages(composites, read_table(composites, CompositeRow, "train"))
        if kind == "composites"
        else TeacherImages(layers, read_table(layers, LayerRow, "train"))
        for kind in kinds
    }


@dataclass(frozen=True)
class _Batches(Dataset[Tensor]):
    images: TeacherImages
    prepare: Callable[[Array], Tensor]
    ground: tuple[float, ...]
    numbers: Sequence[Sequence[int]]

    def __len__(self) -> int:
        return len(self.numbers)

    def __getitem__(self, place: int) -> Tensor:
        images = (self.images.load(number, self.ground) for number in self.numbers[place])
        return torch.stack([self.prepare(image) for image in images])


def prepared_batches(
    images: TeacherImages,
    prepare: Callable[[Array], Tensor],
    ground: tuple[float, ...],
    numbers: Sequence[Sequence[int]],
) -> Iterator[Tensor]:
    """Iterate over batches B x 3 x S x S, loaded and prepared by worker processes.

    `numbers` holds the image numbers of each batch, `prepare` is the teacher's preprocessing, and `ground` the colour
    behind foregrounds.
    """
    workers = WORKERS if len(numbers) > 1 else 0
    return iter(DataLoader(_Batches(images, prepare, ground, numbers), batch_size=None, num_workers=workers))
