"""Three sizes of student."""

import pytest
import torch

from erkd.io.files import InputError
from erkd.params import StudentParams, load_params
from erkd.students.sizes import SIZES, student_config
from erkd.students.student import Student, build_student, load_student, save_student
from tests.support import ROOT
from tests.support.students import vertical_edge

PARAMS = load_params(ROOT / "params.yaml").student


def sized(size: str, **changes):
    return student_config(PARAMS.model_copy(update={"size": size} | changes), (20, 128))


def test_the_names_in_params_are_the_sizes():
    assert set(SIZES) == set(StudentParams.model_fields["size"].annotation.__args__)


@pytest.mark.parametrize(("size", "least", "most"), [("nano", 0.25, 0.35), ("small", 0.7, 0.95), ("base", 2.5, 4)])
def test_sizes_are_what_the_notes_say_in_millions_of_parameters(size, least, most):
    parameters = sum(p.numel() for p in Student(sized(size)).parameters()) / 1e6
    assert least < parameters < most


def test_nano_starts_from_imagenet_and_survives_saving(tmp_path):
    student = build_student(sized("nano"), torch.zeros(20, 128), pretrained=True).eval()
    assert student.encoder.strides == [4, 8, 16, 32]
    assert student.encoder.channels == [16, 24, 40, 80]
    save_student(student, tmp_path, {})
    image, trimap, _ = vertical_edge()
    torch.testing.assert_close(load_student(tmp_path)(image, trimap).alpha, student(image, trimap).alpha)


def test_a_backbone_without_a_stage_to_spare_is_refused():
    with pytest.raises(InputError, match=r"student\.size nano: student\.backbone resnet18 has no stage to spare"):
        Student(sized("nano", backbone="resnet18"))
