"""Edge-Reserved Knowledge Distillation (ERKD) from CLIP's dense features, patch-text distributions and alpha's edges.

- `feature`: distance between the student's projected features at two strides and the cached, mean-centred CLIP
  patches (`feature_losses.py`; the cosine per cell, as in Theia and UNIC, unless `kd.erkd.loss` says otherwise);
  cells that touch the unknown region weigh more;
- `text`: KL divergence between the teacher's and the student's distributions over the cache's vocabulary, per cell
  (as in CLIP-KD); both use the teacher's text embeddings, so that controls with another dictionary are supervised
  alike;
- `edge`: ERM's edge maps against the true alpha's gradient (`edge_losses.py`).
A loss of weight 0 is not computed. Only the paper's abstract could be found, so losses and weights are this project's
reading of it. `erkd_layered.py` applies the same to foreground and background separately.
"""

import torch
from torch import Tensor, nn
from torch.nn.functional import max_pool2d, normalize

from erkd.batches.batch import Batch, Inputs
from erkd.distill.edge_losses import edge_loss
from erkd.distill.exchanged_codes import exchange
from erkd.distill.feature_losses import LOSSES, Generation
from erkd.distill.targets import both_levels, crop_targets, words
from erkd.features.cache import FeatureCache
from erkd.features.space import CentredSpace
from erkd.params import ErkdParams
from erkd.students.losses import masked_mean
from erkd.students.student import Matte, Student


def text_logits(features: Tensor, text: Tensor, temperature: float) -> Tensor:
    """Patch-text logits B x K x h x w of `features` B x D x h x w and unit-length text embeddings `text` K x D."""
    return torch.einsum("bdhw,kd->bkhw", normalize(features, dim=1), text) / temperature


def text_divergence(student_logits: Tensor, teacher_logits: Tensor) -> Tensor:
    """KL(teacher || student) over the texts (dim 1) of logits B x K x h x w: B x 1 x h x w, >= 0."""
    teacher = teacher_logits.log_softmax(1)
    return (teacher.exp() * (teacher - student_logits.log_softmax(1))).sum(1, keepdim=True)


class Erkd(nn.Module):
    """The ERKD losses of one batch. Its projection head and generators are not saved with the student.

    `others` gives each row of the cache the row whose codes it gets (`exchanged_codes.py`); None: its own.
    """

    words: Tensor
    others: Tensor | None

    def __init__(self, student: Student, cache: FeatureCache, params: ErkdParams, others: Tensor | None) -> None:
        super().__init__()
        self.shallow_cache, self.cache = both_levels(cache)
        self.params = params
        self.space, self.shallow_space = CentredSpace(cache), CentredSpace(self.shallow_cache)
        self.register_buffer("words", words(cache))
        self.register_buffer("others", others)
        self.shallow_stride = student.encoder.strides[-2]
        self.projector = nn.Conv2d(student.encoder.channels[-2], len(self.shallow_cache.mean), 1)
        self.generations = nn.ModuleDict()
        if params.loss == "masked":
            for stride, level in zip(student.encoder.strides[-2:], (self.shallow_cache, cache), strict=True):
                self.generations[str(stride)] = Generation(len(level.mean))

    def forward(self, matte: Matte, batch: Batch, progress: float) -> dict[str, Tensor]:
        """Return the weighted losses by name; gradients reach the student and the projection head."""
        losses = self.clip_losses(matte.features, batch)
        weight = self.params.weight * edge_weight(self.params, progress)
        if weight:
            losses["edge"] = weight * edge_loss(matte.edges, batch, self.params.edge_target)
        return losses

    def clip_losses(self, maps: dict[int, Tensor], inputs: Inputs) -> dict[str, Tensor]:
        """Return the weighted losses that need no alpha, `text` and `feature_STRIDE`, of `Matte.features`."""
        losses, inputs, params = {}, exchange(inputs, self.others), self.params
        for stride, features in maps.items():
            shallow = stride == self.shallow_stride
            with_text = params.text > 0 and not shallow  # the deepest features are in the joint image-text space
            if not (params.feature or with_text):
                continue
            cache, space = (self.shallow_cache, self.shallow_space) if shallow else (self.cache, self.space)
            target = crop_targets(cache, inputs, features.shape[-1]).to(features)
            weight = unknown_weight(inputs, stride, params.unknown_gain)
            if params.feature:
                projected = self.projector(features) if shallow else features
                if self.generations:
                    projected = self.generations[str(stride)](projected)
                distance = LOSSES[params.loss](*space.directions(projected, target), weight)
                losses[f"feature_{stride}"] = 0.5 * params.feature * distance
            if with_text:
                both = features, space.direction(target)
                logits = (text_logits(part, self.words, params.temperature) for part in both)
                losses["text"] = params.text * masked_mean(text_divergence(*logits), weight)
        return {name: params.weight * loss for name, loss in losses.items()}


def edge_weight(params: ErkdParams, progress: float) -> float:
    """Weight of the edge loss, which falls linearly to 0 at the share `edge_until` of all steps; None: constant."""
    return params.edge if params.edge_until is None else params.edge * max(0.0, 1 - progress / params.edge_until)


def unknown_weight(inputs: Inputs, stride: int, gain: float) -> Tensor:
    """Loss weights of cells, `gain` where a cell touches the unknown region, else 1: B x 1 x H/s x W/s."""
    return 1 + (gain - 1) * max_pool2d(inputs.unknown, stride)
