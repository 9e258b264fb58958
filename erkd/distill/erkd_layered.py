"""ERKD on layers: CLIP's features of foreground and background separately, a proposal of this project.

Unlike a composite's features, its layers' also describe what lies behind hair or glass. Two projection heads (1 x 1)
at each of the two deepest strides regress teacher(F) and teacher(B), with cells weighted by mean alpha and 1 - alpha:
- `feature`: 0.9 (1 - cosine) + 0.1 smooth L1 (as in Theia), on mean-centred targets of about unit variance;
- `text`: KL divergence over the teacher's vocabulary, between teacher and head for each layer at the deepest stride,
  and between the mixture of both layers and the student's embedding;
- `edge`: as in `erkd.py`.
"""

import math

import torch
from torch import Tensor, nn
from torch.nn.functional import avg_pool2d, cosine_similarity, smooth_l1_loss

from erkd.batches.batch import Batch
from erkd.distill.edge_losses import edge_loss
from erkd.distill.erkd import edge_weight, text_divergence, text_logits, unknown_weight
from erkd.distill.exchanged_codes import exchange
from erkd.distill.targets import both_levels, layer_targets, words
from erkd.features.cache import FeatureCache
from erkd.features.space import CentredSpace
from erkd.io.files import InputError
from erkd.params import ErkdParams
from erkd.students.losses import masked_mean
from erkd.students.student import Matte, Student

SHARE = 0.9  # weight of the cosine distance against smooth L1


def regression_distance(predicted: Tensor, target: Tensor) -> Tensor:
    """0.9 (1 - cosine) + 0.1 smooth L1, averaged over channels; both B x D x h x w, result B x 1 x h x w."""
    cosine = 1 - cosine_similarity(predicted, target, dim=1)[:, None]
    return SHARE * cosine + (1 - SHARE) * smooth_l1_loss(predicted, target, reduction="none").mean(1, True)


class LayeredErkd(nn.Module):
    """The layered ERKD losses of one live batch. Its projection heads are not saved with the student."""

    words: Tensor
    others: Tensor | None

    def __init__(self, student: Student, cache: FeatureCache, params: ErkdParams, others: Tensor | None) -> None:
        super().__init__()
        if params.loss != "cosine":
            raise InputError(f"kd.erkd.loss {params.loss}: not for kd.erkd.target layered; set it to cosine")
        self.caches = both_levels(cache)
        self.shallow_space, self.space = (CentredSpace(level) for level in self.caches)
        self.params = params
        self.register_buffer("words", words(cache))
        self.register_buffer("others", others)
        self.strides = student.encoder.strides[-2:]
        self.heads = nn.ModuleList(
            nn.Conv2d(channels, 2 * space.channels, 1)
            for channels, space in zip(student.encoder.channels[-2:], (self.shallow_space, self.space), strict=True)
        )

    def forward(self, matte: Matte, batch: Batch, progress: float) -> dict[str, Tensor]:
        """Return the weighted losses by name. Raises InputError for stored composites, whose layers are unknown."""
        by = self.words, self.params.temperature
        losses, batch = {}, exchange(batch, self.others)
        spaces = self.shallow_space, self.space
        for stride, head, cache, space in zip(self.strides, self.heads, self.caches, spaces, strict=True):
            predicted = head(matte.levels[stride]).float().chunk(2, dim=1)
            targets = layer_targets(cache, batch, predicted[0].shape[-1])
            alpha = avg_pool2d(batch.alpha, stride)
            unknown = unknown_weight(batch, stride, self.params.unknown_gain)
            layers = list(zip(predicted, targets, (alpha * unknown, (1 - alpha) * unknown), strict=True))
            distances = [
                masked_mean(regression_distance(ours, unit_variance(space.centre_target(theirs))), weight)
                for ours, theirs, weight in layers
            ]
            losses[f"feature_{stride}"] = 0.25 * self.params.feature * torch.stack(distances).sum()
            if stride == self.strides[-1]:
                teacher_logits = [text_logits(space.direction(target), *by) for target in targets]
                divergences = [
                    masked_mean(text_divergence(self.logits(ours), theirs), weight)
                    for (ours, _, weight), theirs in zip(layers, teacher_logits, strict=True)
                ]
                mixture = mixture_logits(alpha, *teacher_logits)
                embedding = text_logits(matte.features[stride].float(), *by)
                divergences.append(masked_mean(text_divergence(embedding, mixture), unknown))
                losses["text"] = self.params.text * torch.stack(divergences).mean()
        if edge := edge_weight(self.params, progress):
            losses["edge"] = edge * edge_loss(matte.edges, batch, self.params.edge_target)
        return {name: self.params.weight * loss for name, loss in losses.items()}

    def logits(self, predicted: Tensor) -> Tensor:
        """Patch-text logits of the deepest heads' output, B x C x h x w, which has unit variance and is centred."""
        restored = self.space.restore(predicted / math.sqrt(predicted.shape[1]))
        return text_logits(restored, self.words, self.params.temperature)


def unit_variance(features: Tensor) -> Tensor:
    """Scale vectors of about unit length, B x C x h x w, to channels of about unit variance."""
    return features * math.sqrt(features.shape[1])


def mixture_logits(alpha: Tensor, foreground: Tensor, background: Tensor) -> Tensor:
    """Logits B x K x h x w of the mixture of both layers' distributions, with weights `alpha` B x 1 x h x w."""
    mixture = alpha * foreground.softmax(1) + (1 - alpha) * background.softmax(1)
    return mixture.clamp(min=1e-12).log()
