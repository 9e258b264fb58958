"""The offline teacher: its losses, both readouts, the text tower, and tuning."""

import json
from dataclasses import replace

import numpy as np
import pytest
import timm
import torch
import torch.nn.functional as F
from skimage import data

from erkd.io.files import InputError, sha256
from erkd.io.imagenet import imagenet_state_dict
from erkd.io.images import load_image, save_image, save_trimap
from erkd.io.tables import TrimapRow, write_table
from erkd.teachers.bootstrap import text_tower
from erkd.teachers.bootstrap import tune as bootstrap
from erkd.teachers.bootstrap.contrastive import cell_contrast, contrast, pool
from erkd.teachers.bootstrap.phrases import COMMON, draw_phrases, invent
from erkd.teachers.bootstrap.readout import split_trunk, standardise, write_materials, write_words
from erkd.teachers.bootstrap.room import make_room
from erkd.teachers.bootstrap.text_tower import TOKENIZER, encode, put_words, start_tokens, word_loss
from erkd.teachers.bootstrap.views import VIEWS, frozen_views, word_codes
from erkd.teachers.bootstrap.word_space import word_space
from erkd.teachers.dense import dense_features, describe_tower
from erkd.teachers.make import make_teacher, report_teacher
from erkd.teachers.teacher import load_teacher, preprocessing_of
from tests.support.rows import phrase_row
from tests.support.teachers import TEACHER_PARAMS


@pytest.mark.parametrize(
    ("phrases", "labels", "scale", "expected"),
    [
        (2, [0, 1], 1.0, np.log(1 + np.exp(-1))),  # each right logit is 1, each wrong one 0
        # two vectors share a phrase, so its probability over vectors cannot exceed a half: all that is lost
        (2, [0, 0, 1], 100.0, np.log(2) / 2 / 2),
        # a phrase without a vector is a negative of every vector, and asks nothing of them
        (3, [0, 1], 1.0, (np.log(1 + 2 * np.exp(-1)) + np.log(1 + np.exp(-1))) / 2),
    ],
)
def test_contrast_by_hand(phrases, labels, scale, expected):
    """Phrases on the axes, each vector on its phrase's."""
    texts = torch.eye(3)[:phrases]
    loss = contrast(texts[labels], texts, torch.tensor(labels), torch.tensor(scale))
    assert loss.item() == pytest.approx(expected, abs=1e-6)


def test_pool_by_hand():
    patches = torch.tensor([[[[1.0, 3.0]]]])
    assert pool(patches, torch.tensor([[[0.25, 0.75]]])).item() == pytest.approx(2.5)
    assert pool(patches, torch.zeros(1, 1, 2)).item() == 0


def test_cell_contrast_is_low_where_cells_say_what_alpha_says():
    patches = torch.tensor([[[[1.0, 0.0]], [[0.0, 1.0]]]])  # left cell: phrase one, right cell: phrase two
    ours, theirs = torch.tensor([[1.0, 0]]), torch.tensor([[0.0, 1]])
    scale = 10.0
    right = cell_contrast(patches, ours, theirs, torch.tensor([[[1.0, 0.0]]]), scale)
    wrong = cell_contrast(patches, ours, theirs, torch.tensor([[[0.0, 1.0]]]), scale)
    assert right.item() == pytest.approx(np.log1p(np.exp(-10)), abs=1e-6)
    assert wrong.item() == pytest.approx(10, abs=1e-3)


@pytest.fixture
def narrow_text(monkeypatch):
    """A text tower that is made, saved and taught in no time."""
    monkeypatch.setitem(text_tower.CONFIG, "width", 32)
    monkeypatch.setitem(text_tower.CONFIG, "mlp_ratio", 2.0)
    monkeypatch.setattr(text_tower, "WORDS", 16)
    monkeypatch.setattr(text_tower, "TEMPLATES", text_tower.TEMPLATES[:1])


@pytest.fixture
def composites(tmp_path, rng):
    """A table of four training composites: two materials, two backdrops."""
    table, rows = tmp_path / "composites/manifest.csv", []
    for i in range(4):
        save_image(rng.random((48, 64, 3), dtype=np.float32), table.parent / f"{i}.png")
        save_image(np.tile(np.linspace(0, 1, 64, dtype=np.float32), (48, 1)), table.parent / f"{i}a.png")
        material, backdrop = ("net", "hair")[i % 2], ("a wall", "a lawn")[i // 2]
        names = {"sample_id": f"s{i}", "image": f"{i}.png", "alpha": f"{i}a.png"}
        rows.append(phrase_row(material, backdrop, **names, caption=f"a {material} in front of {backdrop}"))
    write_table(rows, table)
    return table, rows


def test_both_readouts_written_into_the_tower_are_what_the_tower_gives(composites):
    """Words of what the pruned head says, materials of standardised features, carried exactly through the ReLU6s."""
    model = bootstrap.build(TEACHER_PARAMS, seed=0).requires_grad_(False)
    tower = model.visual
    images = torch.stack([preprocessing_of(model).prepare(load_image(p)) for p in composites[0].parent.glob("?.png")])
    front, end = split_trunk(tower.trunk)
    maps = front((images - 0.5) / 0.5)
    mean, deviation, before = maps.mean((0, 2, 3)), maps.std((0, 2, 3)), end(maps)
    room = make_room(tower.trunk, imagenet_state_dict()["classifier.weight"], maps, 4)
    generator = torch.Generator().manual_seed(0)
    words, weight = torch.randn(12, 1280, generator=generator), torch.randn(4, len(mean), generator=generator)
    pruned = end(maps)
    words = write_words(tower, room, words, before.mean((2, 3)))
    constant = words[:, room.head[-1]]
    kept = words.clone()
    kept[:, room.head] = 0
    assert kept.count_nonzero() == 12 * (1280 - len(room.head))
    materials = torch.einsum("dc,bchw->bdhw", weight, standardise(maps, mean, deviation))
    write_materials(tower, room, weight, mean, deviation, materials.std((0, 2, 3)))
    expected = torch.cat([torch.einsum("dc,bchw->bdhw", kept, pruned) + constant[:, None, None], materials], dim=1)
    found = dense_features(tower, (images - 0.5) / 0.5)
    torch.testing.assert_close(found.patches, expected, rtol=1e-3, atol=1e-3)
    torch.testing.assert_close(found.embedding, expected.mean((2, 3)), rtol=1e-3, atol=1e-3)
    assert describe_tower(tower).startswith("exact")


@pytest.mark.parametrize("name", ["tf_efficientnet_lite0", "tf_efficientnet_lite2"])
def test_what_the_head_sees_hardly_changes_when_room_is_made(name):
    trunk = timm.create_model(name).eval().requires_grad_(False)
    trunk.load_state_dict(imagenet_state_dict(name))
    images = torch.from_numpy(np.stack([data.astronaut(), data.cat()[:256, :256].repeat(2, 0).repeat(2, 1)]))
    images = F.avg_pool2d(images.permute(0, 3, 1, 2) / 127.5 - 1, 2)
    front, end = split_trunk(trunk)
    maps = front(images)
    before = trunk.classifier(end(maps).mean((2, 3))).softmax(dim=1)
    room = make_room(trunk, trunk.classifier.weight, maps, 48)
    after = trunk.classifier(end(maps).mean((2, 3))).softmax(dim=1)
    assert (before - after).abs().sum(dim=1).max() < 0.1
    assert len(room.middle) == len(room.end) == len(room.head) - 1 == 48
    block = trunk.blocks[-1][-1]
    assert not block.conv_pwl.weight[room.end].any()
    assert not block.conv_pwl.weight[:, room.middle].any()
    assert not trunk.conv_head.weight[:, room.end].any()


def test_words_are_ranked_as_the_head_ranks_them():
    """The better, the more dimensions there are; what is left is that directions are made of unit length."""
    generator = torch.Generator().manual_seed(0)
    classifier, pooled = (torch.randn(count, 20, generator=generator) for count in (30, 200))
    classifier = F.normalize(classifier - classifier.mean(0), dim=1)
    logits = pooled @ (classifier - classifier.mean(0)).T
    agreement = []
    for size in (4, 12, 20):
        directions, readout = word_space(classifier, pooled, size)
        torch.testing.assert_close(directions.norm(dim=1), torch.ones(30))
        found = F.cosine_similarity((pooled @ readout.T)[:, None], directions[None], dim=2)
        agreement.append((found.argmax(1) == logits.argmax(1)).float().mean().item())
    assert agreement[0] < agreement[1] < agreement[2]
    assert agreement[2] > 0.85


def test_views_are_what_the_network_gives(composites):
    model = bootstrap.build(TEACHER_PARAMS, seed=0).requires_grad_(False)
    views = frozen_views(model, *composites, 0, "cpu")
    assert len(views.maps) == len(views.alphas) == len(views.features) == VIEWS * 4
    image = preprocessing_of(model).prepare(load_image(composites[0].parent / "2.png"))
    front, end = split_trunk(model.visual.trunk)
    expected = front(((image[None] * 255).round() / 255 - 0.5) / 0.5)
    torch.testing.assert_close(views.maps[2:3].float(), expected, rtol=0.01, atol=0.01)  # float16
    torch.testing.assert_close(views.features[2:3], end(expected).mean((2, 3)), rtol=1e-3, atol=1e-3)
    words = torch.randn(3, 1280, generator=torch.Generator().manual_seed(0))
    codes = word_codes(model.visual.trunk, views.maps[2:3], words)
    torch.testing.assert_close(codes.float().mean((2, 3)), views.features[2:3] @ words.T, rtol=0.02, atol=0.05)
    np.testing.assert_allclose(views.alphas[2].mean(0), [0.125, 0.375, 0.625, 0.875], atol=0.01)
    mean, deviation = views.statistics()
    cells = views.maps[:4].float()
    torch.testing.assert_close(mean, cells.mean((0, 2, 3)), rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(deviation, cells.std((0, 2, 3), correction=0).clamp(min=1e-3), rtol=1e-3, atol=1e-3)


def test_phrases_are_encoded_as_in_their_whole_context():
    model = bootstrap.build(TEACHER_PARAMS, seed=0)
    phrases = ["hair", "a photo of a West Highland white terrier"]
    expected = model.encode_text(TOKENIZER(phrases))
    torch.testing.assert_close(encode(model, phrases), expected, rtol=1e-5, atol=1e-6)
    assert model.text.attn_mask.shape == (24, 24)


def test_the_text_tower_learns_where_words_are(monkeypatch):
    model = bootstrap.build(TEACHER_PARAMS, seed=0)
    directions = F.normalize(torch.randn(1000, 12, generator=torch.Generator().manual_seed(0)), dim=1)
    start_tokens(model, directions)
    goldfish = TOKENIZER(["goldfish"])[0, 1]  # a token that no other word has
    given = model.text.token_embedding.weight[goldfish, :12]
    torch.testing.assert_close(F.normalize(given, dim=0), directions[1], rtol=1e-4, atol=1e-4)
    images = torch.randn(8, 16, generator=torch.Generator().manual_seed(1))
    monkeypatch.setattr(text_tower, "WORDS", 16)
    optimizer, losses = torch.optim.AdamW([model.text.text_projection], 0.01), []
    for step in range(8):
        optimizer.zero_grad()
        loss = word_loss(model, directions, images, np.random.default_rng(step))
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.8 * losses[0]


def test_words_are_put_in_their_places_and_other_phrases_stay(monkeypatch):
    model = bootstrap.build(TEACHER_PARAMS, seed=0)
    monkeypatch.setattr(text_tower, "words", lambda: ("goldfish", "ostrich", "tabby"))
    directions = F.normalize(torch.randn(3, 12, generator=torch.Generator().manual_seed(0)), dim=1)
    wanted = F.pad(directions, (0, 4))
    names, others = ["a photo of a goldfish", "an ostrich", "a picture of a tabby"], ["hair", "a net on a lawn"]
    named, before = (F.normalize(model.encode_text(TOKENIZER(said)), dim=1) for said in (names, others))
    assert F.cosine_similarity(named, wanted).abs().max() < 0.8
    put_words(model, directions, others)
    named, after = (F.normalize(model.encode_text(TOKENIZER(said)), dim=1) for said in (names, others))
    assert F.cosine_similarity(named, wanted).min() > 0.95
    assert F.cosine_similarity(before, after).min() > 0.95


def test_the_tower_starts_as_imagenet_left_it():
    """Its output stride is found by running it, which must not move the statistics of its batch norms."""
    weights = imagenet_state_dict()
    for name, value in bootstrap.build(TEACHER_PARAMS, seed=0).visual.trunk.state_dict().items():
        assert torch.equal(value, weights[name]), name


def test_materials_take_turns_in_a_batch(rng):
    rows = [phrase_row("hair", "a wall")] * 97 + [
        phrase_row("net", "a wall"),
        phrase_row("lace", "a wall"),
        phrase_row("fur", "a wall"),
    ]
    drawn = [rows[i].material for i in bootstrap.draw_batch(rows, 8, rng)]
    assert sorted(drawn) == sorted(["hair", "net", "lace", "fur"] * 2)
    assert len(bootstrap.draw_batch(rows[:3], 8, rng)) == 3


def test_invented_backdrops_keep_their_small_words(rng):
    said = {invent("a brick wall out of focus", rng) for _ in range(40)}
    assert "a brick wall out of focus" in said
    assert len(said) > 10
    for phrase in said:
        words = phrase.split()
        assert len(words) == 6
        assert [word for word in words if word in COMMON] == ["a", "out", "of", "focus"]


def test_everything_that_is_said_of_a_batch_is_said_once(rng):
    rows = [phrase_row("net", "a wall"), phrase_row("hair", "a lawn"), phrase_row("net", "a wall")]
    phrases = draw_phrases(rows, ["hair", "lace", "net"], rng)
    said = phrases.distinct()
    assert len(said) == len(set(said))
    assert {*phrases.captions, *phrases.invented, *phrases.materials} <= set(said)
    assert len(phrases.foregrounds) == len(phrases.backdrops) == len(phrases.invented) == 3
    assert sum("lace" in phrase for phrase in said) == 1


def test_tuning_learns_and_gives_the_same_bytes_twice(composites, tmp_path, narrow_text):
    params = TEACHER_PARAMS.model_copy(update={"steps": 8, "batch_size": 4})
    curves = [make_teacher(params, *composites, tmp_path / name, 0, "cpu") for name in ("one", "two")]
    assert curves[0] == curves[1]
    assert sha256(tmp_path / "one") == sha256(tmp_path / "two")
    assert set(curves[0][0]) == {"caption", "region", "cell", "word"}
    first, last = (
        sum(losses[name] for name in ("caption", "region", "cell")) for losses in curves[0][:: len(curves[0]) - 1]
    )
    assert last < first


def test_without_words_all_dimensions_are_of_materials_and_the_vocabulary_is_the_prompts(composites, tmp_path):
    params = TEACHER_PARAMS.model_copy(update={"word_weight": 0.0})
    (first, *_) = make_teacher(params, *composites, tmp_path, 0, "cpu")
    assert set(first) == {"caption", "region", "cell"}
    teacher = load_teacher(tmp_path)
    assert teacher.vocabulary == teacher.prompts
    carried = teacher.model.visual.head.proj.weight.count_nonzero(dim=1)
    assert carried.tolist() == [2] * 16  # a channel of its own for each, and the constant


def test_one_material_is_reported_as_such(composites, tmp_path, narrow_text):
    table, rows = composites
    rows = [replace(r, material="object", split="train" if i < 2 else "test") for i, r in enumerate(rows)]
    trimaps = tmp_path / "trimaps/trimaps.csv"
    trimap = np.tile(np.repeat(np.float32([0, 0.5, 1]), [16, 32, 16]), (48, 1))
    for found in rows:
        save_trimap(trimap, trimaps.parent / f"{found.sample_id}.png")
    write_table([TrimapRow(r.sample_id, r.split, f"{r.sample_id}.png", 1, 1, 0.5, 0) for r in rows], trimaps)
    params = TEACHER_PARAMS.model_copy(update={"steps": 1})
    history = make_teacher(params, table, rows[:2], tmp_path / "teacher", 0, "cpu")
    photographs = [table.parent / "0.png"]
    report = report_teacher(tmp_path / "teacher", params, history, table, rows, trimaps, photographs, "cpu")
    expected = {"materials": 1, "accuracy": None, "images": 2, "unknown_cells": 2 * 2 * 4}
    assert expected.items() <= report.items()
    assert 0 <= report["auc_unknown"] <= 1
    assert set(report["probe"]) == {"stride_8", "stride_16"}
    assert all(set(found) == {"teacher", "student", "both", "gap", "added"} for found in report["probe"].values())
    assert {kind: named["images"] for kind, named in report["words"].items()} == {"photographs": 1, "composites": 2}
    assert len(load_teacher(tmp_path / "teacher").vocabulary) == 2 + 1000
    json.dumps(report, allow_nan=False)


def test_no_training_composites_is_an_input_error(composites, tmp_path):
    with pytest.raises(InputError, match="no composites of the split `train`"):
        make_teacher(TEACHER_PARAMS, composites[0], [], tmp_path / "teacher", 0, "cpu")
