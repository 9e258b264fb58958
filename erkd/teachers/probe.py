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

Cells = dict[str, NDArray[np.float32]]  # by encoder, cells x channels
Labels = NDArray[np.bool_]
Maps = dict[int, Tensor]  # by stride, B x C x H / stride x W / stride
Encode = Callable[[Tensor], Maps]
LEVELS = (2, 3)  # of timm's feature levels: strides 8 and 16
IMAGES, CELLS = 240, 25_000  # at most, evenly spaced, a probe is fitted on


def probe_gap(
    teacher: Teacher,
    table: Path,
    train: Sequence[CompositeRow],
    unseen: Sequence[CompositeRow],
    trimaps: dict[str, Path],
) -> dict[int, dict[str, float | None]]:
    """AUC of linear probes for alpha > 0.5 in unknown cells, by stride: teacher, student, and both; and the gaps.

    Probes are fitted on at most `IMAGES` of `train` and scored on `unseen`. The student's features are those that
    its encoder has before training, strides 8 and 16 of the ImageNet network, on the same images, both resampled to
    the grid that is probed. The teacher has its patches at stride 16, and its shallow level with them at stride 8,
    which is left out where it has none. `gap` is teacher minus student, `added` what both together have over the
    student alone.
    """
    train = [train[i] for i in evenly(len(train), IMAGES)]
    encoders: dict[str, Encode] = {"teacher": teacher_encoder(teacher), "student": student_encoder()}
    fit = _cells(encoders, teacher, table, train, trimaps)
    test = _cells(encoders, teacher, table, unseen, trimaps)
    return {stride: _gaps(*fit[stride], *test[stride]) for stride in fit.keys() & test.keys()}


def evenly(count: int, most: int) -> NDArray[np.int64]:
    """At most `most` places of `count`, evenly spaced."""
    return np.arange(count) if count <= most else np.linspace(0, count - 1, most, dtype=int)


def _gaps(fit: Cells, labels: Labels, test: Cells, test_labels: Labels) -> dict[str, float | None]:
    some = evenly(len(labels), CELLS)
    fit, labels = {name: cells[some] for name, cells in fit.items()}, labels[some]
    fit["both"], test["both"] = np.hstack([*fit.values()]), np.hstack([*test.values()])
    scores = {name: _probe(fit[name], labels, test[name], test_labels) for name in fit}
    return {
        **{name: rounded(score) for name, score in scores.items()},
        "gap": _difference(scores["teacher"], scores["student"]),
        "added": _difference(scores["both"], scores["student"]),
    }


def teacher_encoder(teacher: Teacher) -> Encode:
    """A teacher's patches and, at stride 8 where it has a level there, that level with them."""

    def encode(images: Tensor) -> Maps:
        features = teacher(images)
        if features.patches.shape[-1] * 16 != images.shape[-1]:
            raise InputError(
                f"the probe needs a teacher with output stride 16; {images.shape[-1]} pixels give "
                f"{features.patches.shape[-1]} cells"
            )
        if features.shallow is None:
            return {16: features.patches}
        return {16: features.patches, 8: _beside(features.shallow, features.patches)}

    return encode


def student_encoder() -> Encode:
    """The ImageNet encoder that a student starts from, of images in [0, 1]: both of its levels on each grid."""
    network = timm.create_model(MODEL, features_only=True, out_indices=LEVELS)
    own = network.state_dict()
    network.load_state_dict({name: value for name, value in imagenet_state_dict().items() if name in own})
    network.eval().requires_grad_(False)
    mean, std = (torch.tensor(values).view(3, 1, 1) for values in (MEAN, STD))

    def encode(images: Tensor) -> Maps:
        shallow, deep = network.to(images.device)((images - mean.to(images)) / std.to(images))
        return {16: torch.cat([F.avg_pool2d(shallow, 2), deep], dim=1), 8: _beside(shallow, deep)}

    return encode


def _beside(shallow: Tensor, deep: Tensor) -> Tensor:
    """A level, and a deeper one interpolated to its grid."""
    return torch.cat([shallow, F.interpolate(deep, shallow.shape[-2:], mode="bilinear")], dim=1)


def _cells(
    encoders: dict[str, Encode], teacher: Teacher, table: Path, rows: Sequence[CompositeRow], trimaps: dict[str, Path]
) -> dict[int, tuple[Cells, Labels]]:
    """By stride, features of all unknown cells by encoder, and whether alpha is above a half there."""
    device = next(teacher.model.parameters()).device
    found: dict[int, tuple[dict[str, list[NDArray[np.float32]]], list[Labels]]] = {}
    for row in progress(rows, "probing"):
        image = teacher.prepare(load_image(resolve(table, row.image)))[None].to(device)
        maps = {name: encode(image) for name, encode in encoders.items()}
        trimap = torch.from_numpy(load_trimap(trimaps[row.sample_id]))
        alpha = torch.from_numpy(load_alpha(resolve(table, row.alpha)))
        for stride, own in maps["teacher"].items():
            cells, labels = found.setdefault(stride, ({name: [] for name in encoders}, []))
            unknown, inside = unknown_cells(trimap, alpha, (own.shape[2], own.shape[3]))
            labels.append((inside > 0.5)[unknown].numpy())
            for name in encoders:
                cells[name].append(maps[name][stride][0][:, unknown.to(device)].T.cpu().numpy())
    return {
        stride: ({name: np.concatenate(parts) for name, parts in cells.items()}, np.concatenate(labels))
        for stride, (cells, labels) in found.items()
    }


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
