"""Feature maps by image: of one size or of many, in an array that may be memory-mapped."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

Map = NDArray[np.float16]


class Maps(Protocol):
    """Feature maps by row: a memory map, or a teacher run on demand."""

    def __getitem__(self, row: int, /) -> Map:
        """The map of one image, C x Gh x Gw."""


@dataclass(frozen=True)
class PackedMaps(Sequence[Map]):
    """Maps of different sizes, cell by cell in one array; item `row` is a view, C x Gh x Gw, that reads nothing yet.

    Attributes:
        cells: All cells of all images, each image's row by row: their number x C.
        grids: Rows and columns of each image, N x 2.
    """

    cells: Map
    grids: NDArray[np.int64]

    @cached_property
    def starts(self) -> NDArray[np.int64]:
        """The first cell of each image, and behind the last: N + 1."""
        return np.concatenate([[0], np.cumsum(self.grids.prod(axis=1))])

    def __len__(self) -> int:
        return len(self.grids)

    def __getitem__(self, row: Any) -> Any:
        start, end = self.starts[row], self.starts[row + 1]
        height, width = self.grids[row]
        return self.cells[start:end].reshape(height, width, -1).transpose(2, 0, 1)

    def __iter__(self) -> Iterator[Map]:
        return (self[row] for row in range(len(self)))


def packed(maps: NDArray[Any]) -> Map:
    """B maps of one size, B x C x Gh x Gw, as cells: B Gh Gw x C, float16."""
    cells = maps.transpose(0, 2, 3, 1)
    return cells.reshape(-1, cells.shape[-1]).astype(np.float16)
