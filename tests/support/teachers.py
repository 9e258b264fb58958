"""A teacher without weights, and the settings of a small one."""

import torch
import torch.nn.functional as F

from erkd.params import TeacherParams

SIDE, GRID, WIDTH = 32, 8, 3
TEACHER_PARAMS = TeacherParams(
    source="bootstrap", model="ViT-B-16", pretrained=None, backbone="tf_efficientnet_lite0", image_size=64,
    output_stride=16, embed_dim=16, steps=2, batch_size=2, learning_rate=1e-3, region_weight=1.0,
    cell_weight=4.0, word_weight=4.0,
)  # fmt: skip


class ColourTeacher:
    """A teacher whose features are the mean colours of the cells, plus one, so that no cell is zero."""

    cell = SIDE // GRID

    def __init__(self, name="colours"):
        self.identity = {"model": name, "weights": "0"}
        self.prompts = ["a photo of red", "a photo of green"]
        self.vocabulary = [*self.prompts, "a photo of blue"]
        self.ground = (0.25, 0.5, 0.75)

    def prepare(self, image):
        pixels = torch.from_numpy(image).permute(2, 0, 1)[None]
        return F.interpolate(pixels, (SIDE, SIDE), mode="area")[0]

    def levels(self, images, count):
        return [F.avg_pool2d(images, side) + 1 for side in (self.cell, self.cell // 2)[:count]]

    def patches(self, images):
        return F.avg_pool2d(images, self.cell) + 1

    def text(self, phrases):
        return torch.eye(WIDTH)[: len(phrases)]
