"""Whether a teacher knows the words of ImageNet: its zero-shot answers against an ImageNet network's own."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import timm
import torch

from erkd.io.imagenet import MEAN, STD, imagenet_state_dict
from erkd.io.images import load_image
from erkd.runtime.parallel import progress
from erkd.teachers.assess import rounded
from erkd.teachers.prompts import TEMPLATES
from erkd.teachers.teacher import Teacher
from erkd.teachers.words import with_article, words

BATCH = 16


@torch.no_grad()
def word_agreement(teacher: Teacher, backbone: str, images: Sequence[Path]) -> dict[str, Any]:
    """On how many `images` the nearest of a thousand words is the class that `backbone` ranks first, and first five.

    The network sees what the teacher sees, at its own stride of 32. A share is None where there are no images.
    """
    network = timm.create_model(backbone).eval()
    network.load_state_dict(imagenet_state_dict(backbone))
    device = next(teacher.model.parameters()).device
    network.to(device)
    names = teacher.text([TEMPLATES[0].format(with_article(word)) for word in words()])
    first, five = 0, 0
    for start in progress(range(0, len(images), BATCH), "naming things"):
        batch = torch.stack([teacher.prepare(load_image(path)) for path in images[start : start + BATCH]]).to(device)
        own = network((batch - MEAN[0]) / STD[0]).argmax(dim=1)
        found = (teacher(batch).embedding @ names.T).topk(5).indices == own[:, None]
        first, five = first + int(found[:, 0].sum()), five + int(found.any(dim=1).sum())
    count = len(images)
    return {
        "images": count,
        "first": rounded(first / count) if count else None,
        "in_five": rounded(five / count) if count else None,
    }
