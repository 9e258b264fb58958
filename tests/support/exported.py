"""A network of a few weights in a student's place, and its ONNX file."""

from pathlib import Path
from types import SimpleNamespace

import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate

from erkd.export.onnx import AlphaOnly, export_onnx
from erkd.students.blocks import upsample
from erkd.students.prior.propagation import propagate


class SmallStudent(nn.Module):
    """Halves, convolves, doubles; known regions as the trimap says. The prior adds a little."""

    def __init__(self, prior_stride: int = 4) -> None:
        super().__init__()
        self.encoder = SimpleNamespace(strides=[2])
        self.config = SimpleNamespace(prior_stride=prior_stride)
        self.down = nn.Sequential(nn.Conv2d(4, 8, 3, stride=2, padding=1), nn.BatchNorm2d(8), nn.ReLU6())
        self.up = nn.Conv2d(8, 1, 3, padding=1)

    def forward(self, image: Tensor, trimap: Tensor, prior: Tensor | None = None) -> SimpleNamespace:
        stride = self.config.prior_stride
        prior = propagate(image, trimap, stride) if prior is None else prior
        features = self.down(torch.cat([image, trimap], dim=1))
        features = features + interpolate(prior, scale_factor=stride // 2).mean(1, keepdim=True)
        alpha = upsample(self.up(features).sigmoid())
        return SimpleNamespace(alpha=torch.where(trimap == 0.5, alpha, trimap))


def make_student(prior_stride: int = 4) -> SmallStudent:
    torch.manual_seed(0)
    return SmallStudent(prior_stride).eval()


def export_small(path: Path, prior_stride: int = 4) -> Path:
    """Write the network as ONNX."""
    export_onnx(AlphaOnly(make_student(prior_stride)), path, opset=18)
    return path
