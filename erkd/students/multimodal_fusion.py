"""Multimodal Feature Fusion Module (MFFM): cross-attention from deep features to text embeddings.

Each deep cell is projected into CLIP's joint space and attends to the text embeddings of a small prompt set; the
attended values are fused with the deep features, dilated context and ERM's edges. The projection is what the
feature loss compares with CLIP's patches, and the patch-text loss with the teacher's vocabulary. The text
embeddings are saved with the student, so inference needs no CLIP. Only the abstract of the paper could be found, so
the layers are this project's reading of it.
"""

import torch
from torch import Tensor, nn
from torch.nn.functional import avg_pool2d, max_pool2d, normalize

from erkd.students.blocks import Separable, conv

TEMPERATURE = 0.1  # of the attention's softmax; `kd.erkd.temperature` is the text loss's


def build_dictionary(kind: str, text: Tensor) -> Tensor | None:
    """Initial dictionary, K x D with rows of unit length, for a `student.dictionary` setting; None for "none".

    "text" copies the teacher's embeddings `text`; "shuffled" permutes the entries of each row, a control of equal
    statistics without meaning; "learned" is random and trained. All cost the same at inference.
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
    """Fuse deep features with attended text embeddings, dilated context and ERM's edge features.

    Args:
        channels: Channels C of the deep features.
        edge_channels: Channels E of the edge features.
        out_channels: Channels of the result.
        text_shape: Prompts K and embedding dimension D.
        kind: `student.dictionary`; "none" computes the attention and discards it.
        edge_pool: Ratio of the deep features' stride to the edge features'.
        dilation: Dilation of the context convolution.
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
        self.edge_pool = edge_pool
        self.project = nn.Conv2d(channels, dimension, 1)
        self.value = nn.Linear(dimension, out_channels)
        self.local = conv(channels + 2 * edge_channels, out_channels, 1)
        self.context = Separable(out_channels, dilation)
        self.fuse = conv(3 * out_channels, out_channels, 1)
        self.refine = Separable(out_channels)
        self.dictionary = nn.Parameter(torch.zeros(prompts, dimension), requires_grad=kind == "learned")

    def forward(self, deep: Tensor, edges: Tensor) -> tuple[Tensor, Tensor]:
        """Fuse `deep` B x C x h x w with `edges` B x E x (edge_pool h) x (edge_pool w).

        Returns:
            The fused features B x out_channels x h x w and the unit-length joint-space embedding B x D x h x w.
        """
        embedding = self.embed(deep)
        dictionary = normalize(self.dictionary, dim=1)
        logits = torch.einsum("bdhw,kd->bkhw", embedding, dictionary) / TEMPERATURE
        read = torch.einsum("bkhw,kc->bchw", logits.softmax(1), self.value(dictionary))
        if self.kind == "none":
            read = read * 0  # a control of equal cost
        mean, largest = avg_pool2d(edges, self.edge_pool), max_pool2d(edges, self.edge_pool)
        local = self.local(torch.cat([deep, mean, largest], dim=1))
        context = self.context(local)  # no global pooling: tiles must give what the whole image would
        return self.refine(self.fuse(torch.cat([local, read, context], dim=1))), embedding

    def embed(self, deep: Tensor) -> Tensor:
        """Unit-length embeddings of deep features in the joint space, B x C x h x w -> B x D x h x w."""
        return normalize(self.project(deep), dim=1)
