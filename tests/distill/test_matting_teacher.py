"""A matting teacher: its narrower trimap and its losses."""

import pytest
import torch

from erkd.distill.matting_teacher import narrowed
from erkd.io.files import InputError
from erkd.students.losses import charbonnier
from erkd.students.student import save_student
from tests.support.students import edge_batch, small_methods, small_student, vertical_edge


def test_the_narrowed_trimap_keeps_the_border_and_knows_the_rest():
    assert torch.equal(narrowed(edge_batch(), 30), edge_batch().trimap)  # known regions stay known
    _, trimap, alpha = vertical_edge()  # alpha is fractional in columns 28 to 35
    unknown = torch.full_like(trimap, 0.5)
    found = narrowed(edge_batch(trimap=unknown), 2)[0, 0, 0]
    assert (found[:26] == 1).all()
    assert (found[26:38] == 0.5).all()
    assert (found[38:] == 0).all()
    hard = narrowed(edge_batch(trimap=unknown, alpha=(alpha > 0.5).float()), 1)[0, 0, 0]
    assert [i for i in range(64) if hard[i] == 0.5] == [31, 32]
    veil = edge_batch(trimap=unknown, alpha=torch.full_like(alpha, 0.4))
    assert torch.equal(narrowed(veil, 1), unknown)


def test_losses_by_hand_of_a_teacher_that_is_not_trained(tmp_path):
    save_student(small_student(seed=5, width=24), tmp_path, {})
    student, batch = small_student().train(), edge_batch()
    settings = {"teacher": str(tmp_path), "narrow": None, "similarity": 2.0, "alpha": 0.3}
    method = small_methods(student, "matting", matting=settings)["matting"]
    assert not any(module.training for module in method.teacher.modules())
    matte, teacher = student(batch.image, batch.trimap), method.teacher(batch.image, batch.trimap)
    losses = method(matte, batch, 0.0)
    torch.testing.assert_close(losses["alpha"], 0.3 * charbonnier(matte.alpha, teacher.alpha, batch.unknown))
    matte.levels[8] = torch.zeros(2, 3, 8, 8)
    matte.levels[8][:, 0] = 1  # all cells alike: every cosine 1
    teacher_cosines = torch.nn.functional.normalize(teacher.levels[8].flatten(2), dim=1)
    teacher_cosines = teacher_cosines.transpose(1, 2) @ teacher_cosines
    found = method(matte, batch, 0.0)["similarity"]
    torch.testing.assert_close(found, 2 * (1 - teacher_cosines).pow(2).mean())
    losses = method(teacher, batch, 0.0)
    assert losses["similarity"] == 0
    assert losses["alpha"].item() == pytest.approx(0, abs=1e-5)


def test_a_teacher_must_be_given():
    with pytest.raises(InputError, match=r"kd\.matting\.teacher is null; give the folder"):
        small_methods(small_student(), "matting")
