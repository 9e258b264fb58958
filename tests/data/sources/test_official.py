"""The composited benchmarks: lists, order, names, pixels and trimaps, from trees in the official layout."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from erkd.data.composites import write_composites
from erkd.data.library import SOURCES, list_layers, write_library
from erkd.data.sources import composition1k, distinctions646
from erkd.data.sources.official import phrase
from erkd.data.trimaps import set_hash, write_trimaps
from erkd.io.files import InputError
from erkd.io.tables import CompositeRow, read_table
from erkd.params import CompositeParams, DataParams, Splits, TrimapParams
from tests.support import official_trees
from tests.support.official_trees import composite_by_hand

TRIMAP = TrimapParams(min_radius=2, max_radius=60, whole_object=0.25, whole_flat=0.5)


def splits(train, validation, test):
    return Splits(train=train, validation=validation, test=test)


def data(source, root, test_backgrounds=40):
    return DataParams(
        source=source, root=str(root), backgrounds_root=str(root / "backgrounds"), photographs=None, size=64,
        foregrounds=splits(9, 1, 9), backgrounds=splits(9, 3, test_backgrounds),
    )  # fmt: skip


def tree(source, folder):
    return getattr(official_trees, source)(folder, np.random.default_rng(3))


def expect_official(stored, *files):
    """The file `stored` holds what the official script makes of a foreground, an alpha and a background."""
    expected = composite_by_hand(*(np.asarray(Image.open(file)) for file in files))
    np.testing.assert_array_equal(np.asarray(Image.open(stored)), expected, str(stored))


@pytest.fixture(scope="module", params=["composition1k", "distinctions646"])
def made(request, tmp_path_factory):
    """A benchmark taken through library, composite and trimap: source, root, and the three folders."""
    folder = tmp_path_factory.mktemp(request.param)
    source, root = request.param, tree(request.param, folder / "dät a")
    params = data(source, root)
    write_library(list_layers(params, 0), folder / "library")
    counts = CompositeParams(per_foreground=splits(2, 3, 20), defocus=0.0, effects=1.0)
    write_composites(folder / "library", folder / "composites", counts, 0)
    given = {"composition1k": composition1k, "distinctions646": distinctions646}[source].given_trimaps(params)
    write_trimaps(folder / "composites", folder / "trimaps", TRIMAP, 0, given)
    return source, root, folder


def layout(source, root):
    """Foreground, alpha and background folders, and both test lists."""
    if source == "composition1k":
        part = root / "Combined_Dataset/Test_set"
        images = part / "Adobe-licensed images"
        return images / "fg", images / "alpha", part / "test_fg_names.txt", part / "test_bg_names.txt"
    part = root / "Test"
    return part / "FG", part / "GT", part / "fg_test.txt", part / "bg_test.txt"


def test_every_test_composite_is_the_official_one_bit_for_bit(made):
    source, root, folder = made
    table = folder / "composites/manifest.csv"
    rows = {row.sample_id: row for row in read_table(table, CompositeRow, "test")}
    foregrounds, alphas, fg_list, bg_list = layout(source, root)
    names, partners = fg_list.read_text().splitlines(), bg_list.read_text().split()
    assert len(rows) == 40
    for index, partner in enumerate(partners):
        name, stem = names[index // 20], Path(names[index // 20]).stem
        sample = f"{stem}_{index % 20}" if source == "composition1k" else f"test_{index}"
        background = root / "backgrounds/VOCdevkit/VOC2012/JPEGImages" / partner
        assert rows[sample].image == f"images/{sample}.png"
        stored = folder / "composites" / rows[sample].image
        expect_official(stored, foregrounds / name, alphas / f"{stem}.png", background)


def test_training_composites_follow_the_training_lists(made):
    source, root, folder = made
    lists = {"composition1k": ("Combined_Dataset/Training_set", "training_{}_names.txt")}
    part, listed = lists.get(source, ("Train", "{}_train.txt"))
    names = (root / part / listed.format("fg")).read_text().splitlines()
    partners = (root / part / listed.format("bg")).read_text().splitlines()
    each = len(partners) // len(names)
    rows = read_table(folder / "composites/manifest.csv", CompositeRow)
    trained = [row for row in rows if row.split != "test"]
    assert {row.split for row in trained} == {"train", "validation"}
    for row in trained:
        stem, _, copy = row.sample_id.removeprefix(f"{row.split}-").rpartition("_")
        k = [Path(name).stem for name in names].index(stem)
        (file,) = (root / part).rglob(f"[Ff][Gg]/{stem}.*")
        (alpha,) = (path for path in (root / part).rglob(f"{stem}.png") if path.parent.name in ("alpha", "GT"))
        background = root / "backgrounds/train2014" / partners[each * k + int(copy)].strip()
        expect_official(folder / "composites" / row.image, file, alpha, background)


def test_splits_share_nothing_and_rows_carry_licences_and_development_photographs_are_left_out(made):
    source, _, folder = made
    stems = {"train": set(), "validation": set(), "test": set()}
    for row in read_table(folder / "composites/manifest.csv", CompositeRow):
        stems[row.split].add(row.foreground_id.removeprefix(f"{row.split}-"))
        assert "research use" in row.licence
        assert ("VOC" if row.split == "test" else "COCO") in row.licence
    assert not stems["train"] & stems["validation"]
    assert len(stems["validation"]) == 1
    everything = stems["train"] | stems["validation"]
    if source == "composition1k":
        assert len(everything) == 5  # of six
        assert "GT05" not in everything
    else:  # a namesake is another picture; the very same picture is left out
        assert "test_0" in everything
        assert "test_1" not in everything


def test_trimaps_are_the_given_ones(made):
    source, root, folder = made
    if source == "composition1k":
        supplied = root / "Combined_Dataset/Test_set" / composition1k.ADOBE / "trimaps"
        for row in read_table(folder / "composites/manifest.csv", CompositeRow, "test"):
            name = f"{row.sample_id}.png"
            found, expected = Image.open(folder / "trimaps/trimaps" / name), Image.open(supplied / name)
            np.testing.assert_array_equal(np.asarray(found), np.asarray(expected))
    else:  # neither seed nor parameters touch them
        again, other = folder / "again", TRIMAP.model_copy(update={"max_radius": 9})
        write_trimaps(folder / "composites", again, other, 5, distinctions646.given_trimaps())
        assert set_hash(again, "test") == set_hash(folder / "trimaps", "test")
        assert set_hash(again, "train") != set_hash(folder / "trimaps", "train")


def test_the_published_radii():
    radii = distinctions646.given_trimaps()
    assert distinctions646.radii_hash() == distinctions646.RADII
    assert len(radii) == 1000
    flat = [radius for pair in radii.values() for radius in pair]
    assert (min(flat), max(flat)) == (1, 30)
    assert np.mean(flat) == pytest.approx(15.5, abs=0.6)
    assert np.mean([a == b for a, b in radii.values()]) < 0.08


def test_photographs_are_copied_as_they_are(made):
    _, root, folder = made
    copies = list((folder / "library/backgrounds").glob("*.jpg"))
    originals = {path.read_bytes() for path in (root / "backgrounds").rglob("*.jpg")}
    assert len(copies) > 40
    assert all(copy.read_bytes() in originals for copy in copies)


def test_too_few_backgrounds_for_the_composites_asked_for(tmp_path):
    root = tree("composition1k", tmp_path)
    write_library(list_layers(data("composition1k", root, test_backgrounds=10), 0), tmp_path / "library")
    counts = CompositeParams(per_foreground=splits(1, 1, 20), defocus=0.0, effects=0.0)
    with pytest.raises(InputError, match=r"per_foreground\.test: 20 is too many.*5 backgrounds.*data\.backgrounds"):
        write_composites(tmp_path / "library", tmp_path / "out", counts, 0)


MISSING = {
    "composition1k": {
        "Combined_Dataset/Test_set/test_bg_names.txt": r"test_bg_names\.txt: no such list; found .*fg_names.*asked",
        f"Combined_Dataset/Test_set/{official_trees.ADOBE}/fg/boy-1_1920_9_img.png":
            r"fg: 1 of 2 files are missing: boy-1_1920_9_img; found 1 pictures; .*asked",
        f"Combined_Dataset/Test_set/{official_trees.ADOBE}/trimaps/boy-0_1920_9_img_7.png":
            r"trimaps: 1 of 40 files are missing: boy-0_1920_9_img_7\.png",
        "backgrounds/VOCdevkit/VOC2012/JPEGImages/2007_000000.jpg":
            r"backgrounds: 1 of \d+ files are missing: 2007_000000\.jpg; .*PASCAL VOC",
    },
    "distinctions646": {
        "Train/fg_train.txt": r"fg_train\.txt: no such list; found FG, GT, bg_train\.txt; .*asked",
        "Train/GT/h_1.png": r"GT: 1 of 6 files are missing: h_1; found 5 pictures",
        "Test/FG": r"FG: 2 of 2 files are missing",
    },
}  # fmt: skip


@pytest.mark.parametrize(("source", "name"), [(source, name) for source, names in MISSING.items() for name in names])
def test_what_is_missing_is_named(tmp_path, source, name):
    root = tree(source, tmp_path)
    (root / name).rename(tmp_path / "taken away")
    with pytest.raises(InputError, match=MISSING[source][name]):
        list_layers(data(source, root), 0)


@pytest.mark.parametrize("source", MISSING)
def test_unset_roots_and_a_list_that_was_cut_short_are_named(source, tmp_path):
    root = tree(source, tmp_path)
    params = data(source, root)
    with pytest.raises(InputError, match=r"data\.root: the source .* asked for at"):
        SOURCES[source].list_foregrounds(params.model_copy(update={"root": None}), 0)
    with pytest.raises(InputError, match=r"data\.backgrounds_root: .*COCO"):
        SOURCES[source].list_backgrounds(params.model_copy(update={"backgrounds_root": None}), 0)
    *_, lines = layout(source, root)
    lines.write_text("\n".join(lines.read_text().split()[:-1]))
    with pytest.raises(InputError, match=r"2 foregrounds need 40 backgrounds, 20 each; found 39"):
        list_layers(params, 0)


def test_file_names_in_words():
    assert phrase("antique-lace-1182740_1920") == "antique lace"
    assert phrase("test_3") == phrase("36b1dfd38ec765891107416e42e60b46") == "a photographed object"
