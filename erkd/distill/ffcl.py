"""Feature-fusion collaborative learning (FFCL): two students that teach each other, and a fusion that teaches both.

Of FFCL (10.1177/15501477211057037) the losses and weights could not be found: response- and feature-based knowledge
of online peers with concatenated features. This follows FFL (arXiv 1904.09058; Jangho-Kim/FFL-pytorch), with
cross-entropy replaced by the alpha losses and KL at T = 3 by the Charbonnier distance on unknown pixels:
  sum of alpha losses of student, peer and fusion
  + r [d(fusion -> student) + d(fusion -> peer) + d(mean of both -> fusion)],
targets detached, r = exp(-5 (1 - t)^2) over the first part of training. FFL's nets share a trunk up to stage 2; here
the peer is a whole student of other initial weights, so that the saved one is an ordinary student. (Of
`distill.init_from` both have the same: then the fusion alone, which weighs them unequally, parts them.) The student's
own alpha loss is the training loop's.
"""

import torch
from torch import Tensor, nn

from erkd.batches.batch import Batch
from erkd.distill.auxiliary_head import FurtherHead
from erkd.params import FfclParams
from erkd.runtime.schedule import gaussian_rise
from erkd.students.blocks import BatchNorm, conv
from erkd.students.losses import alpha_loss, charbonnier
from erkd.students.student import Matte, Student


class Fusion(nn.Module):
    """The last maps of both decoders, concatenated: depthwise 3 x 3 on 2C, then 1 x 1 to C, each with BatchNorm."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv2d(2 * channels, 2 * channels, 3, padding=1, groups=2 * channels, bias=False),
            BatchNorm(2 * channels),
            nn.ReLU(inplace=True),
            conv(2 * channels, channels, 1),
        )

    def forward(self, first: Tensor, second: Tensor) -> Tensor:
        """Two maps B x C x h x w -> one of the same shape."""
        fused: Tensor = self.layers(torch.cat([first, second], dim=1))
        return fused


class Ffcl(nn.Module):
    """The FFCL losses of one batch. Holds the peer, the fusion and its head, which are not saved.

    `peer` is a student of the same shape as `student`; `laplacian` weighs in its alpha losses as in the student's.
    """

    def __init__(self, student: Student, peer: Student, laplacian: float, params: FfclParams) -> None:
        super().__init__()
        self.params = params
        self.laplacian = laplacian
        self.peer = peer
        self.fusion = Fusion(student.decoder.channels)
        self.head = FurtherHead(student, student.decoder.channels)

    def forward(self, matte: Matte, batch: Batch, progress: float) -> dict[str, Tensor]:
        """Losses by name, scaled by their weights; the mutual ones rise until `ramp` of training has passed."""
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
    """Charbonnier distances on unknown pixels: of both alphas to the fused one, of that to their mean."""
    mean = (student + peer).detach() / 2
    return (
        charbonnier(student, fused.detach(), batch.unknown)
        + charbonnier(peer, fused.detach(), batch.unknown)
        + charbonnier(fused, mean, batch.unknown)
    )
