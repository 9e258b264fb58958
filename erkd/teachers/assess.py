"""Score a teacher on composites it has not seen."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from erkd.io.images import load_alpha, load_image, load_trimap
from erkd.io.tables import CompositeRow, resolve
from erkd.runtime.parallel import progress
from erkd.teachers.prompts import TEMPLATES, material_phrase, materials_of
from erkd.teachers.scores import auc, balanced_accuracy, patch_scores, rounded, unknown_cells
from erkd.teachers.teacher import Teacher

BATCH = 16


def assess(
    teacher: Teacher, table: Path, rows: Sequence[CompositeRow], trimaps: dict[str, Path]
) -> dict[str, Any]:
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
        cells = patch_scores(
            features.patches, ours[start : start + BATCH], theirs[start : start + BATCH]
        ).cpu()
        for row, score in zip(batch, cells, strict=True):
            trimap = torch.from_numpy(load_trimap(trimaps[row.sample_id]))
            alpha = torch.from_numpy(load_alpha(resolve(table, row.alpha)))
            unknown, inside = unknown_cells(trimap, alpha, (score.shape[0], score.shape[1]))
            scores.append(score[unknown].numpy())
            labels.append(inside[unknown].numpy() > 0.5)
    accuracy, recalls = balanced_accuracy(found, [row.material for row in rows])
    per_image = [value for value in map(auc, scores, labels) if value is not None]
    return {
        "images": len(rows),
        "materials": len(materials),
        "accuracy": rounded(accuracy) if len(materials) > 1 else None,
        "accuracy_by_material": {name: rounded(recall) for name, recall in recalls.items()},
        "unknown_cells": int(sum(map(len, labels))),
        "auc_unknown": rounded(auc(np.concatenate(scores), np.concatenate(labels))),
        "auc_unknown_per_image": rounded(float(np.mean(per_image)) if per_image else None),
    }
