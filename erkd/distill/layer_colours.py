"""The control `fb` for layered ERKD: the layers' privileged information without a teacher.

Two 1 x 1 heads regress the foreground and background colours of live composites, averaged per cell of stride 8. What
layered ERKD gains over this control comes from CLIP, not from access to the layers.
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
    """Mean of `colours` B x 3 x H x W per cell of stride 8, weighted by `share` B x 1 x H x W; 0 where that is 0."""
    return avg_pool2d(colours * share, STRIDE) / avg_pool2d(share, STRIDE).clamp(min=1e-6)


class Fb(nn.Module):
    """L1 of the coarse colours. Its two heads are not saved with the student."""

    def __init__(self, student: Student, params: FbParams) -> None:
        super().__init__()
        self.params = params
        self.heads = nn.Conv2d(student.encoder.channels[student.encoder.strides.index(STRIDE)], 6, 1)
        nn.init.normal_(self.heads.weight, std=0.01)  # start at mid-grey: smaller gradients into the encoder
        nn.init.constant_(self.heads.get_parameter("bias"), 0.5)

    def forward(self, matte: Matte, batch: Batch, progress: float) -> dict[str, Tensor]:
        """Return the weighted losses `foreground` and `background`.

        Cells weigh by mean alpha or 1 - alpha, and more where they touch the unknown region. Raises InputError for
        stored composites.
        """
        if batch.foreground is None or batch.background is None:
            raise InputError(
                "kd.methods fb: stored composites do not know their layers' colours; set distill.compositing to live"
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
