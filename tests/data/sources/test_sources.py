"""Sources: what they list and split, how they read layers, and what they say when something is missing."""

import os
import unicodedata
from collections import Counter

import numpy as np
import pytest
from PIL import Image

from erkd.data.library import list_layers, source_files, write_library
from erkd.data.sources import alphamatting, folder, procedural
from erkd.data.sources.photographs import Photograph, read_photographs
from erkd.data.synth.materials import MATERIALS
from erkd.io.files import InputError, InputWarning, sha256
from erkd.io.images import load_alpha, load_image, save_image, save_trimap
from erkd.io.tables import LayerRow, read_table, write_results
from erkd.params import DataParams, Splits


def data(source, root=None, backgrounds=None, foregrounds=(4, 2, 2), background_counts=(3, 2, 2), **changes):
    fg, bg = (Splits(train=a, validation=b, test=c) for a, b, c in (foregrounds, background_counts))
    roots = {"root": root and str(root), "backgrounds_root": backgrounds and str(backgrounds)}
    settings = {"source": source, "photographs": None, "size": 64, "foregrounds": fg, "backgrounds": bg}
    return DataParams(**settings | roots | changes)


def splits_of(layers):
    """How many different layers each split has."""
    return Counter(split for split, _ in {(layer.split, layer.layer_id) for layer in layers})


@pytest.mark.parametrize("name", sorted(procedural.PICTURES))
def test_bundled_pictures_are_there_with_a_licence(name):
    image = procedural.load_picture(name)
    assert image.shape[2] == 3
    assert min(image.shape[:2]) > 100
    assert procedural.PICTURES[name].licence


def test_procedural_layers_are_disjoint_by_seed_and_by_picture():
    params = data("procedural", foregrounds=(60, 20, 20), background_counts=(60, 30, 30))
    for layers in (procedural.list_foregrounds(params, 0), procedural.list_backgrounds(params, 0)):
        assert len({layer.layer_id for layer in layers}) == len({layer.seed for layer in layers}) == len(layers)
        pictures = {}
        for layer in layers:
            if layer.picture:
                assert pictures.setdefault(layer.picture, layer.split) == layer.split
                assert layer.licence == procedural.PICTURES[layer.picture].licence
        assert set(pictures.values()) == {"train", "validation", "test"}


def test_procedural_foregrounds_show_every_material_and_more_leave_the_first_ones_as_they_are():
    layers = procedural.list_foregrounds(
        data("procedural", foregrounds=(size := len(procedural.DECK), size, size)), 3
    )
    for split in ("train", "validation", "test"):
        assert {layer.material for layer in layers if layer.split == split} == set(MATERIALS)
    assert set(procedural.list_foregrounds(data("procedural"), 3)) <= set(layers)


@pytest.fixture
def photographs(tmp_path, rng):
    """A folder of two photographs for each split, one a background alone, with its table."""
    folder = tmp_path / "photographs"
    rows = []
    for index, split in enumerate(("train", "validation", "test") * 2):
        name = f"{index}.jpg"
        save_image(rng.random((80, 100, 3), dtype=np.float32), folder / name)
        use = "background" if index < 3 else "texture background"
        words = ("photo", f"Author {index}", "CC-BY-4.0", "package 1", "a/b.jpg", "", "JPEG")
        rows.append(Photograph(name, f"thing {index}", use, split, *words, sha256(folder / name)))
    write_results(rows, folder / "photographs.csv")
    return folder


def test_photographs_lend_backgrounds_and_textures_each_to_its_split(photographs):
    counts = {"foregrounds": (90, 60, 60), "background_counts": (90, 60, 60)}
    params = data("procedural", photographs=str(photographs), **counts)
    rows = {row.file: row for row in read_photographs(photographs)}
    for kind, listed in (("background", procedural.list_backgrounds), ("texture", procedural.list_foregrounds)):
        layers = [layer for layer in listed(params, 0) if layer.photograph]
        assert {layer.photograph.name for layer in layers} == {n for n, row in rows.items() if kind in row.use}
        for layer in layers:
            row = rows[layer.photograph.name]
            assert (layer.split, layer.picture) == (row.split, "")
            assert layer.licence == f"CC-BY-4.0 ({row.author}, {row.file})"
        assert any(layer.picture for layer in listed(params, 0))
    background = next(layer for layer in procedural.list_backgrounds(params, 0) if layer.photograph)
    shown = rows[background.photograph.name].shows
    save_image(np.full((80, 100, 3), [0.9, 0.1, 0.1], np.float32), background.photograph)
    drawn = procedural.render(background)
    assert drawn.caption in (shown, f"{shown} out of focus")
    red, green, blue = drawn.image.mean(axis=(0, 1))
    assert red > 0.5 > max(green, blue) + 0.1
    assert background.photograph in source_files([background])


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda folder: (folder / "photographs.csv").unlink(), r"photographs\.csv: no such file; set data\.photo"),
        (lambda folder: (folder / "3.jpg").unlink(), r"3\.jpg: no such file, but a row of photographs\.csv"),
        (lambda folder: (folder / "3.jpg").write_bytes(b"other"), r"3\.jpg: not the file of its row"),
        (lambda folder: (folder / "new.jpg").touch(), r"photographs\.csv: new\.jpg has 0 rows"),
        (lambda folder: edit(folder, "author", "whose"), r"photographs\.csv: not a table of photographs"),
        (lambda folder: edit(folder, "validation", "valid"), r"1\.jpg: expected a split of train.*found 'valid'"),
        (lambda folder: edit(folder, "texture", "picture"), r"3\.jpg: expected a split.*'picture background'"),
        (lambda folder: edit(folder, "Author 2", ""), r"2\.jpg: what it shows, its author and its licence"),
        (lambda folder: edit(folder, "\n0.jpg", "\n../0.jpg"), r"0\.jpg: no such file, but a row"),
        (lambda folder: (folder / "photographs.csv").write_bytes(b"\xff"), r"photographs\.csv: not a text in UTF-8"),
    ],
)  # fmt: skip
def test_photographs_that_do_not_fit_their_table_are_named(photographs, damage, message):
    damage(photographs)
    with pytest.raises(InputError, match=message):
        list_layers(data("procedural", photographs=str(photographs)), 0)


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_a_table_of_photographs_may_come_from_any_editor(photographs, encoding):
    before = list_layers(data("procedural", photographs=str(photographs)), 0)
    table = photographs / "photographs.csv"
    table.write_bytes(table.read_text(encoding="utf-8").replace("\n", "\r\n").encode(encoding))
    assert list_layers(data("procedural", photographs=str(photographs)), 0) == before


def edit(folder, old, new):
    table = folder / "photographs.csv"
    table.write_text(table.read_text().replace(old, new))


def test_write_library(tmp_path):
    layers = list_layers(data("procedural"), 0)
    write_library(layers, tmp_path / "a")
    rows = read_table(tmp_path / "a/library.csv", LayerRow)
    assert sum(row.kind == "foreground" for row in rows) == 8
    for row in rows:
        assert load_image(tmp_path / "a" / row.image).shape == (row.height, row.width, 3)
        assert row.caption
        assert row.licence
        assert bool(row.alpha) == (row.kind == "foreground")
        if row.alpha:
            assert load_alpha(tmp_path / "a" / row.alpha).shape == (row.height, row.width)
    write_library(layers, tmp_path / "b")
    assert sha256(tmp_path / "a") == sha256(tmp_path / "b")


@pytest.fixture
def photos(tmp_path, rng):
    for index in range(7):
        save_image(rng.random((20, 30, 3), dtype=np.float32), tmp_path / f"photos/bild {index} ä.jpg")
    return tmp_path / "photos"


def test_folder_of_cutouts(tmp_path, rng, photos):
    for index in range(6):
        save_image(rng.random((16, 12, 4), dtype=np.float32), tmp_path / f"cutouts/red_hat {index}.png")
    params = data("folder", tmp_path / "cutouts", photos)
    layers = folder.list_foregrounds(params, 0)
    assert set(splits_of(layers)) == {"train", "validation", "test"}
    assert splits_of(layers).total() == len({layer.image for layer in layers}) == len(layers) <= 6
    rendered = folder.render(layers[0])
    with Image.open(layers[0].image) as picture:
        pixels = np.asarray(picture, np.float32) / 255
    np.testing.assert_array_equal(np.dstack([rendered.image, rendered.alpha]), pixels)
    assert rendered.caption.startswith("red hat")
    assert folder.list_foregrounds(params, 0) == layers
    write_library(list_layers(params, 0), tmp_path / "library")
    rows = read_table(tmp_path / "library/library.csv", LayerRow)
    assert {row.kind for row in rows} == {"foreground", "background"}


def test_folder_of_foregrounds_and_alphas(tmp_path, rng, photos):
    for index in range(4):
        save_image(rng.random((16, 12, 3), dtype=np.float32), tmp_path / f"own/foreground/{index}.jpg")
        save_image(rng.random((16, 12), dtype=np.float32), tmp_path / f"own/alpha/{index}.png")
    params = data("folder", tmp_path / "own", photos)
    layers = folder.list_foregrounds(params, 0)
    for layer in layers:
        np.testing.assert_array_equal(folder.render(layer).alpha, load_alpha(layer.alpha))
    save_image(rng.random((8, 9), dtype=np.float32), layers[0].alpha)
    with pytest.raises(InputError, match=rf"{layers[0].alpha.stem}\.png"):
        folder.render(layers[0])
    (tmp_path / "own/alpha/2.png").unlink()
    with pytest.raises(InputError, match=r"no alpha for 1 foreground.*2\.jpg"):
        folder.list_foregrounds(params, 0)
    save_image(rng.random((16, 12, 3), dtype=np.float32), tmp_path / "own/foreground/1.png")
    with pytest.raises(InputError, match=r"1\.png: 1\.jpg has the same name"):
        folder.list_foregrounds(params, 0)


def test_names_of_other_systems_and_files_of_other_types(tmp_path, photos):
    names = [os.fsdecode(b"gr\xfcn"), "größe", "c"]
    for name in names:
        save_image(np.ones((4, 4, 3), np.float32), tmp_path / f"own/foreground/{name}.jpg")
        save_image(np.ones((4, 4), np.float32), tmp_path / f"own/alpha/{unicodedata.normalize('NFD', name)}.png")
    for name in ("d.heic", ".DS_Store", ".cache/e.jpg"):
        (tmp_path / "own/foreground" / name).parent.mkdir(exist_ok=True)
        (tmp_path / "own/foreground" / name).touch()
    with pytest.warns(InputWarning, match=r"foreground: left out d\.heic; taken are"):
        layers = folder.list_foregrounds(data("folder", tmp_path / "own", photos), 0)
    assert {layer.caption for layer in layers} == {"gr?n", "größe", "c"}
    assert all(layer.alpha for layer in layers)


def test_a_folder_of_all_kinds_of_pictures(tmp_path, rng):
    own, photos = tmp_path / "own", tmp_path / "Hintergründe 1"
    rotated = Image.Exif()
    rotated[0x0112] = 6
    colours = rng.integers(0, 256, (20, 30, 3)).astype(np.uint8)
    levels = rng.integers(0, 65536, (20, 30)).astype(np.uint16)
    foregrounds = {
        "plain.png": Image.fromarray(colours),
        "weiß und blau.jpg": Image.fromarray(colours).convert("CMYK"),
        "palette.png": Image.fromarray(colours).convert("P", palette=Image.Palette.ADAPTIVE),
        "grey 16.png": Image.fromarray(levels),
    }
    for folder_name in ("foreground", "alpha"):
        (own / folder_name).mkdir(parents=True)
    for name, image in foregrounds.items():
        image.save(own / "foreground" / name)
        Image.fromarray(levels).save(own / "alpha" / f"{name[:-4]}.png")
    Image.fromarray(colours).save(own / "foreground/turned.jpg", exif=rotated)
    Image.fromarray(levels.T.copy()).save(own / "alpha/turned.png")
    (own / "foreground/._plain.png").write_bytes(b"of another system")
    for index in range(5):
        save_image(rng.random((9 + index, 14, 3), dtype=np.float32), photos / f"{index} größer.jpg")
    Image.fromarray(colours).save(photos / "turned.jpg", exif=rotated)
    params = data("folder", own, photos, (9, 1, 1), (9, 1, 1))
    layers = list_layers(params, 0)
    write_library(layers, tmp_path / "library")
    rows = {row.layer_id: row for row in read_table(tmp_path / "library/library.csv", LayerRow)}
    assert len(rows) == 5 + 6
    for layer in layers:
        row = rows[layer.layer_id]
        turned = layer.image.name == "turned.jpg"
        assert (row.height, row.width) == (30, 20) or not turned
        image = load_image(tmp_path / "library" / row.image)
        assert image.shape == (row.height, row.width, 3)
        np.testing.assert_allclose(image, load_image(layer.image), atol=0.5 / 255 + 1e-6)
        if layer.alpha:
            expected = (levels.T if turned else levels) / 65535
            stored = load_alpha(tmp_path / "library" / row.alpha)
            np.testing.assert_allclose(stored, expected, atol=0.5 / 255 + 1e-6)


@pytest.mark.parametrize("damage", ["zero bytes", "cut", "text"])
@pytest.mark.parametrize("where", ["cutouts/hüt 1.png", "photos/bild 2 ä.jpg"])
def test_a_damaged_picture_is_named_and_nothing_is_written(tmp_path, rng, photos, where, damage):
    for index in range(4):
        save_image(rng.random((40, 30, 4), dtype=np.float32), tmp_path / f"cutouts/hüt {index}.png")
    good = (tmp_path / where).read_bytes()
    (tmp_path / where).write_bytes({"zero bytes": b"", "cut": good[: len(good) // 2], "text": b"hello"}[damage])
    params = data("folder", tmp_path / "cutouts", photos, (9, 9, 9), (9, 9, 9))
    with pytest.raises(InputError, match=rf"{where.rpartition('/')[2]}: not a readable image"):
        write_library(list_layers(params, 0), tmp_path / "library")
    assert not (tmp_path / "library/library.csv").exists()


def test_folder_mistakes_are_named(tmp_path, rng):
    for root, message in ((None, r"data\.root"), (tmp_path / "nowhere", "no such folder")):
        with pytest.raises(InputError, match=message):
            folder.list_foregrounds(data("folder", root), 0)
    params = data("folder", tmp_path / "one")
    save_image(rng.random((8, 8, 3), dtype=np.float32), tmp_path / "one/a.png")
    with pytest.raises(InputError, match="at least 3"):
        folder.list_foregrounds(params, 0)
    for name in "bc":
        save_image(rng.random((8, 8, 3), dtype=np.float32), tmp_path / f"one/{name}.png")
    with pytest.raises(InputError, match=r"\.png: no alpha channel"):
        folder.render(folder.list_foregrounds(params, 0)[0])


def fake_photographs(root):
    alpha = np.tile(np.clip(np.linspace(-1, 2, 24), 0, 1).astype(np.float32), (20, 1))
    trimap = np.select([alpha == 0, alpha == 1], [0, 1], 0.5).astype(np.float32)
    red, blue = np.float32([0.9, 0.2, 0.2]), np.float32([0.1, 0.2, 0.9])
    for name in (f"GT{index:02d}.png" for index in range(1, 5)):
        save_image(alpha[:, :, None] * red + (1 - alpha[:, :, None]) * blue, root / alphamatting.IMAGES / name)
        save_image(alpha, root / alphamatting.ALPHAS / name)
        for group in alphamatting.GROUPS:
            save_trimap(trimap, root / alphamatting.TRIMAPS / group / name)
    return alpha


def test_alphamatting(tmp_path, photos):
    ramp = fake_photographs(tmp_path / "am")
    samples = alphamatting.list_samples(tmp_path / "am")
    assert [sample.sample_id for sample in samples][:2] == ["GT01-Trimap1", "GT02-Trimap1"]
    assert {sample.group for sample in samples} == {"Trimap1", "Trimap2"}
    assert all(path.is_file() for sample in samples for path in (sample.image, sample.alpha, sample.trimap))
    params = data("alphamatting", tmp_path / "am", photos)
    layers = alphamatting.list_foregrounds(params, 0)
    assert len(splits_of(layers)) == len(splits_of(alphamatting.list_backgrounds(params, 0))) == 3
    rendered = alphamatting.render(layers[0])
    np.testing.assert_allclose(rendered.alpha, ramp, atol=1 / 255)
    # the foreground's own red is found where it shines through in part
    soft = (ramp > 0.5) & (ramp < 1)
    np.testing.assert_allclose(rendered.image[soft].mean(axis=0), [0.9, 0.2, 0.2], atol=0.1)


def test_alphamatting_says_what_is_missing(tmp_path):
    fake_photographs(tmp_path / "am")
    (tmp_path / "am" / alphamatting.ALPHAS / "GT03.png").unlink()
    (tmp_path / "other/input_training_lowres").mkdir(parents=True)
    for name, message in (
        ("nowhere", r"no such folder.*alphamatting\.com"),
        ("am", r"differ in GT03\.png"),
        ("other", r"missing gt_training_lowres, .*found input_training_lowres"),
    ):
        with pytest.raises(InputError, match=message):
            alphamatting.list_samples(tmp_path / name)
    with pytest.raises(InputError, match=r"data\.root"):
        alphamatting.list_foregrounds(data("alphamatting"), 0)


def test_the_real_photographs(realdata):
    root = realdata / "alphamatting"
    assert len(alphamatting.list_samples(root)) == 18
    params = data("alphamatting", root, realdata / "backgrounds", (7, 1, 1), (20, 5, 5))
    assert splits_of(alphamatting.list_foregrounds(params, 0)) == {"train": 7, "validation": 1, "test": 1}
    assert len(alphamatting.list_backgrounds(params, 0)) == 30
