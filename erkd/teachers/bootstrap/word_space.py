"""The thousand words as directions of a small space, in closed form from the weights of an ImageNet head."""

import torch
import torch.nn.functional as F
from torch import Tensor


@torch.no_grad()
def word_space(classifier: Tensor, pooled: Tensor, size: int) -> tuple[Tensor, Tensor]:
    """Unit-length `directions` K x `size` and a `readout` `size` x C that rank words by cosine as the head does.

    `classifier` K x C holds the head's weights, `pooled` N x C features of the kind it is given. The weights, less
    their mean and scaled to unit length, are cut to rank `size` with the least error of the logits (Eckart and Young,
    1936). Features are taken to spread as the images' do and, as much again, evenly: other images may show what
    these lack. The head's biases are small beside its logits and left out.
    """
    weights = F.normalize((classifier - classifier.mean(dim=0)).double(), dim=1)
    spread = torch.cov(pooled.double().T, correction=0)
    spread = spread + spread.diagonal().mean().clamp(min=1e-9) * torch.eye(len(spread)).to(spread)
    energies, vectors = torch.linalg.eigh(weights @ spread @ weights.T)  # the logits' covariance
    vectors, roots = vectors.flip(1)[:, :size], energies.flip(0)[:size].clamp(min=1e-12) ** 0.25
    directions = F.normalize(vectors * roots, dim=1)
    return directions.float(), ((vectors / roots).T @ weights).float()
