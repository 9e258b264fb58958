"""An auxiliary alpha head for the features of self-teachers and fusions; used in training only."""

import torch
from torch import Tensor, nn

from erkd.batches.batch import Batch
from erkd.students.blocks import upsample
from erkd.students.decoder import Head
from erkd.students.student import Matte, Student, head_cues


class AuxiliaryHead(nn.Module):
    """The student's full-resolution head with weights of its own, on features of `channels` channels."""

    def __init__(self, student: Student, channels: int) -> None:
        super().__init__()
        self.head = Head(channels, head_cues(student.config), student.config.width)

    def forward(self, features: Tensor, matte: Matte, batch: Batch) -> Tensor:
        """Predict alpha B x 1 x H x W in [0, 1], known regions copied from the trimap.

        `features` are B x channels x H/2 x W/2, or H/4 x W/4 (an encoder at half the resolution): then upsampled.
        """
        if 2 * features.shape[-1] < batch.image.shape[-1]:
            features = upsample(features)
        alpha = self.head(features, batch.image, matte.cues)
        return torch.where(batch.trimap == 0.5, alpha, batch.trimap.to(alpha))
