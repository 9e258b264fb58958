"""Fine-tuning starts from the given student, in the present teacher's words."""

from dataclasses import replace

import pytest
import torch
from torch.nn.functional import normalize

from erkd.io.files import InputError
from erkd.students.fine_tuning import given_student, start_from, student_maker
from erkd.students.multimodal_fusion import build_dictionary
from erkd.students.student import save_student
from tests.support.students import DIMENSION, PROMPTS, random_text, small_student, vertical_edge

OTHER = normalize(torch.randn(PROMPTS + 3, DIMENSION, generator=torch.Generator().manual_seed(1)), dim=1)


def save(folder, **changes):
    student = small_student(**changes).eval()
    save_student(student, folder, {})
    return student


def alpha(student):
    image, trimap, _ = vertical_edge(count=1)
    with torch.inference_mode():
        return student.eval()(image, trimap).alpha


@pytest.mark.parametrize("kind", ["text", "learned"])
def test_the_same_teacher_leaves_the_student_as_it_was(tmp_path, kind):
    given = save(tmp_path, dictionary=kind)
    assert torch.equal(alpha(start_from(tmp_path, given.config, random_text())), alpha(given))


@pytest.mark.parametrize("kind", ["text", "shuffled"])
def test_another_teachers_prompts_replace_the_dictionary_alone(tmp_path, kind):
    given = save(tmp_path, dictionary=kind)
    start = start_from(tmp_path, replace(given.config, prompts=len(OTHER)), OTHER)
    assert start.config.prompts == len(OTHER)
    before, after = given.state_dict(), start.state_dict()
    assert torch.equal(after.pop("fusion.dictionary"), build_dictionary(kind, OTHER))
    before.pop("fusion.dictionary")
    assert before.keys() == after.keys()
    assert all(torch.equal(before[name], after[name]) for name in before)


def test_a_student_of_before_keeps_its_dilation_and_pads_anew(tmp_path):
    given = save(tmp_path, padding="zeros", dilation=4)
    wanted = replace(given.config, padding="replicate_past_edges", dilation=1)
    start = start_from(tmp_path, wanted, random_text())
    assert start.config == replace(wanted, dilation=4)
    before, after = given.state_dict(), start.state_dict()
    assert all(torch.equal(before[name], after[name]) for name in before)


def test_another_shape_is_refused_and_both_are_named(tmp_path):
    given = save(tmp_path, dictionary="learned")
    with pytest.raises(InputError, match="the number of the teacher's prompts is 8, the given student's 5"):
        start_from(tmp_path, replace(given.config, prompts=len(OTHER)), OTHER)
    wanted = replace(given.config, width=32, stages=5, embed_dim=64)
    with pytest.raises(InputError) as caught:
        start_from(tmp_path, wanted, torch.zeros(PROMPTS, 64))
    for part in (
        f"distill.init_from {tmp_path}: ",
        "student.size is 5 levels of width 32, the given student's 4 levels of width 16",
        "teacher.embed_dim is 64, the given student's 16",
    ):
        assert part in str(caught.value)


def test_peers_start_where_the_student_starts(tmp_path):
    given = save(tmp_path, seed=4)
    new_student = student_maker(tmp_path, given.config, random_text(), pretrained=False)
    assert torch.equal(alpha(new_student()), alpha(given))
    fresh = student_maker(None, given.config, random_text(), pretrained=False)
    stems = [fresh().encoder.trunk.model.conv_stem.weight for _ in range(2)]
    assert not torch.equal(*stems)


def test_the_folder_that_training_writes_cannot_be_its_start(tmp_path):
    assert given_student(tmp_path, None) is None
    assert given_student(tmp_path, "models/start") == tmp_path / "models/start"
    with pytest.raises(InputError, match="training writes this folder anew; give a copy"):
        given_student(tmp_path, "models/../models/student")
