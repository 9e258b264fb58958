"""The stages baselines and evaluate on a small tree, with a stand-in for the student."""

import json

import pytest

import erkd.evaluation.student
from erkd.io.files import InputError, sha256
from erkd.io.images import save_image, save_trimap
from erkd.params import EvaluationSet, load_params
from pipeline import baselines, evaluate
from pipeline.common.sets import list_set
from tests.support import ROOT
from tests.support.small_set import Answering, soft_disc, write_small_set

OUTPUTS = ("reports/metrics.json", "reports/per_image.csv", "data/predictions", "data/baselines")


@pytest.fixture
def params(tmp_path):
    """The project's parameters, and beside the composites a set `photos` in the layout of alphamatting."""
    write_small_set(tmp_path)
    photos = tmp_path / "photos"
    for number, name in enumerate(("GT01", "GT02")):
        alpha, trimap, image = soft_disc(number)
        save_image(image, photos / f"input_training_lowres/{name}.png")
        save_image(alpha, photos / f"gt_training_lowres/{name}.png")
        for group in ("Trimap1", "Trimap2"):
            save_trimap(trimap, photos / f"trimap_training_lowres/{group}/{name}.png")
    loaded = load_params(ROOT / "params.yaml")
    methods = loaded.baselines.model_copy(update={"methods": ["interpolation"]})
    sets = {"photos": EvaluationSet(layout="alphamatting", root="photos")}
    further = loaded.evaluate.model_copy(update={"sets": sets, "bootstrap": 50})
    return loaded.model_copy(update={"baselines": methods, "evaluate": further})


@pytest.fixture
def student(monkeypatch):
    """A student that answers with the trimap, and the folder it is read from."""
    answering = Answering(lambda image, trimap: trimap)
    monkeypatch.setattr(erkd.evaluation.student, "Matter", answering)
    return answering.folders


def test_both_splits_are_scored(tmp_path, params, student):
    baselines.main(tmp_path, params, "test")
    evaluate.main(tmp_path, params, "test")
    assert student == [tmp_path / "models/student"]
    metrics = json.loads((tmp_path / "reports/metrics.json").read_text(encoding="utf-8"))
    assert {group: list(methods) for group, methods in metrics.items()} == {
        "test": ["n", "student", "interpolation"],
        "validation": ["n", "student"],
    }
    assert metrics["test"]["n"] == 3
    test = metrics["test"]
    assert test["student"]["sad_low"] <= test["student"]["sad"] <= test["student"]["sad_high"]
    gap = test["interpolation"]["difference"]["sad"]
    assert gap == pytest.approx(test["student"]["sad"] - test["interpolation"]["sad"], rel=1e-4)
    lines = (tmp_path / "reports/per_image.csv").read_text(encoding="utf-8").splitlines()
    assert len(lines) == 1 + 3 + 3 + 1
    assert (tmp_path / "data/predictions/validation/s3.png").is_file()
    costs = json.loads((tmp_path / "reports/timings/baselines-test-methods.json").read_text(encoding="utf-8"))
    assert costs["interpolation"]["seconds"] > 0
    first = [sha256(tmp_path / output) for output in OUTPUTS]
    baselines.main(tmp_path, params, "test")
    evaluate.main(tmp_path, params, "test")
    assert [sha256(tmp_path / output) for output in OUTPUTS] == first


def test_a_further_set_is_scored_by_its_groups(tmp_path, params, student):
    baselines.main(tmp_path, params, "photos")
    evaluate.main(tmp_path, params, "photos")
    metrics = json.loads((tmp_path / "reports/sets/photos/metrics.json").read_text(encoding="utf-8"))
    assert list(metrics) == ["Trimap1", "Trimap2"]
    assert list(metrics["Trimap2"]) == ["n", "student", "interpolation"]
    assert metrics["Trimap1"] == metrics["Trimap2"]  # the same trimaps in both, and the same resamples
    assert len(list((tmp_path / "data/predictions/photos").iterdir())) == 4
    assert not (tmp_path / "reports/metrics.json").exists()


def test_an_unknown_set_and_a_baseline_that_lacks_a_sample_are_named(tmp_path, params, student):
    with pytest.raises(InputError, match=r"--set fotos: no such set; .* test, validation, photos"):
        list_set(tmp_path, params, "fotos")
    baselines.main(tmp_path, params, "test")
    (tmp_path / "data/baselines/test/interpolation/s1.png").unlink()
    with pytest.raises(InputError, match=r"interpolation: missing: s1\.png;"):
        evaluate.main(tmp_path, params, "test")
