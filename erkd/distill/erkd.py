"""ERKD: CLIP's features, CLIP's patch-text distribution, and reserved edges.

Three losses on one student:
- `feature`: 1 - cosine between the student's projected features at two strides and the cached, centred CLIP
  patches, cells that touch the unknown region weighing more;
- `text`: KL divergence between the teacher's and the student's distributions over the prompts, per cell;
- `edge`: L1 between ERM's edge maps and the true alpha's signed gradient at sigma 1.4.
Of the paper only the abstract could be found (an Edge-Reserved Module, a Multimodal Feature Fusion Module, CLIP
as feature-level teacher): its losses and weights are unknown, and these are a reading of it. Cosine per cell
follows the practice of dense CLIP distillation (Theia, UNIC); KL over prompts that of CLIP-KD.
"""

import torch
from torch import Tensor, nn
from torch.nn.functional import avg_pool2d, conv2d, max_pool2d

from erkd.batches import Batch
from erkd.centring import CentredSpace
from erkd.features import FeatureCache
from erkd.losses import masked_mean
from erkd.params import ErkdParams
from erkd.students.edge_reserved import gradient_kernels
from erkd.students.multimodal_fusion import TEMPERATURE
from erkd.students.student import Matte, Student


def text_divergence(student_logits: Tensor, teacher_logits: Tensor) -> Tensor:
    """KL(teacher || student) over dim 1 of B x K x h x w logits; B x 1 x h x w, at least 0."""
    teacher = teacher_logits.log_softmax(1)
    return (teacher.exp() * (teacher - student_logits.log_softmax(1))).sum(1, keepdim=True)


def alpha_gradient(alpha: Tensor, stride: int) -> Tensor:
    """Signed derivative-of-Gaussian gradient of alpha at sigma 1.4, averaged per cell: B x 2 x H/s x W/s."""
    kernels = gradient_kernels(1.4, 4).to(alpha)
    padded = nn.functional.pad(alpha, (4, 4, 4, 4), mode="replicate")
    return avg_pool2d(conv2d(padded, kernels), stride)


class Erkd(nn.Module):
    """The ERKD losses of one batch. Holds the projector of the shallower level, which is not saved."""

    text: Tensor

    def __init__(self, student: Student, cache: FeatureCache, params: ErkdParams) -> None:
        super().__init__()
        self.cache = cache
        self.shallow_cache = cache.shallow or cache  # a ViT has one level: then it is both strides' target
        self.params = params
        self.space, self.shallow_space = CentredSpace(cache), CentredSpace(self.shallow_cache)
        self.register_buffer("text", torch.from_numpy(cache.text))
        self.shallow_stride = student.encoder.strides[-2]
        self.projector = nn.Conv2d(student.encoder.channels[-2], len(self.shallow_cache.mean), 1)

    def forward(self, matte: Matte, batch: Batch) -> dict[str, Tensor]:
        """Losses by name, scaled by their weights; gradients reach the student and the projector alone."""
        losses = {}
        for stride, features in matte.features.items():
            shallow = stride == self.shallow_stride
            cache, space = (self.shallow_cache, self.shallow_space) if shallow else (self.cache, self.space)
            if shallow:
                features = self.projector(features)
            target = mixed_target(cache, batch, features.shape[-1]).to(features)
            touched = max_pool2d(batch.unknown, stride)
            weight = 1 + (self.params.unknown_gain - 1) * touched
            distance = space.distance(features, target)
            losses[f"feature_{stride}"] = 0.5 * self.params.feature * masked_mean(distance, weight)
            if not shallow:  # where the logits live
                cells = space.direction(target)
                teacher_logits = torch.einsum("bdhw,kd->bkhw", cells, self.text) / TEMPERATURE
                divergence = text_divergence(matte.logits, teacher_logits)
                losses["text"] = self.params.text * masked_mean(divergence, weight)
        losses["edge"] = self.params.edge * edge_l1(matte.edges, batch)
        return {name: self.params.weight * loss for name, loss in losses.items()}


def mixed_target(cache: FeatureCache, batch: Batch, cells: int) -> Tensor:
    """CLIP's features of the crops, B x C x cells x cells, as `cache` stores them.

    Of a live composite they are mixed from its layers' features by what each contributes to a cell, so that
    the teacher need not see the composite.
    """
    pooling = batch.alpha.shape[-1] // cells
    parts = [
        avg_pool2d(view.share, pooling) * cache.sample(view.index, view.theta, (cells, cells))
        for view in batch.views
    ]
    return torch.stack(parts).sum(0)


def edge_l1(edges: dict[int, Tensor], batch: Batch) -> Tensor:
    """Mean over strides of the L1 between predicted and true edge maps, where a cell touches the unknown."""
    total = torch.zeros((), device=batch.alpha.device)
    for stride, predicted in edges.items():
        touched = max_pool2d(batch.unknown, stride)
        distance = (predicted - alpha_gradient(batch.alpha, stride)).abs()
        total = total + masked_mean(distance, touched) / len(edges)
    return total
