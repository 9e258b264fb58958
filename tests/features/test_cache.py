"""The feature cache: what is written is what is read, crops read their own place, bad caches are refused."""

import multiprocessing
import os
import signal
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch.nn.functional import affine_grid

from erkd.data import compositing
from erkd.features.cache import images_digest, open_features
from erkd.features.images import TeacherImages
from erkd.features.maps import packed
from erkd.features.online import OnlineMaps
from erkd.features.pca import principal_directions
from erkd.features.precompute import preparation, write_features
from erkd.features.space import CentredSpace
from erkd.io.files import InputError, sha256, write_json, write_record
from erkd.io.images import save_image
from erkd.io.tables import write_table
from erkd.params import FeaturesParams
from tests.support.rows import composite_row, layer_row
from tests.support.teachers import GRID, WIDTH, ColourTeacher

PARAMS = FeaturesParams(
    kinds=["composites"], resolution="teacher", levels=1, pca=None, online=False, batch_size=2
)  # fmt: skip


@pytest.fixture
def composites(tmp_path, rng):
    """A table of five composites of different shapes."""
    table, rows = tmp_path / "composites/manifest.csv", []
    for i in range(5):
        height, width = 32 + 8 * i, 48
        rows.append(composite_row(f"s{i}", image=f"images/{i}.png", height=height, width=width))
        save_image(rng.random((height, width, 3), dtype=np.float32), table.parent / rows[i].image)
    write_table(rows, table)
    return TeacherImages(table, rows)


@pytest.fixture
def layers(tmp_path, rng):
    """A table of one foreground, opaque on its left half, and one background."""
    table, rows = tmp_path / "library/library.csv", []
    alpha = np.zeros((32, 48), np.float32)
    alpha[:, :24] = 1
    save_image(alpha, table.parent / "fg.alpha.png")
    for name, kind, file in (("fg", "foreground", "fg.alpha.png"), ("bg", "background", "")):
        save_image(rng.random((32, 48, 3), dtype=np.float32), table.parent / f"{name}.png")
        rows.append(layer_row(name, kind, alpha=file, height=32, width=48))
    write_table(rows, table)
    return TeacherImages(table, rows)


def unit(cells):
    cells = cells.astype(np.float64)
    return cells / np.linalg.norm(cells, axis=1, keepdims=True)


def write(folder, kinds, teacher=None, **settings):
    params = PARAMS.model_copy(update=settings)
    write_features(folder, kinds, teacher or ColourTeacher(), params, "cpu", folder.parent / "scratch")


@pytest.fixture
def cache_folder(composites, tmp_path):
    write(tmp_path / "features", {"composites": composites})
    return tmp_path / "features"


def test_the_cache_holds_every_image_in_order(composites, cache_folder):
    digest = images_digest(composites.table, composites.rows)
    cache = open_features(cache_folder, teacher=ColourTeacher().identity, images=digest)
    assert [maps.shape for maps in cache.features] == [(WIDTH, GRID, GRID)] * 5
    assert cache.sample_ids == [row.sample_id for row in composites.rows]
    assert cache.rows == {"s0": 0, "s1": 1, "s2": 2, "s3": 3, "s4": 4}
    assert cache.prompts == ["a photo of red", "a photo of green"]
    np.testing.assert_array_equal(cache.text, np.eye(WIDTH)[:2])
    np.testing.assert_array_equal(cache.vocabulary, np.eye(WIDTH))
    assert (cache_folder / "composites.npy").stat().st_size == 128 + 5 * WIDTH * GRID * GRID * 2
    np.testing.assert_allclose(cache.mean, unit(cache.features.cells).mean(axis=0), atol=1e-4)


def test_crops_are_read_where_they_lie(cache_folder):
    cache, half = open_features(cache_folder), GRID // 2
    first, other = (torch.from_numpy(cache.features[row].astype(np.float32))[None] for row in (0, 3))
    for row, theta, expected in (
        (3, [[1.0, 0, 0], [0, 1, 0]], other),
        (0, [[-1.0, 0, 0], [0, 1, 0]], first.flip(-1)),
        (0, [[0.5, 0, 0.5], [0, 0.5, 0.5]], first[:, :, half:, half:]),
        (0, [[1.0, 0, 2.0], [0, 1, 0]], first.flip(-1)),  # beyond the border it is mirrored
    ):
        read = cache.sample(torch.tensor([row]), torch.tensor([theta]), expected.shape[-2:])
        torch.testing.assert_close(read, expected)


def test_layers_are_each_foreground_on_the_ground_and_each_background(composites, layers, tmp_path):
    write(tmp_path / "features", {"composites": composites, "layers": layers})
    cache = open_features(tmp_path / "features", "layers", images=images_digest(layers.table, layers.rows))
    assert cache.rows == {"fg": 0, "bg": 1}
    prepared = torch.stack([ColourTeacher().prepare(layers.load(row, (0, 0, 0))) for row in (0, 1)])
    foreground, background = ColourTeacher().patches(prepared)
    np.testing.assert_allclose(cache.features[1], background, atol=1e-3)
    np.testing.assert_allclose(cache.features[0][:, :, :4], foreground[:, :, :4], atol=1e-3)
    ground = np.broadcast_to(np.float32([0.25, 0.5, 0.75])[:, None, None], (3, GRID, 4))
    np.testing.assert_allclose(cache.features[0][:, :, 4:], ground + 1, atol=1e-3)
    assert open_features(tmp_path / "features").sample_ids == [row.sample_id for row in composites.rows]


def test_fewer_channels_are_the_centred_cells_in_the_stored_basis(composites, tmp_path):
    write(tmp_path / "full/features", {"composites": composites})
    write(tmp_path / "features", {"composites": composites}, pca=2)
    full, cache = (open_features(tmp_path / name) for name in ("full/features", "features"))
    assert cache.features.cells.shape == (5 * GRID * GRID, 2)
    assert cache.basis.shape == (2, WIDTH)
    np.testing.assert_allclose(cache.basis @ cache.basis.T, np.eye(2), atol=1e-6)
    np.testing.assert_array_equal(cache.mean, full.mean)
    centred = unit(full.features.cells) - full.mean
    np.testing.assert_allclose(cache.features.cells, centred @ cache.basis.T, atol=1e-3)
    assert cache.sample(torch.tensor([1]), torch.eye(2, 3)[None], (4, 4)).shape == (1, 2, 4, 4)
    write(tmp_path / "all/features", {"composites": composites}, pca=WIDTH)
    assert open_features(tmp_path / "all/features").basis is None


def test_principal_directions_find_the_plane_that_cells_lie_in(rng):
    """64 channels of which 8 vary: the first 8 directions keep everything, and the first of them the most."""
    mixing = np.linalg.qr(rng.normal(size=(64, 64)))[0][:8] * np.geomspace(8, 1, 8)[:, None]
    cells = np.einsum("nkhw,kd->ndhw", rng.normal(size=(12, 8, 6, 6)), mixing).astype(np.float16)
    directions, kept = principal_directions(cells, np.zeros(64, np.float32))
    assert list(kept) == ["8", "16", "32"]
    assert kept["8"] == pytest.approx(1, abs=1e-3)
    np.testing.assert_allclose(directions @ directions.T, np.eye(64), atol=1e-5)
    variances = ((unit(packed(cells)) @ directions.T) ** 2).mean(axis=0)
    assert (np.diff(variances[:8]) < 0).all()
    assert variances[8:].max() < 1e-6


def test_a_second_level_lies_beside_the_first(composites, tmp_path):
    write(tmp_path / "features", {"composites": composites}, levels=2)
    cache = open_features(tmp_path / "features")
    assert cache.shallow.sample_ids == cache.sample_ids
    for shallow, deep in zip(cache.shallow.features, cache.features, strict=True):
        halved = shallow.astype(np.float32).reshape(WIDTH, GRID, 2, GRID, 2).mean(axis=(2, 4))
        np.testing.assert_allclose(halved, deep, atol=2e-3)
    write(tmp_path / "one/features", {"composites": composites})
    assert open_features(tmp_path / "one/features").shallow is None
    (tmp_path / "features/composites-shallow.npy").unlink()
    with pytest.raises(InputError, match=r"composites-shallow\.npy: no such file"):
        open_features(tmp_path / "features")


class Places:
    """Backgrounds of three sizes and shapes, each pixel's colour its column and row times five."""

    sizes = (32, 48), (48, 20), (21, 37)

    def __init__(self, folder):
        rows = []
        for number, (height, width) in enumerate(self.sizes):
            row, column = np.indices((height, width), np.float32) * 5 / 255
            save_image(np.dstack([column, row, np.zeros_like(row)]), folder / f"{number}.png")
            rows.append(layer_row(str(number), "background", alpha="", height=height, width=width))
        write_table(rows, folder / "library.csv")
        self.images = TeacherImages(folder / "library.csv", rows)

    def pixels(self, number, theta, size):
        """The columns and rows of a crop's cell centres in pixels of image `number`."""
        height, width = self.sizes[number]
        points = affine_grid(theta[None], [1, 1, *size], align_corners=False)[0]
        return ((points + 1) * torch.tensor([width, height]) / 2 - 0.5).permute(2, 0, 1)


@pytest.mark.parametrize("size", [(4, 5), (2, 1)])
def test_at_its_own_resolution_a_layer_is_read_where_a_crop_lies(tmp_path, size):
    """Both levels of layers of several sizes and shapes, one of no whole number of cells; fine and coarse crops."""
    places = Places(tmp_path / "layers")
    write(tmp_path / "features", {"layers": places.images}, resolution="own", levels=2)
    cache = open_features(tmp_path / "features", "layers")
    assert [maps.shape[1:] for maps in cache.features] == [(8, 12), (12, 5), (6, 10)]
    assert [maps.shape[1:] for maps in cache.shallow.features] == [(16, 24), (24, 10), (12, 20)]
    theta = torch.tensor([[0.45, 0.1, 0.1], [-0.15, 0.4, -0.2]]).repeat(3, 1, 1)
    for level in (cache, cache.shallow):
        read = (level.sample(torch.arange(3), theta, size)[:, :2] - 1) * 255 / 5
        for number in range(3):
            torch.testing.assert_close(read[number], places.pixels(number, theta[number], size), rtol=0, atol=0.1)


def test_images_larger_than_training_uses_them_are_made_smaller_first(tmp_path, monkeypatch):
    places = Places(tmp_path / "layers")
    monkeypatch.setattr(compositing, "LONGEST", 24)
    write(tmp_path / "features", {"layers": places.images}, resolution="own")
    cache = open_features(tmp_path / "features", "layers")
    assert cache.extents.tolist() == [[4, 6], [6, 2.5], [3.5, 6]]
    read = (cache.sample(torch.tensor([0]), torch.eye(2, 3)[None] / 2, (2, 2))[0, :2] - 1) * 255 / 5
    torch.testing.assert_close(read, places.pixels(0, torch.eye(2, 3) / 2, (2, 2)), rtol=0, atol=0.1)


def test_what_cannot_be_read_at_its_own_resolution_is_refused(tmp_path):
    places, teacher = Places(tmp_path / "layers"), ColourTeacher()
    save_image(np.zeros((32, 40, 3), np.float32), tmp_path / "layers/0.png")
    with pytest.raises(InputError, match=r"0\.png: 32 x 40 pixels; library\.csv says otherwise"):
        write(tmp_path / "features", {"layers": places.images}, resolution="own")
    teacher.cell = None
    with pytest.raises(InputError, match=r"features\.resolution: .* images of one size alone; set it to teacher"):
        write(tmp_path / "features", {"layers": places.images}, teacher, resolution="own")


@pytest.mark.parametrize(("pca", "resolution"), [(None, "teacher"), (2, "teacher"), (2, "own")])
def test_a_teacher_that_runs_online_gives_what_the_cache_holds(composites, layers, tmp_path, pca, resolution):
    write(tmp_path / "features", {"composites": composites, "layers": layers}, pca=pca, resolution=resolution)
    teacher = ColourTeacher()
    for kind, pictures in (("composites", composites), ("layers", layers)):
        cache = open_features(tmp_path / "features", kind)
        maps = OnlineMaps(teacher, pictures, preparation(teacher, resolution), CentredSpace(cache), "cpu")
        online = replace(cache, features=maps)
        indices = torch.tensor([1, 0])
        theta = torch.tensor([[[0.5, 0.1, 0.2], [0, 0.7, -0.1]]]).repeat(2, 1, 1)
        expected = cache.sample(indices, theta, (5, 6))
        torch.testing.assert_close(online.sample(indices, theta, (5, 6)), expected, rtol=2e-3, atol=2e-3)
        assert expected.std() > 0.01


class Counts(ColourTeacher):
    """Counts the batches that it is asked for; at that numbered `dies`, or at texts, it kills its own process."""

    def __init__(self, name="colours", dies=None):
        super().__init__(name)
        self.asked, self.dies = 0, dies

    def levels(self, images, count):
        if self.asked == self.dies:
            os.kill(os.getpid(), signal.SIGKILL)
        self.asked += 1
        return super().levels(images, count)

    def text(self, phrases):
        if self.dies is not None:
            os.kill(os.getpid(), signal.SIGKILL)
        return super().text(phrases)


@pytest.fixture
def one_thread():
    """The threads of torch's pool are not forked with their process, which would wait for them for ever."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.mark.usefixtures("one_thread")
@pytest.mark.parametrize(
    ("batch", "name", "left"),
    [(0, "colours", 4), (1, "colours", 3), (2, "colours", 2), (3, "colours", 1), (4, "colours", 0), (1, "others", 4)],
)
def test_killed_anywhere_and_started_again_the_cache_is_the_same(composites, layers, tmp_path, batch, name, left):
    """Three batches of composites, one of layers; with four done it dies when files are moved.

    What another teacher left behind is not taken over.
    """
    kinds, folder = {"composites": composites, "layers": layers}, tmp_path / "killed/features"
    child = multiprocessing.get_context("fork").Process(target=write, args=(folder, kinds, Counts(dies=batch)))
    child.start()
    child.join()
    assert child.exitcode == -signal.SIGKILL
    with pytest.raises(InputError, match=r"features\.json: no such file"):
        open_features(folder)
    again = Counts(name)
    write(folder, kinds, again)
    assert again.asked == left
    write(tmp_path / "whole/features", kinds, ColourTeacher(name))
    assert sha256(folder) == sha256(tmp_path / "whole/features")


def test_batch_size_and_place_change_no_byte(composites, tmp_path):
    for size in (1, 5):
        write(tmp_path / f"features{size}", {"composites": composites}, batch_size=size)
    assert sha256(tmp_path / "features1") == sha256(tmp_path / "features5")


def test_what_was_made_of_something_else_is_refused(composites, cache_folder, rng):
    with pytest.raises(InputError, match="no composites"):
        write(cache_folder, {"composites": TeacherImages(composites.table, [])})
    with pytest.raises(InputError, match=r"no cache of the kind 'layers', only composites; add it to features"):
        open_features(cache_folder, "layers")
    wanted = PARAMS.model_copy(update={"resolution": "own", "pca": 2})
    made = r"stale: made with features\.resolution teacher, not own, features\.pca null, not 2; run `dvc repro"
    with pytest.raises(InputError, match=made):
        open_features(cache_folder, params=wanted)
    with pytest.raises(InputError, match=r"stale: made by another teacher \(model differ"):
        open_features(cache_folder, teacher=ColourTeacher("others").identity)
    save_image(rng.random((64, 64, 3), dtype=np.float32), composites.table.parent / composites.rows[2].image)
    with pytest.raises(InputError, match="stale: the composites have changed"):
        open_features(cache_folder, images=images_digest(composites.table, composites.rows))


def test_what_is_no_cache_is_refused(cache_folder):
    for content in ({}, []):
        write_json(content, cache_folder / "features.json")
        with pytest.raises(InputError, match=r"features\.json: it holds no sha256_of_the_rest; run `dvc repro"):
            open_features(cache_folder)
    write_record({"kinds": {}}, cache_folder / "features.json")
    with pytest.raises(InputError, match="not the identity of a feature cache"):
        open_features(cache_folder)
