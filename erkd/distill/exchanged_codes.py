"""The control `kd.erkd.codes: exchanged`: every image's codes are those of another image of its kind.

Shares, codes and their statistics stay as they are, so alpha enters the target as before; what a code says is true of
another image. What ERKD gains over this control comes from what CLIP says.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import TypeVar

import numpy as np
import torch
from torch import Tensor

from erkd.batches.batch import Inputs
from erkd.io.files import InputError
from erkd.io.tables import CompositeRow, LayerRow

Some = TypeVar("Some", bound=Inputs)


def other_rows(rows: Sequence[CompositeRow] | Sequence[LayerRow], seed: int) -> Tensor:
    """For each row of the cache another of its kind: N indices, a permutation without fixed points.

    Each kind (foregrounds, backgrounds; stored composites are of one) is one cycle in random order. Raises InputError
    for a kind of one row.
    """
    kinds = np.array([row.kind if isinstance(row, LayerRow) else "composite" for row in rows])
    rng, others = np.random.default_rng(seed), np.empty(len(kinds), np.int64)
    for kind in np.unique(kinds):
        order = rng.permutation(np.flatnonzero(kinds == kind))
        if len(order) < 2:
            raise InputError(f"kd.erkd.codes exchanged: one {kind} only; give it more, or set codes to own")
        others[order] = np.roll(order, 1)
    return torch.from_numpy(others)


def exchange(inputs: Some, others: Tensor | None) -> Some:
    """The inputs with `others[index]` as their crops' index, each at its place in the image; None: unchanged."""
    if others is None:
        return inputs
    others = others.cpu()  # as indices are
    return replace(inputs, crops=tuple(replace(crops, index=others[crops.index]) for crops in inputs.crops))
