"""How good a teacher is: zero-shot material accuracy, and patch-text AUC inside the unknown region."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from sklearn.metrics import recall_score, roc_auc_score
from torch import Tensor

from erkd.io.images import load_alpha, load_image, load_trimap
from erkd.io.tables import CompositeRow, resolve
from erkd.runtime.parallel import progress
from erkd.teachers.prompts import TEMPLATES, material_phrase, materials_of
from erkd.teachers.teacher import Teacher

BATCH = 16


def assess(teacher: Teacher, table: Path, rows: Sequence[CompositeRow], trimaps: dict[str, Path]) -> dict[str, Any]:
    """Zero-shot accuracy by material over whole images, and patch-text AUC inside unknown regions.

    A material is guessed by the nearest of the prompts "a photo of MATERIAL". The AUC compares, over all
    unknown cells, cosine to the foreground's phrase minus cosine to the backdrop's with alpha > 0.5.
    `trimaps` are files by `sample_id`. What cannot be measured (one material, no such cells) is
    None.
    """
    materials = materials_of(rows)
    names = teacher.text([TEMPLATES[0].format(material_phrase(name)) for name in materials])
    ours = teacher.text([TEMPLATES[0].format(row.foreground_phrase) for row in rows])
    theirs = teacher.text([TEMPLATES[0].format(row.background_phrase) for row in rows])
    found: list[str] = []
    scores: list[np.ndarray] = []
    labels: list[np.ndarray] = []
    for start in progress(range(0, len(rows), BATCH), "assessing the teacher"):
        batch = rows[start : start + BATCH]
        images = torch.stack([teacher.prepare(load_image(resolve(table, row.image))) for row in batch])
        features = teacher(images.to(names.device))
        found.extend(materials[place] for place in (features.embedding @ names.T).argmax(dim=1).tolist())
        own = slice(start, start + BATCH)
        cells = patch_scores(features.patches, ours[own], theirs[own]).cpu()
        for row, score in zip(batch, cells, strict=True):
            trimap = torch.from_numpy(load_trimap(trimaps[row.sample_id]))
            alpha = torch.from_numpy(load_alpha(resolve(table, row.alpha)))
            unknown, inside = unknown_cells(trimap, alpha, (score.shape[0], score.shape[1]))
            scores.append(score[unknown].numpy())
            labels.append(inside[unknown].numpy() > 0.5)
    by_material = recalls(found, [row.material for row in rows])
    per_image = [value for value in map(auc, scores, labels) if value is not None]
    return {
        "images": len(rows),
        "materials": len(materials),
        "accuracy": rounded(float(np.mean([*by_material.values()]))) if len(materials) > 1 else None,
        "accuracy_by_material": {name: rounded(recall) for name, recall in by_material.items()},
        "unknown_cells": int(sum(map(len, labels))),
        "auc_unknown": rounded(auc(np.concatenate(scores), np.concatenate(labels))),
        "auc_unknown_per_image": rounded(float(np.mean(per_image)) if per_image else None),
    }


def recalls(found: Sequence[str], true: Sequence[str]) -> dict[str, float]:
    """The share of each true class that was found; their mean is the balanced accuracy."""
    names = sorted(set(true))
    return dict(zip(names, recall_score(true, found, labels=names, average=None).tolist(), strict=True))


def auc(scores: NDArray[np.floating], labels: NDArray[np.bool_]) -> float | None:
    """Area under the ROC curve of `scores` that should be higher where `labels`; None where one kind is missing."""
    return float(roc_auc_score(labels, scores)) if 0 < labels.sum() < len(labels) else None


def patch_scores(patches: Tensor, ours: Tensor, theirs: Tensor) -> Tensor:
    """Cosine to the foreground's phrase minus that to the backdrop's, per cell, B x G x G.

    `patches` B x D x G x G; `ours` and `theirs`, the phrases' embeddings, B x D.
    """
    cells = F.normalize(patches, dim=1)
    return torch.einsum("bdhw,bd->bhw", cells, F.normalize(ours, dim=1) - F.normalize(theirs, dim=1))


def unknown_cells(trimap: Tensor, alpha: Tensor, grid: tuple[int, int], share: float = 0.5) -> tuple[Tensor, Tensor]:
    """Cells that are unknown, and alpha of their unknown pixels: both Gh x Gw, from H x W maps.

    A cell counts as unknown when at least `share` of its pixels are; its alpha is the mean over these pixels,
    so that what the trimap gives away decides neither.
    """
    unknown = (trimap == 0.5).float()[None, None]
    known_share = F.adaptive_avg_pool2d(unknown, grid)[0, 0]
    weighted = F.adaptive_avg_pool2d(unknown * alpha[None, None], grid)[0, 0]
    return (known_share >= share) & (known_share > 0), weighted / known_share.clamp(min=1e-6)


def rounded(value: float | None) -> float | None:
    """A figure to six significant digits."""
    return None if value is None else float(f"{value:.6g}")
