"""The probe gap: does the teacher know more about alpha inside the unknown region than the student starts with?"""

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import timm
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from torch import Tensor

from erkd.io.files import InputError
from erkd.io.imagenet import MEAN, MODEL, STD, imagenet_state_dict
from erkd.io.images import load_alpha, load_image, load_trimap
from erkd.io.tables import CompositeRow, resolve
from erkd.runtime.parallel import progress
from erkd.teachers.assess import auc, rounded, unknown_cells
from erkd.teachers.teacher import Teacher

Encode = Callable[[Tensor], Tensor]
LEVELS = (2, 3)  # of timm's feature levels: strides 8 and 16


def probe_gap(
    teacher: Teacher,
    table: Path,
    train: Sequence[CompositeRow],
    unseen: Sequence[CompositeRow],
    trimaps: dict[str, Path],
) -> dict[str, float | None]:
    """AUC of linear probes for alpha > 0.5 in unknown cells: teacher, student, and both; and the gaps.

    Probes are fitted on `train` and scored on `unseen`. The student's features are those that its encoder has
    before training, strides 8 and 16 of the ImageNet network, on the same images; `gap` is teacher minus
    student, `added` what both together have over the student alone.
    """
    encoders: dict[str, Encode] = {"teacher": teacher.patches, "student": student_encoder()}
    fitted = {
        name: _cells(encoders, teacher, table, rows, trimaps) for name, rows in (("train", train), ("unseen", unseen))
    }
    (fit_cells, fit_labels), (test_cells, test_labels) = fitted["train"], fitted["unseen"]
    scores = {name: _probe(fit_cells[name], fit_labels, test_cells[name], test_labels) for name in encoders}
    scores["both"] = _probe(
        np.hstack([*fit_cells.values()]), fit_labels, np.hstack([*test_cells.values()]), test_labels
    )
    return {
        **{name: rounded(score) for name, score in scores.items()},
        "gap": _difference(scores["teacher"], scores["student"]),
        "added": _difference(scores["both"], scores["student"]),
    }


def student_encoder() -> Encode:
    """The ImageNet encoder that a student starts from: images in [0, 1] to its levels, on the coarsest grid."""
    network = timm.create_model(MODEL, features_only=True, out_indices=LEVELS)
    own = network.state_dict()
    network.load_state_dict({name: value for name, value in imagenet_state_dict().items() if name in own})
    network.eval().requires_grad_(False)
    mean, std = (torch.tensor(values).view(3, 1, 1) for values in (MEAN, STD))

    def encode(images: Tensor) -> Tensor:
        levels = network.to(images.device)((images - mean.to(images)) / std.to(images))
        grid = levels[-1].shape[-2:]
        return torch.cat([F.adaptive_avg_pool2d(level, grid) for level in levels], dim=1)

    return encode


def _cells(
    encoders: dict[str, Encode], teacher: Teacher, table: Path, rows: Sequence[CompositeRow], trimaps: dict[str, Path]
) -> tuple[dict[str, NDArray[np.float32]], NDArray[np.bool_]]:
    """Features of all unknown cells by encoder (cells x channels), and whether alpha is above a half there."""
    device = next(teacher.model.parameters()).device
    cells: dict[str, list[NDArray[np.float32]]] = {name: [] for name in encoders}
    labels = []
    for row in progress(rows, "probing"):
        image = teacher.prepare(load_image(resolve(table, row.image)))[None].to(device)
        maps = {name: encode(image)[0] for name, encode in encoders.items()}
        grids = {(found.shape[1], found.shape[2]) for found in maps.values()}
        if len(grids) != 1:
            raise InputError(f"the probe needs a teacher with output stride 16; the grids are {sorted(grids)}")
        trimap = torch.from_numpy(load_trimap(trimaps[row.sample_id]))
        alpha = torch.from_numpy(load_alpha(resolve(table, row.alpha)))
        unknown, inside = unknown_cells(trimap, alpha, next(iter(grids)))
        labels.append((inside > 0.5)[unknown].numpy())
        for name, found in maps.items():
            cells[name].append(found[:, unknown.to(device)].T.cpu().numpy())
    return {name: np.concatenate(found) for name, found in cells.items()}, np.concatenate(labels)


def _probe(
    cells: NDArray[np.float32], labels: NDArray[np.bool_], test: NDArray[np.float32], test_labels: NDArray[np.bool_]
) -> float | None:
    """AUC of a logistic regression; None where either set has one kind of cell alone."""
    if len(np.unique(labels)) < 2 or len(np.unique(test_labels)) < 2:
        return None
    model = make_pipeline(StandardScaler(), LogisticRegression(C=0.1, max_iter=500))
    return auc(model.fit(cells, labels).decision_function(test), test_labels)


def _difference(one: float | None, other: float | None) -> float | None:
    return None if one is None or other is None else rounded(one - other)
