"""One more alpha beside the student's: what self-teachers and peers are judged by. Never saved."""

import torch
from torch import Tensor, nn

from erkd.batches.batch import Batch
from erkd.students.blocks import double
from erkd.students.decoder import Head
from erkd.students.student import Matte, Student, head_cues


class FurtherHead(nn.Module):
    """The student's full-resolution head once more, on other features B x `channels` x H/2 x W/2.

    Features of stride 4, the finest that an encoder at half the resolution has, are doubled first.
    """

    def __init__(self, student: Student, channels: int) -> None:
        super().__init__()
        self.head = Head(channels, head_cues(student.config), student.config.width)

    def forward(self, features: Tensor, matte: Matte, batch: Batch) -> Tensor:
        """Alpha B x 1 x H x W in [0, 1], known regions as the trimap says."""
        if 2 * features.shape[-1] < batch.image.shape[-1]:
            features = double(features)
        alpha = self.head(features, batch.image, matte.cues)
        return torch.where(batch.trimap == 0.5, alpha, batch.trimap.to(alpha))
