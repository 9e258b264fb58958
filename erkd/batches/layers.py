"""The layers that training crops are cut from, kept in memory as bytes: all of them, or those used last."""

import os
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from rich.console import Console
from rich.progress import track
from torch import Tensor

from erkd.data.compositing import training_size
from erkd.io.images import load_alpha_bytes, load_image_bytes, resize_area, to_bytes, unit
from erkd.io.tables import LayerRow, resolve
from erkd.runtime.threads import map_threads

KEPT = 1024  # layers that are kept where not all can be
RESIDENT = 6_000_000_000  # bytes of layers that are kept as a whole
POINTS = 4096  # edge pixels kept per layer


class Layer(NamedTuple):
    """A layer as training uses it.

    Attributes:
        pixels: RGBA, 4 x H x W, uint8.
        points: Up to `POINTS` pixels (row, column) on edges of alpha, or anywhere where it has none; N x 2.
    """

    pixels: Tensor
    points: NDArray[np.int32]


class Layers(Sequence[Layer]):
    """Layers by row of `table`; each is decoded when it is asked for, unless `hold` has done so."""

    def __init__(self, table: Path, rows: Sequence[LayerRow]) -> None:
        self.table, self.rows = table, rows
        self._held: list[Layer] = []
        self._kept = lru_cache(maxsize=KEPT)(self._load)

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, index: int) -> Layer:  # type: ignore[override]
        return self._held[index] if self._held else self._kept(index)

    def hold(self) -> bool:
        """Decode all layers on all cores and keep them, if they take at most `RESIDENT` bytes; return whether.

        Processes that are forked afterwards share the memory.
        """
        if not self._held and self.bytes() <= RESIDENT:
            cv2.setNumThreads(1)  # OpenCV's own threads would not live on in a forked process
            layers = map_threads(self._load, range(len(self)), os.cpu_count() or 1)
            self._held = [*track(layers, "Layers", total=len(self), console=Console(stderr=True))]
        return bool(self._held)

    def bytes(self) -> int:
        """What all layers take in memory."""
        sizes = (training_size(row.height, row.width) for row in self.rows)
        return sum(4 * height * width for height, width in sizes)

    def _load(self, index: int) -> Layer:
        row = self.rows[index]
        image = load_image_bytes(resolve(self.table, row.image))
        alpha = (
            load_alpha_bytes(resolve(self.table, row.alpha)) if row.alpha else np.full(image.shape[:2], 255, np.uint8)
        )
        pixels = np.dstack([image, alpha])
        if (size := training_size(*alpha.shape)) != alpha.shape:
            pixels = to_bytes(resize_area(unit(pixels), *size))
        levels = pixels[:, :, 3]
        soft = cv2.dilate(levels, np.ones((3, 3))) - cv2.erode(levels, np.ones((3, 3))) > 2
        points = np.argwhere(soft if soft.any() else np.ones_like(soft)).astype(np.int32)
        points = np.random.default_rng(index).choice(points, min(POINTS, len(points)), replace=False)
        return Layer(torch.from_numpy(pixels).permute(2, 0, 1).contiguous(), points)
