"""Supervision of ERM's edge maps by the true alpha, in the forms of `kd.erkd.edge_target`.

At the Grad metric's sigma of 1.4 pixels the gradient of alpha says how sharp an edge is, and drawn edges are sharper
than photographed ones. Two forms say where an edge lies and not how sharp it is:
- `alpha`: L1 to the signed gradient at sigma 1.4 pixels, averaged over the map's cells;
- `coarse`: L1 to the gradient at sigma 1.4 cells of the map (2.8 and 5.6 pixels) of alpha averaged over its cells:
  narrower edges are of nearly one height, that of a step;
- `direction`: 1 - cosine between both gradients, weighted by the true one's length; the predicted length is free.
Only cells that touch the unknown region count. Their gradients reach ERM alone, as it reads no encoder features.
"""

import torch
from torch import Tensor, nn
from torch.nn.functional import avg_pool2d, conv2d, max_pool2d, normalize

from erkd.batches.batch import Batch
from erkd.students.edge_reserved import gradient_kernels
from erkd.students.losses import masked_mean


def alpha_gradient(alpha: Tensor) -> Tensor:
    """Signed derivative-of-Gaussian gradient (sigma 1.4) of alpha B x 1 x H x W: B x 2 x H x W."""
    kernels = gradient_kernels(1.4, 4).to(alpha)
    return conv2d(nn.functional.pad(alpha, (4, 4, 4, 4), mode="replicate"), kernels)


def edge_l1(predicted: Tensor, true: Tensor, touched: Tensor) -> Tensor:
    """Mean absolute difference of edge maps B x 2 x h x w where `touched` B x 1 x h x w is 1."""
    return masked_mean((predicted - true).abs(), touched)


def edge_direction(predicted: Tensor, true: Tensor, touched: Tensor) -> Tensor:
    """1 - cosine of gradients B x 2 x h x w, in [0, 2], weighted by `touched` x the true gradient's length.

    0 for a flat alpha, which has no direction.
    """
    length = true.norm(dim=1, keepdim=True)
    length = torch.where(length > 1e-3, length, 0)  # a flat alpha's is rounding
    along = (normalize(predicted, dim=1, eps=1e-3) * true).sum(1, keepdim=True)
    return masked_mean(1 - along / length.clamp(min=1e-6), touched * length)


def edge_loss(edges: dict[int, Tensor], batch: Batch, form: str) -> Tensor:
    """The loss of edge maps B x 2 x H/s x W/s by stride s, averaged over strides; `form` as `kd.erkd.edge_target`."""
    if form == "coarse":
        true = {stride: alpha_gradient(avg_pool2d(batch.alpha, stride)) for stride in edges}
    else:
        gradient = alpha_gradient(batch.alpha)
        true = {stride: avg_pool2d(gradient, stride) for stride in edges}
    compare = edge_direction if form == "direction" else edge_l1
    losses = [compare(edges[stride], true[stride], max_pool2d(batch.unknown, stride)) for stride in edges]
    return torch.stack(losses).mean()
