"""Small students and batches for tests; random weights, no files."""

import torch
from torch.nn.functional import normalize

from erkd.batches import Batch, View
from erkd.students.student import Student, StudentConfig, build_student

PROMPTS, DIMENSION = 5, 16


def small_student(seed: int = 0, **changes) -> Student:
    settings = {
        "backbone": "tf_efficientnet_lite0", "stages": 4, "width": 16, "edge_module": True,
        "dictionary": "text", "prompts": PROMPTS, "embed_dim": DIMENSION,
    }  # fmt: skip
    torch.manual_seed(seed)
    student = build_student(StudentConfig(**settings | changes), random_text(), pretrained=False)
    torch.nn.init.normal_(student.head.out.weight, std=0.1)  # past the start, where every correction is zero
    return student


def random_text(seed: int = 7) -> torch.Tensor:
    return normalize(torch.randn(PROMPTS, DIMENSION, generator=torch.Generator().manual_seed(seed)), dim=1)


def vertical_edge(
    size: int = 64, count: int = 2, soft: int = 8
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Image, trimap and alpha of a red foreground on the left of a blue background, with a soft vertical border."""
    x = torch.arange(size).float()
    alpha = ((size / 2 + soft / 2 - x - 0.5) / soft).clamp(0, 1).expand(count, 1, size, size).contiguous()
    foreground, background = torch.tensor([0.9, 0.1, 0.2]), torch.tensor([0.1, 0.3, 0.8])
    image = alpha * foreground[:, None, None] + (1 - alpha) * background[:, None, None]
    trimap = torch.where(alpha == 0, 0.0, torch.where(alpha == 1, 1.0, 0.5))
    return image, trimap, alpha


def edge_batch(size: int = 64, count: int = 2, **changes) -> Batch:
    image, trimap, alpha = vertical_edge(size, count)
    theta = torch.eye(2, 3).expand(count, 2, 3).contiguous()
    views = (View(torch.arange(count), theta, torch.ones_like(alpha)),)
    parts = {"image": image, "trimap": trimap, "alpha": alpha, "views": views}
    return Batch(**parts | changes)
