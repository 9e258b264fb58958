"""Teachers: which towers are exact, how the grid follows the input, losses, scores, storing and loading."""

import socket
import time

import numpy as np
import open_clip
import pytest
import timm
import torch
from open_clip.modified_resnet import ModifiedResNet
from open_clip.timm_model import TimmModel
from open_clip.transformer import VisionTransformer
from torch import nn

from erkd.io.files import InputError, sha256
from erkd.teachers import open_clip_models
from erkd.teachers.assess import auc, patch_scores, recalls, unknown_cells
from erkd.teachers.bootstrap import tune as bootstrap
from erkd.teachers.dense import dense_features, describe_tower
from erkd.teachers.open_clip_models import open_model
from erkd.teachers.output_stride import set_output_stride
from erkd.teachers.prompts import prompts_of
from erkd.teachers.teacher import Preprocessing, Teacher, load_teacher, save_teacher
from tests.support.rows import phrase_row
from tests.support.teachers import TEACHER_PARAMS


def random_images(side: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(2, 3, side, side, generator=torch.Generator().manual_seed(seed))


def seeded(build, *arguments, **options) -> nn.Module:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        module = build(*arguments, **options).eval().requires_grad_(False)
        for layer in module.modules():  # fresh statistics say nothing: give each channel its own
            if isinstance(layer, nn.BatchNorm2d):
                layer.running_mean.normal_(0, 0.1)
                layer.running_var.uniform_(0.5, 1.5)
                layer.weight.data.uniform_(0.5, 1.5)
    return module


def vit(**options) -> VisionTransformer:
    return seeded(VisionTransformer, 64, 16, 32, 3, 2, 4.0, output_dim=8, **options)


def resnet() -> ModifiedResNet:
    return seeded(ModifiedResNet, [1, 1, 1, 1], output_dim=8, heads=4, image_size=64, width=8)


def timm_tower(name: str = "tf_efficientnet_lite0", **options) -> TimmModel:
    return seeded(TimmModel, name, embed_dim=8, image_size=64, **options)


TOWERS = {  # with the stride of their grid; the first three are exact
    "timm linear": (lambda: timm_tower(), 32),
    "timm with its own classifier": (lambda: timm_tower("resnet18", proj=None), 32),
    "ViT averaging normed tokens": (lambda: vit(pool_type="avg"), 16),
    "ViT class token": (lambda: vit(), 16),
    "ViT norm after average": (lambda: vit(pool_type="avg", final_ln_after_pool=True), 16),
    "ModifiedResNet": (resnet, 32),
    "timm norm after average": (lambda: timm_tower("convnext_atto", pool=""), 32),
}
EXACT = list(TOWERS)[:3]


@pytest.mark.parametrize("name", TOWERS)
def test_the_global_path_is_open_clips_own_and_patches_average_to_it_where_that_is_claimed(name):
    build, stride = TOWERS[name]
    tower, images = build(), random_images(64)
    features = dense_features(tower, images)
    torch.testing.assert_close(features.embedding, tower(images), rtol=1e-4, atol=1e-5)
    agrees = torch.allclose(features.patches.mean(dim=(2, 3)), features.embedding, rtol=1e-4, atol=1e-5)
    assert agrees == (name in EXACT)
    assert describe_tower(tower).startswith("exact" if name in EXACT else "approximate")
    features = dense_features(tower, torch.randn(1, 3, 96, 160))
    assert features.patches.shape == (1, 8, 96 // stride, 160 // stride)
    assert features.embedding.shape == (1, 8)


@pytest.mark.parametrize(
    ("name", "channels"), [("timm linear", 112), ("timm with its own classifier", 256), ("ModifiedResNet", 128)]
)
def test_a_convolutional_tower_has_a_map_on_a_grid_twice_as_fine(name, channels):
    tower, images = TOWERS[name][0](), torch.randn(1, 3, 96, 160)
    features = dense_features(tower, images)
    assert features.shallow.shape == (1, channels, 6, 10)
    if isinstance(tower, TimmModel):
        expected = tower.trunk.forward_intermediates(images, intermediates_only=True)[-2]
        torch.testing.assert_close(features.shallow, expected)
    set_output_stride(tower, 16)
    dense = dense_features(tower, images)
    assert dense.patches.shape[2:] == (6, 10)
    assert dense.shallow.shape[2:] == (12, 20)


def test_a_vit_has_one_level_and_says_so(tmp_path):
    assert dense_features(vit(), random_images(64)).shallow is None
    model = bootstrap.build(TEACHER_PARAMS, seed=0)
    model.visual = vit()
    open_clip.model.set_model_preprocess_cfg(
        model, {"size": 64, "mean": [0.5] * 3, "std": [0.5] * 3, "interpolation": "bicubic"}
    )
    phrases = {"prompts": ["a net"], "vocabulary": ["a net", "a dog"]}
    teacher = Teacher(model, None, {**phrases, "output_stride": None}, {})
    assert teacher.cell is None
    assert len(teacher.levels(random_images(64), 1)) == 1
    with pytest.raises(InputError, match=r"VisionTransformer has no map .* \(4, 4\); set features.levels to 1"):
        teacher.levels(random_images(64), 2)


def test_the_last_block_of_a_vit_lets_each_token_attend_to_itself_alone():
    tower, images = vit(), random_images(64)
    block = tower.transformer.resblocks[-1]
    _, (before,) = tower.transformer.forward_intermediates(tower._embeds(images), indices=[1])
    normed = block.ln_1(before)
    value = normed @ block.attn.in_proj_weight[64:].T + block.attn.in_proj_bias[64:]
    tokens = before + block.attn.out_proj(value)
    tokens = tokens + block.mlp(block.ln_2(tokens))
    expected = tower.ln_post(tokens[:, 1:]) @ tower.proj
    found = dense_features(tower, images).patches.flatten(2).transpose(1, 2)
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)


def test_an_attention_pool_that_looks_everywhere_alike_is_the_mean_of_its_values():
    tower = resnet()
    nn.init.zeros_(tower.attnpool.q_proj.weight)
    nn.init.zeros_(tower.attnpool.q_proj.bias)
    tower.attnpool.positional_embedding.zero_()
    features = dense_features(tower, random_images(64))
    # the pool's own token is the mean of the cells, so its value is the mean of theirs
    torch.testing.assert_close(features.patches.mean(dim=(2, 3)), features.embedding, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    ("build", "named"),
    [
        (lambda: vit(attentional_pool=True), "attentional pooler"),
        (lambda: timm_tower("resnet18", pool="rot_attn", proj=None), "RotAttentionPool2d"),
        (lambda: timm_tower("resnet18", proj="mlp"), "'mlp'"),
        (lambda: timm_tower("vit_tiny_patch16_224", pool="token"), "'token'"),
        (lambda: timm_tower("resnet18", pool="max"), "'max'"),
        (lambda: nn.Linear(3, 3), "Linear"),
    ],
)
def test_other_poolings_are_refused_by_name(build, named):
    with pytest.raises(InputError, match=named):
        describe_tower(build())


def test_output_stride_is_timms_own_where_timm_has_it():
    expected = seeded(timm.create_model, "tf_efficientnet_lite0", output_stride=16)
    dense = seeded(timm.create_model, "tf_efficientnet_lite0")
    dense.load_state_dict(expected.state_dict())
    set_output_stride(dense, 16)
    images = random_images(96)
    torch.testing.assert_close(dense.forward_features(images), expected.forward_features(images))


def test_a_trunk_that_cannot_run_densely_is_refused():
    with pytest.raises(InputError, match="output_stride to 32"):
        set_output_stride(seeded(timm.create_model, "convnext_atto"), 16)


def test_the_whole_image_is_resized_and_normalised_as_the_model_says():
    image = np.zeros((40, 80, 3), np.float32)
    image[:, 40:] = 1
    preprocessing = Preprocessing(16, (0.5, 0.5, 0.5), (0.25, 0.25, 0.25), "bilinear")
    prepared = preprocessing.prepare(image)
    assert prepared.shape == (3, 16, 16)
    assert prepared[:, :, :7].max() == 0  # the left half of the image is the left half of the input
    assert prepared[:, :, 9:].min() > 0.999
    assert preprocessing.normalise(prepared[None]).min() == -2


def test_auc_by_hand():
    labels = np.array([True, True, False, False])
    assert auc(np.array([3.0, 1, 2, 0]), labels) == 0.75
    assert auc(np.array([3.0]), np.array([True])) is None


def test_recalls_give_rare_materials_their_weight():
    found, true = ["hair", "hair", "hair", "lace"], ["hair", "hair", "hair", "net"]
    assert recalls(found, true) == {"hair": 1.0, "net": 0.0}


def test_patch_scores_are_differences_of_cosines():
    patches = torch.tensor([[[[2.0]], [[0.0]]]])
    found = patch_scores(patches, torch.tensor([[5.0, 0]]), torch.tensor([[0.0, 3]]))
    assert found.item() == pytest.approx(1)


def test_unknown_cells_ignore_what_is_known():
    trimap = torch.tensor([[0.5, 0.5, 1, 1], [0.5, 1, 0, 0.5]])
    alpha = torch.tensor([[0.2, 0.4, 1, 1], [0.9, 1, 0, 1.0]])
    unknown, inside = unknown_cells(trimap, alpha, (1, 2))
    assert unknown.tolist() == [[True, False]]
    assert inside[0, 0].item() == pytest.approx(0.5)


def test_prompts_are_one_per_material_and_the_commonest_backdrops():
    rows = [phrase_row("net", "a wall"), phrase_row("hair", "a lawn"), phrase_row("hair", "a wall")]
    assert prompts_of(rows) == ["a photo of hair", "a photo of net", "a photo of a wall", "a photo of a lawn"]


def test_a_teacher_survives_saving(tmp_path):
    model = bootstrap.build(TEACHER_PARAMS, seed=0)
    images = torch.rand(2, 3, 64, 64)
    settings = {"source": "bootstrap", "output_stride": 16, "prompts": ["hair"], "vocabulary": ["hair", "a dog"]}
    expected = dense_features(model.visual, (images - 0.5) / 0.5)
    for folder in ("one", "two"):
        save_teacher(tmp_path / folder, model, bootstrap.model_config(TEACHER_PARAMS), settings)
    teacher = load_teacher(tmp_path / "one")
    found = teacher(images)
    assert found.patches.shape == (2, 16, 4, 4)
    assert teacher.cell == 16
    assert teacher.ground == (0.5, 0.5, 0.5)
    torch.testing.assert_close(found.patches, expected.patches, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(found.patches.mean(dim=(2, 3)), found.embedding, rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(teacher.text(["hair", "a net"]).norm(dim=1), torch.ones(2))
    assert not any(weight.requires_grad for weight in teacher.model.parameters())
    assert sha256(tmp_path / "one") == sha256(tmp_path / "two")
    model, _, preprocess = open_clip.create_model_and_transforms(f"local-dir:{tmp_path / 'one'}")
    assert preprocess.transforms[-1].mean == [0.5, 0.5, 0.5]


def open_clip_params(model, pretrained=None):
    return TEACHER_PARAMS.model_copy(update={"source": "open_clip", "model": model, "pretrained": pretrained})


@pytest.mark.parametrize(
    ("model", "pretrained", "message"),
    [
        ("ViT-B-99", "openai", "open_clip knows no 'ViT-B-99'"),
        ("ViT-B-16", "nobody", "neither a file nor a tag of ViT-B-16; tags: openai"),
        ("local-dir:/nowhere", None, "/nowhere holds no open_clip_config.json"),
    ],
)
def test_a_teacher_that_is_not_there_is_refused_before_any_download(model, pretrained, message):
    with pytest.raises(InputError, match=message):
        open_model(open_clip_params(model, pretrained))


@pytest.mark.parametrize(("model", "tag"), [("ViT-B-32", "openai"), ("hf-hub:nobody/nothing", None)])
def test_an_unreachable_hub_is_given_up_at_once_and_quietly(model, tag, monkeypatch, caplog, tmp_path):
    """Against a real closed port: the hub's client alone would retry for a minute, a warning each time."""
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    monkeypatch.setenv("no_proxy", "*")
    monkeypatch.setattr(open_clip_models, "getproxies", dict)
    monkeypatch.setattr(open_clip_models.constants, "ENDPOINT", "http://127.0.0.1:9")
    monkeypatch.setattr(open_clip_models.constants, "HF_HUB_CACHE", str(tmp_path))
    params = open_clip_params(model, tag)
    start = time.monotonic()
    with pytest.raises(InputError, match=r"cannot load .* \(\w.*\)\. Offline.*local-dir:FOLDER") as error:
        open_model(params)
    assert "\n" not in str(error.value)
    assert time.monotonic() - start < 30  # building the model comes first
    assert not caplog.records
    assert not open_clip_models.constants.HF_HUB_OFFLINE


def test_reachable_asks_the_port(monkeypatch):
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = f"http://127.0.0.1:{server.getsockname()[1]}"
        monkeypatch.setattr(open_clip_models, "getproxies", dict)
        assert open_clip_models.reachable(address, 1)
    assert not open_clip_models.reachable(address, 1)
    monkeypatch.setattr(open_clip_models, "getproxies", lambda: {"http": "proxy"})
    assert open_clip_models.reachable(address, 1)


def test_a_local_folder_is_a_teacher_at_another_size(tmp_path):
    vision = {"image_size": 32, "layers": 2, "width": 32, "head_width": 16, "patch_size": 16}
    text = {"context_length": 8, "vocab_size": 49408, "width": 16, "heads": 2, "layers": 1}
    config = {"embed_dim": 8, "vision_cfg": vision, "text_cfg": text}
    model = seeded(open_clip.CLIP, **config)
    settings = {"source": "open_clip", "output_stride": None, "prompts": ["a net"], "vocabulary": ["a net", "a dog"]}
    open_clip.model.set_model_preprocess_cfg(
        model, {"size": 32, "mean": [0.1] * 3, "std": [0.2] * 3, "interpolation": "bilinear"}
    )
    save_teacher(tmp_path / "given", model, config, settings)
    opened, stored = open_model(open_clip_params(f"local-dir:{tmp_path / 'given'}"))
    save_teacher(tmp_path / "made", opened, stored, {**settings, "output_stride": 16})
    teacher = load_teacher(tmp_path / "made")
    assert teacher.preprocessing == Preprocessing(64, (0.1,) * 3, (0.2,) * 3, "bilinear")
    assert teacher(torch.rand(1, 3, 64, 64)).patches.shape == (1, 8, 4, 4)


@pytest.mark.parametrize(("name", "phrases"), [("prompts", []), ("prompts", ["a net", " "]), ("vocabulary", None)])
def test_a_teacher_without_words_is_refused_in_one_line(name, phrases, tmp_path):
    settings = {"source": "bootstrap", "output_stride": 16, "prompts": ["a net"], "vocabulary": ["a net"]}
    model = bootstrap.build(TEACHER_PARAMS, seed=0)
    save_teacher(tmp_path, model, bootstrap.model_config(TEACHER_PARAMS), settings | {name: phrases})
    with pytest.raises(InputError, match=rf"teacher\.json: {name} must list phrases.*`dvc repro teacher`"):
        load_teacher(tmp_path)
