"""The images that a teacher's features are computed of: stored composites, and layers on a neutral ground."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import pad
from torch.utils.data import DataLoader, Dataset

from erkd.data.compositing import composite, training_size
from erkd.features.cache import Kind, images_digest, row_id
from erkd.io.files import InputError
from erkd.io.images import Array, load_alpha, load_image, resize_area
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

    def sizes(self) -> NDArray[np.int64]:
        """Height and width of each image in pixels, as the table has them and training uses them: N x 2."""
        return np.array([training_size(row.height, row.width) for row in self.rows])

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
class Preparation:
    """What a teacher is given of an image.

    Attributes:
        prepare: The teacher's preprocessing, which squashes an image to a square.
        ground: The colour behind foregrounds.
        cell: None, or the side of the teacher's cells in pixels: images are then given at their own size.
    """

    prepare: Callable[[Array], Tensor]
    ground: tuple[float, ...]
    cell: int | None

    def __call__(self, images: TeacherImages, number: int) -> Tensor:
        """Load image `number` and prepare it: 3 x S x S, or 3 x H x W, the borders replicated to whole cells."""
        image = images.load(number, self.ground)
        if self.cell is None:
            return self.prepare(image)
        row = images.rows[number]
        if image.shape[:2] != (row.height, row.width):
            found = " x ".join(map(str, image.shape[:2]))
            raise InputError(
                f"{resolve(images.table, row.image)}: {found} pixels; {images.table.name} says otherwise"
            )
        height, width = training_size(row.height, row.width)
        if (height, width) != (row.height, row.width):
            image = resize_area(image, height, width)
        pixels = torch.from_numpy(np.ascontiguousarray(image)).permute(2, 0, 1)[None]
        return pad(pixels, (0, -width % self.cell, 0, -height % self.cell), mode="replicate")[0]


@dataclass(frozen=True)
class _Batches(Dataset[list[Tensor]]):
    images: TeacherImages
    prepare: Preparation
    numbers: Sequence[Sequence[int]]

    def __len__(self) -> int:
        return len(self.numbers)

    def __getitem__(self, place: int) -> list[Tensor]:
        return prepared(self.images, self.prepare, self.numbers[place])


def prepared(images: TeacherImages, prepare: Preparation, numbers: Sequence[int]) -> list[Tensor]:
    """Images for the teacher, B x 3 x H x W each: all in one batch, or one by one where they keep their sizes."""
    found = [prepare(images, number) for number in numbers]
    return [torch.stack(found)] if prepare.cell is None else [image[None] for image in found]


def prepared_batches(
    images: TeacherImages, prepare: Preparation, numbers: Sequence[Sequence[int]]
) -> Iterator[list[Tensor]]:
    """Iterate over `prepared` images, loaded by worker processes; `numbers` holds the image numbers of each batch."""
    workers = WORKERS if len(numbers) > 1 else 0
    return iter(DataLoader(_Batches(images, prepare, numbers), batch_size=None, num_workers=workers))
