"""The student and its parts."""

import pytest
import torch

from erkd.io.files import InputError, read_json, write_json
from erkd.io.imagenet import imagenet_state_dict
from erkd.students import PRIOR_STRIDES
from erkd.students.edge_reserved import EdgeReserved, gradient_kernels
from erkd.students.encoder import load_imagenet
from erkd.students.multimodal_fusion import build_dictionary
from erkd.students.prior.propagation import alpha_from_prior, cues_from_prior, propagate, push_pull
from erkd.students.sizes import SIZES
from erkd.students.student import load_student, save_student
from tests.support.students import DIMENSION, PROMPTS, random_text, small_student, vertical_edge


def test_known_colours_fill_the_unknown():
    colours = torch.zeros(1, 3, 32, 32)
    colours[:, 0, :, :4] = 1
    known = torch.zeros(1, 1, 32, 32)
    known[..., :4] = 1
    filled, distance = push_pull(colours, known, 3)
    # the one known colour everywhere, and known cells unchanged
    torch.testing.assert_close(filled[:, 0], torch.ones(1, 32, 32), atol=0.03, rtol=0)
    assert filled[:, 1:].abs().max() == 0
    column = distance[0, 0, 16]
    assert column[0] < 0.02
    assert column[8] < column[16] < column[31]
    filled, distance = push_pull(torch.zeros(1, 3, 8, 8), torch.zeros(1, 1, 8, 8), 3)  # nothing known
    assert filled.abs().max() == 0
    torch.testing.assert_close(distance, torch.ones(1, 1, 8, 8))


@pytest.mark.parametrize("stride", PRIOR_STRIDES)
def test_closed_form_and_projection_recover_alpha_where_colours_are_flat(stride):
    light, trimap, alpha = vertical_edge()
    image = light**0.8  # composited linearly, then encoded by a power that `apply_gamma` undoes
    prior = propagate(image, trimap, stride)
    cues = torch.cat([alpha_from_prior(image, prior, stride), cues_from_prior(image, prior, stride)], dim=1)
    torch.testing.assert_close(cues[:, :1], alpha, atol=0.02, rtol=0)
    torch.testing.assert_close(cues[:, 1:2], alpha, atol=0.02, rtol=0)
    assert cues[:, 2].max() < 0.02  # residual
    torch.testing.assert_close(cues[0, 3, 0, 0], torch.tensor(0.64 + 0.04 + 0.36), atol=0.02, rtol=0)


def test_gradient_kernels_are_odd_transposed_and_of_unit_norm():
    kernels = gradient_kernels(1.4, 4)
    assert kernels.shape == (2, 1, 9, 9)
    torch.testing.assert_close(kernels.pow(2).sum((1, 2, 3)), torch.ones(2))
    torch.testing.assert_close(kernels[0], -kernels[0].flip(-1))
    torch.testing.assert_close(kernels[0, 0], kernels[1, 0].T)
    ramp = torch.arange(9.0).expand(1, 1, 9, 9)
    assert torch.nn.functional.conv2d(ramp, kernels)[0, 0] > 0  # d/dx of a rise is positive


def test_edges_are_reserved_for_the_unknown_region():
    image, trimap, alpha = vertical_edge()
    unknown = (trimap == 0.5).float()
    features, edges = EdgeReserved(3, 8, coarse=False)(image, alpha, unknown, image)
    assert features[2].shape == (2, 8, 32, 32)
    assert features[4].shape == (2, 8, 16, 16)
    assert edges[2].shape == (2, 2, 32, 32)
    assert features[2][..., :10].abs().max() == 0
    assert features[2][..., 15].abs().max() > 0


def test_dictionaries():
    text = random_text()
    assert torch.equal(build_dictionary("text", text), text)
    assert build_dictionary("none", text) is None
    shuffled = build_dictionary("shuffled", text)
    assert not torch.equal(shuffled, text)
    torch.testing.assert_close(shuffled.sort(dim=1).values, text.sort(dim=1).values)
    torch.testing.assert_close(build_dictionary("learned", text).norm(dim=1), torch.ones(PROMPTS))


@pytest.mark.parametrize("size", [(64, 64), (96, 32)])
def test_shapes_and_ranges(size):
    student = small_student().eval()
    image = torch.rand(2, 3, *size)
    trimap = torch.full((2, 1, *size), 0.5)
    trimap[:, :, :8], trimap[:, :, -8:] = 0, 1
    matte = student(image, trimap)
    assert matte.alpha.shape == trimap.shape
    assert (matte.alpha[:, :, :8] == 0).all()
    assert (matte.alpha[:, :, -8:] == 1).all()
    assert 0 <= matte.alpha.min() <= matte.alpha.max() <= 1
    assert matte.features[16].shape == (2, DIMENSION, size[0] // 16, size[1] // 16)
    torch.testing.assert_close(matte.features[16].norm(dim=1), torch.ones(2, size[0] // 16, size[1] // 16))
    assert set(matte.edges) == {2, 4}


@pytest.mark.parametrize("coarse", [False, True])
@pytest.mark.parametrize(("stages", "half"), [(3, False), (4, False), (5, False), (4, True)])
def test_the_encoder_may_be_cut_at_any_level_that_params_allow(stages, half, coarse):
    image, trimap, _ = vertical_edge()
    matte = small_student(stages=stages, half=half, coarse=coarse).eval()(image, trimap)
    assert matte.alpha.shape == matte.cues[:, :1].shape == trimap.shape
    deepest = 2 ** (stages + (half or coarse))
    assert set(matte.features) == {deepest // 2, deepest}
    assert set(matte.edges) == {2, 4}
    assert matte.decoded.shape[-1] == 32


@pytest.mark.parametrize("size", SIZES)
def test_crops_of_128_pixels_train_every_weight_of_the_context(size):
    """One that meets nothing but the crop's border would keep its random value, and meet features in photographs."""
    student = small_student(**SIZES[size]).train()
    image, trimap, _ = vertical_edge(128)
    student(torch.rand_like(image), trimap).alpha.square().sum().backward()
    assert (student.fusion.context.depthwise.weight.grad.abs().amax((0, 1)) > 0).all()


@pytest.mark.parametrize(("padding", "flat"), [("replicate_past_edges", True), ("replicate", True), ("zeros", False)])
def test_what_lies_beyond_the_border_is_what_lies_on_it(padding, flat):
    """Else crops, most of whose deep cells see the border, have other statistics than whole images."""
    student = small_student(padding=padding).eval()
    deep = student.encoder.channels[-1]
    constant, edges = torch.rand(1, deep, 1, 1), torch.rand(1, 8, 1, 1)
    maps = student.fusion(constant.expand(1, deep, 6, 6), edges.expand(1, 8, 24, 24))
    assert torch.allclose(maps[0], maps[0][..., 3:4, 3:4].expand_as(maps[0]), atol=1e-5) == flat
    assert (student.decoder.refine[0].depthwise.padding_mode == "replicate") == flat
    assert (student.edge_reserved.down[0].padding_mode == "replicate") == (padding == "replicate")
    assert student.head.coarse[0].padding_mode == "zeros"  # at stride 2 hardly any cell sees the border


def test_a_record_without_padding_is_a_student_with_zeros(tmp_path):
    save_student(small_student(padding="zeros").eval(), tmp_path, {})
    record = read_json(tmp_path / "student.json")
    del record["config"]["padding"]
    write_json(record, tmp_path / "student.json")
    assert load_student(tmp_path).decoder.refine[0].depthwise.padding_mode == "zeros"
    write_json(record | {"config": record["config"] | {"padding": "wrap"}}, tmp_path / "student.json")
    with pytest.raises(InputError, match="padding 'wrap' is none of zeros, replicate, replicate_past_edges"):
        load_student(tmp_path)


def test_a_samples_result_does_not_depend_on_its_batch():
    student = small_student().eval()
    image, trimap, _ = vertical_edge(count=2)
    image[1] = torch.rand_like(image[1])
    alone = student(image[:1], trimap[:1]).alpha
    torch.testing.assert_close(student(image, trimap).alpha[:1], alone, atol=1e-5, rtol=0)


@pytest.mark.parametrize(
    "changes", [{"edge_module": False}, {"dictionary": "none"}, {"dictionary": "learned"}, {"dictionary": "shuffled"}]
)
def test_controls_cost_the_same_parameters_and_change_the_result(changes):
    full, control = small_student().eval(), small_student(**changes).eval()
    shapes, others = ({name: p.shape for name, p in one.state_dict().items()} for one in (full, control))
    assert shapes == others
    image, trimap, _ = vertical_edge(count=1)
    assert not torch.equal(full(image, trimap).alpha, control(image, trimap).alpha)


@pytest.mark.parametrize(
    ("backbone", "told"),
    [
        ("tf_eficientnet_lite0", r"has no such model; near it: tf_efficientnet_lite0,"),
        ("local-dir:/nowhere", r"makes no pyramid of 4 levels of it \(.*nowhere"),
    ],
)
def test_a_backbone_that_timm_does_not_have_is_one_line(backbone, told):
    with pytest.raises(InputError, match=rf"^student\.backbone {backbone}: timm .*{told}") as caught:
        small_student(backbone=backbone)
    assert "\n" not in str(caught.value)


def test_a_backbone_of_other_strides_is_refused_by_name():
    with pytest.raises(InputError, match=r"student\.backbone convnext_atto: strides \[4, 8, 16, 32\]"):
        small_student(backbone="convnext_atto")


def test_imagenet_weights_reach_the_encoder():
    student = small_student()
    load_imagenet(student.encoder, "tf_efficientnet_lite0")
    stem = student.encoder.trunk.model.conv_stem.weight
    torch.testing.assert_close(stem[:, :3], imagenet_state_dict()["conv_stem.weight"])
    assert stem[:, 3:].abs().max() == 0


def test_weights_survive_a_round_trip_and_damage_is_found(tmp_path):
    student, file = small_student(**SIZES["nano"]).eval(), tmp_path / "student.safetensors"
    save_student(student, tmp_path, {"seed": 0})
    first = file.read_bytes()
    image, trimap, _ = vertical_edge(count=1)
    loaded = load_student(tmp_path)
    assert torch.equal(loaded(image, trimap).alpha, student(image, trimap).alpha)
    save_student(loaded, tmp_path, {"seed": 0})
    assert file.read_bytes() == first
    file.write_bytes(first[:-1] + bytes([first[-1] ^ 1]))
    with pytest.raises(InputError, match=r"student\.safetensors: truncated or changed"):
        load_student(tmp_path)
    file.unlink()
    with pytest.raises(InputError, match="no such file"):
        load_student(tmp_path)
