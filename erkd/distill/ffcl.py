"""Feature-fusion collaborative learning (FFCL): online mutual distillation of two students and their fused features.

Losses and weights of FFCL (10.1177/15501477211057037) could not be found; this follows FFL (arXiv 1904.09058;
Jangho-Kim/FFL-pytorch), with cross-entropy replaced by the alpha losses and KL at T = 3 by the Charbonnier distance
on unknown pixels:
  alpha losses of student (by the training loop), peer and fusion
  + r [d(student, sg(fusion)) + d(peer, sg(fusion)) + d(fusion, sg(mean of student and peer))],
sg being the stop-gradient and r = exp(-5 (1 - t)^2) a ramp-up. FFL's networks share a trunk; here the peer is a whole
student with other initial weights, so that the saved student is an ordinary one. (With `distill.init_from` both start
alike, and only the fusion, which weighs them unequally, lets them diverge.)
"""

import torch
from torch import Tensor, nn

from erkd.batches.batch import Batch
from erkd.distill.auxiliary_head import AuxiliaryHead
from erkd.params import FfclParams
from erkd.runtime.schedule import gaussian_rise
from erkd.students.blocks import BatchNorm, conv
from erkd.students.losses import alpha_loss, charbonnier
from erkd.students.student import Matte, Student


class Fusion(nn.Module):
    """Fuse two maps of C channels: concatenation, depthwise 3 x 3, 1 x 1 to C, each with BatchNorm and ReLU."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv2d(2 * channels, 2 * channels, 3, padding=1, groups=2 * channels, bias=False),
            BatchNorm(2 * channels),
            nn.ReLU(inplace=True),
            conv(2 * channels, channels, 1),
        )

    def forward(self, first: Tensor, second: Tensor) -> Tensor:
        """Two maps B x C x h x w -> one B x C x h x w."""
        fused: Tensor = self.layers(torch.cat([first, second], dim=1))
        return fused


class Ffcl(nn.Module):
    """The FFCL losses of one batch. Peer, fusion and its head are not saved with the student.

    Args:
        peer: A student of the same architecture, trained along.
        laplacian: Weight of the Laplacian loss in all alpha losses.
        params: Weights and the ramp-up.
    """

    def __init__(self, student: Student, peer: Student, laplacian: float, params: FfclParams) -> None:
        super().__init__()
        self.params = params
        self.laplacian = laplacian
        self.peer = peer
        self.fusion = Fusion(student.decoder.channels)
        self.head = AuxiliaryHead(student, student.decoder.channels)

    def forward(self, matte: Matte, batch: Batch, progress: float) -> dict[str, Tensor]:
        """Return the weighted losses by name; the mutual loss ramps up over the share `params.ramp` of training."""
        peer = self.peer(batch.image, batch.trimap)
        fused = self.head(self.fusion(matte.decoded, peer.decoded), matte, batch)
        rise = gaussian_rise(progress, 0, self.params.ramp)
        return {
            name: self.params.weight * loss
            for name, loss in {
                "peer": alpha_loss(peer.alpha, batch.alpha, batch.unknown, self.laplacian),
                "fused": alpha_loss(fused, batch.alpha, batch.unknown, self.laplacian),
                "mutual": rise * self.params.mutual * mutual_distance(matte.alpha, peer.alpha, fused, batch),
            }.items()
        }


def mutual_distance(student: Tensor, peer: Tensor, fused: Tensor, batch: Batch) -> Tensor:
    """Charbonnier distances on unknown pixels: both alphas to the fused one, and the fused one to their mean."""
    mean = (student + peer).detach() / 2
    return (
        charbonnier(student, fused.detach(), batch.unknown)
        + charbonnier(peer, fused.detach(), batch.unknown)
        + charbonnier(fused, mean, batch.unknown)
    )
