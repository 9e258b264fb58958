"""The feature cache: what is written is what is read, crops read their own place, bad caches are refused."""

import json

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from erkd.features import images_digest, open_features, write_features
from erkd.files import InputError, sha256
from erkd.images import save_image
from erkd.tables import CompositeRow, write_table

SIDE, GRID, WIDTH = 32, 8, 3


class ColourTeacher:
    """A teacher whose features are the mean colours of the cells, plus one, so that no cell is zero."""

    def __init__(self, name="colours"):
        self.identity = {"model": name, "weights": "0"}
        self.prompts = ["a photo of red", "a photo of green"]

    def prepare(self, image):
        pixels = torch.from_numpy(image).permute(2, 0, 1)[None]
        return F.interpolate(pixels, (SIDE, SIDE), mode="area")[0]

    def patches(self, images):
        return F.adaptive_avg_pool2d(images, GRID) + 1

    def text(self, phrases):
        return torch.eye(WIDTH)[: len(phrases)]


@pytest.fixture
def composites(tmp_path, rng):
    """A table of five composites of different shapes."""
    table, rows = tmp_path / "composites/manifest.csv", []
    for i in range(5):
        height, width = 32 + 8 * i, 48
        name = f"images/{i}.png"
        save_image(rng.random((height, width, 3), dtype=np.float32), table.parent / name)
        rows.append(
            CompositeRow(
                f"s{i}",
                "train",
                "t",
                "CC0",
                f"f{i}",
                f"b{i}",
                "net",
                name,
                name,
                height,
                width,
                i,
                "",
                "",
                "",
            )
        )
    write_table(rows, table)
    return table, rows


@pytest.fixture
def cache_folder(composites, tmp_path):
    write_features(tmp_path / "features", *composites, ColourTeacher(), 2, "cpu")
    return tmp_path / "features"


def identity_theta(count):
    return torch.eye(2, 3).repeat(count, 1, 1)


def test_the_cache_holds_every_image_in_order(composites, cache_folder):
    table, rows = composites
    cache = open_features(cache_folder, ColourTeacher().identity, images_digest(table, rows))
    assert cache.features.shape == (5, WIDTH, GRID, GRID)
    assert cache.sample_ids == [row.sample_id for row in rows]
    assert cache.prompts == ["a photo of red", "a photo of green"]
    np.testing.assert_array_equal(cache.text, np.eye(WIDTH)[:2])
    header = 128
    assert (cache_folder / "composites.npy").stat().st_size == header + 5 * WIDTH * GRID * GRID * 2
    unit = cache.features.astype(np.float64)
    unit /= np.linalg.norm(unit, axis=1, keepdims=True)
    np.testing.assert_allclose(cache.mean, unit.mean(axis=(0, 2, 3)), atol=1e-4)


def test_the_identity_crop_reads_the_stored_cells(cache_folder):
    cache = open_features(cache_folder)
    read = cache.sample(torch.tensor([3, 1]), identity_theta(2), (GRID, GRID))
    torch.testing.assert_close(read, torch.from_numpy(cache.features[[3, 1]]).float())


def test_a_flip_and_a_quarter_are_read_where_they_lie(cache_folder):
    cache = open_features(cache_folder)
    flip = torch.tensor([[[-1.0, 0, 0], [0, 1, 0]]])
    stored = torch.from_numpy(np.array(cache.features[:1])).float()
    torch.testing.assert_close(cache.sample(torch.tensor([0]), flip, (GRID, GRID)), stored.flip(-1))
    lower_right = torch.tensor([[[0.5, 0, 0.5], [0, 0.5, 0.5]]])
    read = cache.sample(torch.tensor([0]), lower_right, (GRID // 2, GRID // 2))
    torch.testing.assert_close(read, stored[:, :, GRID // 2 :, GRID // 2 :])


def test_beyond_the_image_the_border_repeats(cache_folder):
    cache = open_features(cache_folder)
    outside = torch.tensor([[[0.5, 0, 3.0], [0, 1, 0]]])
    read = cache.sample(torch.tensor([2]), outside, (GRID, GRID))
    stored = torch.from_numpy(np.array(cache.features[2])).float()
    torch.testing.assert_close(read[0], stored[:, :, -1:].expand(-1, -1, GRID))


def test_batch_size_and_place_change_no_byte(composites, tmp_path):
    for size in (1, 5):
        write_features(tmp_path / f"features{size}", *composites, ColourTeacher(), size, "cpu")
    assert sha256(tmp_path / "features1") == sha256(tmp_path / "features5")


def test_nothing_to_compute_is_refused(composites, tmp_path):
    with pytest.raises(InputError, match="no composites"):
        write_features(tmp_path / "features", composites[0], [], ColourTeacher(), 2, "cpu")


def test_another_teacher_is_refused(cache_folder):
    with pytest.raises(InputError, match=r"stale: made by another teacher \(model differ"):
        open_features(cache_folder, ColourTeacher("others").identity)


def test_changed_composites_are_refused(composites, cache_folder, rng):
    table, rows = composites
    save_image(rng.random((64, 64, 3), dtype=np.float32), table.parent / rows[2].image)
    with pytest.raises(InputError, match="stale: the composites have changed"):
        open_features(cache_folder, images=images_digest(table, rows))


@pytest.mark.parametrize("name", ["composites.npy", "composites.csv", "text.npy"])
def test_truncated_and_missing_files_are_named(cache_folder, name):
    content = (cache_folder / name).read_bytes()
    (cache_folder / name).write_bytes(content[:-2])
    with pytest.raises(InputError, match=rf"{name}: truncated"):
        open_features(cache_folder)
    (cache_folder / name).unlink()
    with pytest.raises(InputError, match=rf"{name}: no such file"):
        open_features(cache_folder)


def test_an_interrupted_cache_is_not_a_cache(composites, tmp_path):
    folder = tmp_path / "features"
    write_features(folder, *composites, ColourTeacher(), 2, "cpu")

    class Dies(ColourTeacher):
        def text(self, phrases):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_features(folder, *composites, Dies(), 2, "cpu")
    with pytest.raises(InputError, match=r"features\.json: no such file"):
        open_features(folder)


def test_a_cache_of_another_kind_or_none_is_refused(cache_folder):
    identity = json.loads((cache_folder / "features.json").read_text())
    (cache_folder / "features.json").write_text(json.dumps({**identity, "kind": "moods"}))
    with pytest.raises(InputError, match="kind 'moods'"):
        open_features(cache_folder)
    (cache_folder / "features.json").write_text("{}")
    with pytest.raises(InputError, match="not the identity of a feature cache"):
        open_features(cache_folder)
