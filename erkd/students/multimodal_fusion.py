"""Multimodal Feature Fusion Module (MFFM): deep features read from a dictionary of text embeddings.

Each deep cell is projected into CLIP's joint space and attends to the text embeddings of a small prompt set;
what it reads is fused with the deep features, with coarser context and with ERM's edges. The projection is
what the feature loss compares with CLIP's patches, and the attention logits are the very logits that the
patch-text loss trains. The embeddings are constants saved with the student: no CLIP at inference. The paper's
layers are unknown; this is a reading of its abstract.
"""

import torch
from torch import Tensor, nn
from torch.nn.functional import avg_pool2d, max_pool2d, normalize

from erkd.students.blocks import Separable, conv

TEMPERATURE = 0.1  # of the attention, and of the teacher's distribution that the logits are trained towards


def build_dictionary(kind: str, text: Tensor) -> Tensor | None:
    """The K x D dictionary of a `student.dictionary` setting, rows of unit length; None for "none".

    "text" is the teacher's own; "shuffled" permutes each row's entries (same numbers, no meaning); "learned"
    starts from noise. All cost the same.
    """
    generator = torch.Generator().manual_seed(0)
    if kind == "none":
        return None
    if kind == "shuffled":
        return torch.stack([row[torch.randperm(len(row), generator=generator)] for row in text])
    if kind == "learned":
        return normalize(torch.randn(text.shape, generator=generator), dim=1)
    return text.clone()


class MultimodalFusion(nn.Module):
    """Fuse deep features with text, context and edges; B x C x h x w -> B x out x h x w.

    Also returns the joint-space embedding B x D x h x w (unit length) and attention logits B x K x h x w.
    """

    def __init__(
        self,
        channels: int,
        edge_channels: int,
        out_channels: int,
        text_shape: tuple[int, int],
        kind: str,
        edge_pool: int,
        dilation: int,
    ) -> None:
        super().__init__()
        prompts, dimension = text_shape
        self.kind = kind
        self.edge_pool = edge_pool  # from the edges' stride to that of the deep features
        self.project = nn.Conv2d(channels, dimension, 1)
        self.value = nn.Linear(dimension, out_channels)
        self.local = conv(channels + 2 * edge_channels, out_channels, 1)
        self.context = Separable(out_channels, dilation)
        self.fuse = conv(3 * out_channels, out_channels, 1)
        self.refine = Separable(out_channels)
        self.dictionary = nn.Parameter(torch.zeros(prompts, dimension), requires_grad=kind == "learned")

    def forward(self, deep: Tensor, edges: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """`deep` B x C x h x w, `edges` B x E x (pool h) x (pool w) -> fused, embedding, logits."""
        embedding = normalize(self.project(deep), dim=1)
        dictionary = normalize(self.dictionary, dim=1)
        logits = torch.einsum("bdhw,kd->bkhw", embedding, dictionary) / TEMPERATURE
        read = torch.einsum("bkhw,kc->bchw", logits.softmax(1), self.value(dictionary))
        if self.kind == "none":
            read = read * 0  # the control pays the same and reads nothing
        mean, largest = avg_pool2d(edges, self.edge_pool), max_pool2d(edges, self.edge_pool)
        local = self.local(torch.cat([deep, mean, largest], dim=1))
        context = self.context(local)  # no mean over the image: a tile must see what the whole would
        return self.refine(self.fuse(torch.cat([local, read, context], dim=1))), embedding, logits
