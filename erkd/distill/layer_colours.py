"""The control `fb`: ERKD's privilege without a teacher.

Live composites know the colours of foreground and background under every pixel. ERKD on layers tells the student of
them through CLIP; this control regresses the colours themselves, averaged per cell of stride 8, from two 1 x 1
heads. A gain of ERKD over `fb` is owed to CLIP, and not to having seen the layers.
"""

from torch import Tensor, nn
from torch.nn.functional import avg_pool2d

from erkd.batches.batch import Batch
from erkd.distill.erkd import unknown_weight
from erkd.io.files import InputError
from erkd.params import FbParams
from erkd.students.losses import masked_mean
from erkd.students.student import Matte, Student

STRIDE = 8


def coarse_colours(colours: Tensor, share: Tensor) -> Tensor:
    """Mean of `colours` B x 3 x H x W per cell of stride 8, under `share` B x 1 x H x W; 0 where the share is 0."""
    return avg_pool2d(colours * share, STRIDE) / avg_pool2d(share, STRIDE).clamp(min=1e-6)


class Fb(nn.Module):
    """L1 of the coarse colours. Holds the two heads, which are not saved."""

    def __init__(self, student: Student, params: FbParams) -> None:
        super().__init__()
        self.params = params
        self.heads = nn.Conv2d(student.encoder.channels[student.encoder.strides.index(STRIDE)], 6, 1)
        nn.init.normal_(self.heads.weight, std=0.01)  # from mid-grey: wild colours would pull at the encoder
        nn.init.constant_(self.heads.get_parameter("bias"), 0.5)

    def forward(self, matte: Matte, batch: Batch, progress: float) -> dict[str, Tensor]:
        """The losses `foreground` and `background`, scaled by the weight; gradients reach student and heads.

        A cell weighs the mean of alpha, or of 1 - alpha, and more where it touches the unknown region. Raises
        InputError for stored composites.
        """
        if batch.foreground is None or batch.background is None:
            raise InputError(
                "kd.methods fb: stored composites do not know their layers' colours; "
                "set distill.compositing to live"
            )
        predicted = self.heads(matte.levels[STRIDE]).float().chunk(2, dim=1)
        unknown = unknown_weight(batch, STRIDE, self.params.unknown_gain)
        losses = {}
        for name, ours, colours, share in (
            ("foreground", predicted[0], batch.foreground, batch.alpha),
            ("background", predicted[1], batch.background, 1 - batch.alpha),
        ):
            distance = (ours - coarse_colours(colours, share)).abs()
            weight = avg_pool2d(share, STRIDE) * unknown
            losses[name] = 0.5 * self.params.weight * masked_mean(distance, weight)
        return losses
