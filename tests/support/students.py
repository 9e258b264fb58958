"""Small students, batches and caches for tests; random weights, no files."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from torch.nn.functional import normalize

from erkd.batches.batch import Batch, Crops
from erkd.distill.methods import build_methods
from erkd.features.cache import FeatureCache
from erkd.features.space import CentredSpace
from erkd.params import KdParams, load_params
from erkd.students.student import Student, StudentConfig, build_student
from tests.support import ROOT

PROMPTS, DIMENSION = 5, 16


def small_student(seed: int = 0, **changes) -> Student:
    settings = {
        "backbone": "tf_efficientnet_lite0", "stages": 4, "width": 16, "edge_module": True,
        "dictionary": "text", "prompts": PROMPTS, "embed_dim": DIMENSION, "trim": False, "half": False,
        "coarse": False, "padding": "replicate_past_edges",
    }  # fmt: skip
    torch.manual_seed(seed)
    student = build_student(StudentConfig(**settings | changes), random_text(), pretrained=False)
    torch.nn.init.normal_(student.head.out.weight, std=0.1)  # past the start, where every correction is zero
    return student


def random_text(seed: int = 7) -> torch.Tensor:
    return normalize(torch.randn(PROMPTS, DIMENSION, generator=torch.Generator().manual_seed(seed)), dim=1)


def vertical_edge(size: int = 64, count: int = 2, soft: int = 8) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
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
    crops = (Crops(torch.arange(count), theta, torch.ones_like(alpha)),)
    parts = {"image": image, "trimap": trimap, "alpha": alpha, "crops": crops}
    return Batch(**parts | changes)


def layered_batch(size: int = 64, count: int = 2, **changes) -> Batch:
    """`edge_batch` as a live composite: two foregrounds, of which the second adds nothing, and a background."""
    batch = edge_batch(size, count, **changes)
    theta = batch.crops[0].theta
    shares = (batch.alpha, torch.zeros_like(batch.alpha), 1 - batch.alpha)
    crops = tuple(Crops(torch.full((count,), i), theta, share) for i, share in enumerate(shares))
    colours = [torch.tensor(c)[None, :, None, None] for c in ([0.9, 0.1, 0.2], [0.1, 0.3, 0.8])]
    foreground, background = (c.expand_as(batch.image).contiguous() for c in colours)
    return replace(batch, crops=crops, foreground=foreground, background=background)


def random_cache(seed: int = 3, directions: int | None = None, shallow: int | None = None) -> FeatureCache:
    """Three images of 4 x 4 cells, as CLIP might describe them.

    In a basis of so many `directions`; with a second level of so many `shallow` channels.
    """
    rng = np.random.default_rng(seed)
    features = rng.normal(size=(3, DIMENSION, 4, 4)).astype(np.float16)
    mean = rng.normal(scale=0.05, size=DIMENSION).astype(np.float32)
    prompts = [str(i) for i in range(PROMPTS)]
    cache = FeatureCache(features, ["a", "b", "c"], prompts, random_text().numpy(), random_text(8).numpy(), mean)
    if directions is not None:
        basis = np.linalg.qr(rng.normal(size=(DIMENSION, DIMENSION)))[0][:directions]
        cache = replace(cache, basis=basis.astype(np.float32))
        stored = CentredSpace(cache).centre(torch.from_numpy(features).float())
        cache = replace(cache, features=stored.numpy().astype(np.float16))
    if shallow is not None:
        maps = rng.normal(size=(3, shallow, 8, 8)).astype(np.float16)
        cache = replace(cache, shallow=replace(cache, features=maps, mean=np.zeros(shallow, np.float32), basis=None))
    return cache


def kd_params(*methods: str, **sections) -> KdParams:
    """The committed parameters, with these methods and changes by section."""
    params = load_params(ROOT / "params.yaml").kd
    changed = {name: getattr(params, name).model_copy(update=update) for name, update in sections.items()}
    return params.model_copy(update={"methods": list(methods)} | changed)


def small_methods(
    student: Student,
    *methods: str,
    root: Path = ROOT,
    cache: FeatureCache | None = None,
    others: torch.Tensor | None = None,
    **sections,
) -> torch.nn.ModuleDict:
    """Methods beside a small student, taught by `cache` or else by `random_cache`."""
    params = kd_params(*methods, **sections)
    return build_methods(
        student, cache or random_cache(), params,
        laplacian=0.2, new_student=lambda: small_student(seed=1), root=root, others=others,
    ).train()  # fmt: skip
