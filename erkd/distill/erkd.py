"""Edge-Reserved Knowledge Distillation (ERKD) from CLIP's dense features, patch-text distributions and alpha's edges.

- `feature`: 1 - cosine between the student's projected features at two strides and the cached, mean-centred CLIP
  patches; cells that touch the unknown region weigh more (per cell as in Theia and UNIC);
- `text`: KL divergence between the teacher's and the student's distributions over the prompts, per cell (as in
  CLIP-KD); both use the teacher's text embeddings, so that controls with another dictionary are supervised alike;
- `edge`: L1 between ERM's edge maps and the true alpha's signed gradient at sigma 1.4.
Only the paper's abstract could be found, so losses and weights are this project's reading of it. `erkd_layered.py`
applies the same to foreground and background separately.
"""

import torch
from torch import Tensor, nn
from torch.nn.functional import avg_pool2d, conv2d, max_pool2d, normalize

from erkd.batches.batch import Batch, Inputs
from erkd.distill.exchanged_codes import exchange
from erkd.distill.targets import both_levels, crop_targets
from erkd.features.cache import FeatureCache
from erkd.features.space import CentredSpace
from erkd.params import ErkdParams
from erkd.students.edge_reserved import gradient_kernels
from erkd.students.losses import masked_mean
from erkd.students.multimodal_fusion import TEMPERATURE
from erkd.students.student import Matte, Student


def text_logits(features: Tensor, text: Tensor) -> Tensor:
    """Patch-text logits B x K x h x w of `features` B x D x h x w and unit-length prompt embeddings `text` K x D."""
    return torch.einsum("bdhw,kd->bkhw", normalize(features, dim=1), text) / TEMPERATURE


def text_divergence(student_logits: Tensor, teacher_logits: Tensor) -> Tensor:
    """KL(teacher || student) over the prompts (dim 1) of logits B x K x h x w: B x 1 x h x w, >= 0."""
    teacher = teacher_logits.log_softmax(1)
    return (teacher.exp() * (teacher - student_logits.log_softmax(1))).sum(1, keepdim=True)


def alpha_gradient(alpha: Tensor, stride: int) -> Tensor:
    """Signed derivative-of-Gaussian gradient of alpha (sigma 1.4), pooled by `stride` s: B x 2 x H/s x W/s."""
    kernels = gradient_kernels(1.4, 4).to(alpha)
    padded = nn.functional.pad(alpha, (4, 4, 4, 4), mode="replicate")
    return avg_pool2d(conv2d(padded, kernels), stride)


class Erkd(nn.Module):
    """The ERKD losses of one batch. Its projection head for the shallower stride is not saved with the student.

    `others` gives each row of the cache the row whose codes it gets (`exchanged_codes.py`); None: its own.
    """

    text: Tensor
    others: Tensor | None

    def __init__(self, student: Student, cache: FeatureCache, params: ErkdParams, others: Tensor | None) -> None:
        super().__init__()
        self.shallow_cache, self.cache = both_levels(cache)
        self.params = params
        self.space, self.shallow_space = CentredSpace(cache), CentredSpace(self.shallow_cache)
        self.register_buffer("text", torch.from_numpy(cache.text))
        self.register_buffer("others", others)
        self.shallow_stride = student.encoder.strides[-2]
        self.projector = nn.Conv2d(student.encoder.channels[-2], len(self.shallow_cache.mean), 1)

    def forward(self, matte: Matte, batch: Batch, progress: float) -> dict[str, Tensor]:
        """Return the weighted losses by name; gradients reach the student and the projection head."""
        losses = self.clip_losses(matte, batch)
        losses["edge"] = self.params.weight * self.params.edge * edge_l1(matte.edges, batch)
        return losses

    def clip_losses(self, matte: Matte, inputs: Inputs) -> dict[str, Tensor]:
        """Return the weighted losses that need no alpha: `text`, and `feature_` and the stride."""
        losses, inputs = {}, exchange(inputs, self.others)
        for stride, features in matte.features.items():
            shallow = stride == self.shallow_stride
            cache, space = (self.shallow_cache, self.shallow_space) if shallow else (self.cache, self.space)
            if shallow:
                features = self.projector(features)
            target = crop_targets(cache, inputs, features.shape[-1]).to(features)
            weight = unknown_weight(inputs, stride, self.params.unknown_gain)
            distance = space.distance(features, target)
            losses[f"feature_{stride}"] = 0.5 * self.params.feature * masked_mean(distance, weight)
            if not shallow:  # the deepest features are in the joint image-text space
                teacher_logits = text_logits(space.direction(target), self.text)
                divergence = text_divergence(text_logits(features, self.text), teacher_logits)
                losses["text"] = self.params.text * masked_mean(divergence, weight)
        return {name: self.params.weight * loss for name, loss in losses.items()}


def unknown_weight(inputs: Inputs, stride: int, gain: float) -> Tensor:
    """Loss weights of cells, `gain` where a cell touches the unknown region, else 1: B x 1 x H/s x W/s."""
    return 1 + (gain - 1) * max_pool2d(inputs.unknown, stride)


def edge_l1(edges: dict[int, Tensor], batch: Batch) -> Tensor:
    """L1 between predicted and true edge maps over cells that touch the unknown region, averaged over strides."""
    total = torch.zeros((), device=batch.alpha.device)
    for stride, predicted in edges.items():
        touched = max_pool2d(batch.unknown, stride)
        distance = (predicted - alpha_gradient(batch.alpha, stride)).abs()
        total = total + masked_mean(distance, touched) / len(edges)
    return total
