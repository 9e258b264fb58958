import numpy as np
import pytest
from PIL import Image

from erkd.evaluation.external import take_in
from erkd.io.files import InputError
from erkd.io.images import load_alpha, save_image
from erkd.params import load_params
from pipeline import baselines_folder
from pipeline.common.sets import list_methods
from tests.support import ROOT
from tests.support.small_set import soft_disc, write_small_set


def write_alphas(folder, names=("s0", "s1", "s2")):
    for number, name in enumerate(names):
        save_image(soft_disc(number)[0], folder / f"{name}.png")


def test_a_plain_folder_is_the_test_set(tmp_path):
    write_alphas(tmp_path / "from")
    deep = np.round(soft_disc(0)[0] * 65535).astype(np.uint16)
    (tmp_path / "from/s0.png").unlink()
    Image.fromarray(deep).save(tmp_path / "from/s0.tif")  # any format, 16 bits too
    take_in(tmp_path / "from", "other", ["test"], tmp_path / "to")
    assert sorted(path.name for path in (tmp_path / "to/test").iterdir()) == ["s0.png", "s1.png", "s2.png"]
    assert load_alpha(tmp_path / "to/test/s0.png") == pytest.approx(soft_disc(0)[0], abs=0.51 / 255)


def test_a_folder_per_set(tmp_path):
    write_alphas(tmp_path / "from/photos", ["GT01-Trimap1"])
    take_in(tmp_path / "from", "other", ["test", "photos"], tmp_path / "to")
    assert [path.relative_to(tmp_path / "to").as_posix() for path in (tmp_path / "to").rglob("*.png")] == [
        "photos/GT01-Trimap1.png"
    ]


def test_what_cannot_be_taken_in_is_named(tmp_path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match=r"baselines\.folders\.other: .*empty: no images"):
        take_in(tmp_path / "empty", "other", ["test"], tmp_path / "to")
    with pytest.raises(InputError, match=r"baselines\.folders\.other: .*gone: no such folder"):
        take_in(tmp_path / "gone", "other", ["test"], tmp_path / "to")
    with pytest.raises(InputError, match=r"baselines\.folders\.knn: another method has this name"):
        take_in(tmp_path / "empty", "knn", ["test"], tmp_path / "to")


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
