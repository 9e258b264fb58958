"""The methods without training, and predictions of other programs beside them."""

import numpy as np
import pytest
from PIL import Image

from erkd.evaluation.baselines import MEAN, METHODS, estimate_alpha, run_baselines, take_in
from erkd.evaluation.scores import STUDENT
from erkd.io.files import InputError, sha256
from erkd.io.images import load_alpha, save_image, save_trimap
from erkd.io.tables import list_composites
from erkd.params import BaselinesParams, load_params
from pipeline import baselines_folder
from pipeline.common.sets import list_methods
from tests.support import ROOT
from tests.support.small_set import soft_disc, write_small_set


@pytest.fixture
def samples(tmp_path):
    write_small_set(tmp_path)
    return list_composites(tmp_path / "data/composites", tmp_path / "data/trimaps", "test")


def test_interpolation_by_hand():
    trimap = np.float32([[0, 0.5, 0.5, 0.5, 0.5, 1]])
    alpha = estimate_alpha("interpolation", np.zeros((1, 6, 3), np.float32), trimap)
    assert alpha[0] == pytest.approx([0, 0.2, 0.4, 0.6, 0.8, 1])
    assert BaselinesParams.model_json_schema()["properties"]["methods"]["items"]["enum"] == list(METHODS)


@pytest.mark.parametrize("method", METHODS)
def test_every_method_comes_near_a_soft_disc(method):
    alpha_true, trimap, image = soft_disc(0)
    alpha = estimate_alpha(method, image, trimap)
    assert alpha.dtype == np.float32
    assert alpha.shape == trimap.shape
    assert 0 <= alpha.min() <= alpha.max() <= 1
    assert (alpha[trimap != 0.5] == trimap[trimap != 0.5]).all()
    assert np.abs(alpha - alpha_true)[trimap == 0.5].mean() < 0.13


@pytest.mark.parametrize("method", METHODS)
def test_trimaps_that_know_only_one_side_as_a_whole_or_near_an_unknown_island(method):
    """The linear systems then have a right-hand side of zeros, at which PyMatting's solver divides 0 by 0."""
    for known in (0, 1, 0.5):
        trimap = np.full((8, 8), 0.5, np.float32)
        trimap[:2] = known
        assert (estimate_alpha(method, np.full((8, 8, 3), 0.3, np.float32), trimap) == known).all()
    trimap = np.zeros((30, 30), np.float32)
    trimap[2:6, 2:6] = 0.5
    trimap[20:25, 20:25] = 1
    alpha = estimate_alpha(method, np.random.default_rng(0).random((30, 30, 3), np.float32), trimap)
    assert np.isfinite(alpha).all()
    if method == "closed_form":
        assert alpha[2:6, 2:6].max() == 0


def test_a_set_is_predicted_with_the_mean_and_the_costs(samples, tmp_path):
    folder = tmp_path / "baselines"
    costs = run_baselines(samples, ["interpolation", "closed_form", "shared_sampling"], folder)
    assert list(costs) == ["interpolation", "closed_form", "shared_sampling", "mean"]
    assert all(cost["seconds"] > 0 and cost["peak_mib"] > 10 for cost in costs.values())
    pymatting = costs["closed_form"]["seconds"] + costs["shared_sampling"]["seconds"]
    assert costs["mean"]["seconds"] == pytest.approx(pymatting)
    first = {method: load_alpha(folder / method / "s0.png") for method in costs}
    # rounded to 8 bits, as every file
    mean = (first["closed_form"] + first["shared_sampling"]) / 2
    assert first["mean"] == pytest.approx(mean, abs=0.51 / 255)
    assert len(list(folder.glob("*/*.png"))) == 4 * 3
    before = sha256(folder)
    run_baselines(samples[::-1], ["closed_form", "shared_sampling", "interpolation"], folder)
    assert sha256(folder) == before
    assert list(run_baselines(samples[:1], ["interpolation", "closed_form"], tmp_path / "few")) == [
        "interpolation", "closed_form",
    ]  # fmt: skip
    assert not (tmp_path / "few/mean").exists()  # of one method


def test_a_trimap_of_another_size_is_named(samples, tmp_path):
    save_trimap(np.full((5, 6), 0.5, np.float32), samples[0].trimap)
    with pytest.raises(InputError, match=r"trimaps/s0\.png: 5 x 6 pixels .* its image is 24 x 32"):
        run_baselines(samples, ["interpolation"], tmp_path / "baselines")


def write_alphas(folder, names=("s0", "s1", "s2")):
    for number, name in enumerate(names):
        save_image(soft_disc(number)[0], folder / f"{name}.png")


def test_a_plain_folder_is_the_test_set_or_there_is_a_folder_per_set(tmp_path):
    write_alphas(tmp_path / "from")
    deep = np.round(soft_disc(0)[0] * 65535).astype(np.uint16)
    (tmp_path / "from/s0.png").unlink()
    Image.fromarray(deep).save(tmp_path / "from/s0.tif")  # any format, 16 bits too
    take_in(tmp_path / "from", "other", ["test"], tmp_path / "to")
    assert sorted(path.name for path in (tmp_path / "to/test").iterdir()) == ["s0.png", "s1.png", "s2.png"]
    assert load_alpha(tmp_path / "to/test/s0.png") == pytest.approx(soft_disc(0)[0], abs=0.51 / 255)
    write_alphas(tmp_path / "sets/photos", ["GT01-Trimap1"])
    take_in(tmp_path / "sets", "other", ["test", "photos"], tmp_path / "each")
    assert [*(tmp_path / "each").rglob("*.png")] == [tmp_path / "each/photos/GT01-Trimap1.png"]


def test_what_cannot_be_taken_in_is_named(tmp_path):
    (tmp_path / "empty").mkdir()
    taken = dict.fromkeys((STUDENT, MEAN, *METHODS), ("empty", "another method has this name"))
    for name, folder, message in (
        ("other", "empty", ".*empty: no images"), ("other", "gone", ".*gone: no such folder"),
        *((name, *rest) for name, rest in taken.items()),
    ):  # fmt: skip
        with pytest.raises(InputError, match=rf"baselines\.folders\.{name}: {message}"):
            take_in(tmp_path / folder, name, ["test"], tmp_path / "to")


def test_the_stage_and_the_methods_of_a_set(tmp_path):
    write_small_set(tmp_path)
    write_alphas(tmp_path / "data/baselines/test/knn")
    write_alphas(tmp_path / "mine")
    params = load_params(ROOT / "params.yaml")
    folders = params.baselines.model_copy(update={"folders": {"a_network": "mine"}})
    params = params.model_copy(update={"baselines": folders})
    baselines_folder.main(tmp_path, params, "a_network")
    assert list_methods(tmp_path, "test") == {
        "knn": tmp_path / "data/baselines/test/knn",
        "a_network": tmp_path / "data/baselines_folders/a_network/test",
    }
    assert list_methods(tmp_path, "validation") == {}
    with pytest.raises(InputError, match=r"--method typo: .* which has a_network"):
        baselines_folder.main(tmp_path, params, "typo")
