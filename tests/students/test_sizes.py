"""Three sizes of student."""

import pytest
import torch

from erkd.io.files import InputError
from erkd.params import load_params
from erkd.students.sizes import SIZES, student_config
from erkd.students.student import build_student
from tests.support import ROOT

PARAMS = load_params(ROOT / "params.yaml").student


def build(size: str, pretrained: bool = False, **changes):
    config = student_config(PARAMS.model_copy(update={"size": size} | changes), (20, 128))
    return build_student(config, torch.zeros(20, 128), pretrained)


def test_sizes_are_what_the_notes_say_in_millions_of_parameters():
    bounds = {"nano": (0.25, 0.35), "small": (0.7, 0.95), "base": (2.5, 4)}
    assert bounds.keys() == SIZES.keys() == set(type(PARAMS).model_fields["size"].annotation.__args__)
    for size, (least, most) in bounds.items():
        assert least < sum(p.numel() for p in build(size).parameters()) / 1e6 < most


def test_nano_starts_from_imagenet():
    encoder = build("nano", pretrained=True).encoder
    assert encoder.strides == [4, 8, 16, 32]
    assert encoder.channels == [16, 24, 40, 80]


def test_a_backbone_without_a_stage_to_spare_is_refused():
    with pytest.raises(InputError, match=r"student\.size nano: student\.backbone resnet18 has no stage to spare"):
        build("nano", backbone="resnet18")
