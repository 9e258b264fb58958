"""Wrong trimaps, predicted and scored, with a stand-in for the student."""

import json

import numpy as np
import pytest

import erkd.evaluation.student
from erkd.data.wrong_trimaps import VARIANTS
from erkd.evaluation.robustness import GIVEN
from erkd.params import load_params
from pipeline import baselines, evaluate, robustness, wrong_trimaps
from tests.support import ROOT
from tests.support.small_set import Answering, write_small_set


@pytest.fixture
def params(tmp_path, monkeypatch):
    write_small_set(tmp_path)
    monkeypatch.setattr(erkd.evaluation.student, "Matter", Answering(lambda image, trimap: np.sqrt(trimap / 255)))
    loaded = load_params(ROOT / "params.yaml")
    methods = loaded.baselines.model_copy(update={"methods": ["interpolation", "closed_form"]})
    tried = loaded.wrong_trimaps.model_copy(update={"images": 2, "methods": ["interpolation"]})
    fewer = loaded.evaluate.model_copy(update={"bootstrap": 50})
    return loaded.model_copy(update={"baselines": methods, "wrong_trimaps": tried, "evaluate": fewer})


def run_all(root, params):
    wrong_trimaps.main(root, params)
    baselines.main(root, params, "test")
    evaluate.main(root, params, "test")
    robustness.main(root, params)
    return json.loads((root / "reports/robustness.json").read_text(encoding="utf-8"))


def test_every_variant_is_scored_beside_the_same_images_as_drawn(tmp_path, params):
    found = run_all(tmp_path, params)
    assert list(found) == [GIVEN, *VARIANTS]
    for group in found.values():
        assert list(group) == ["n", "student", "interpolation"]  # closed form was not tried
        assert group["n"] == 2
        student, other = group["student"], group["interpolation"]
        assert set(student) == {"sad", "sad_whole", "sad_whole_low", "sad_whole_high"}
        assert student["sad_whole_low"] <= student["sad_whole"] <= student["sad_whole_high"]
        gap = student["sad_whole"] - other["sad_whole"]
        assert other["difference"]["sad_whole"] == pytest.approx(gap, abs=1e-4)
        # what the trimap forces is the same for all
        assert student["sad"] - other["sad"] == pytest.approx(gap, abs=1e-4)
    assert found["wrong"]["student"]["sad_whole"] > found["wrong"]["student"]["sad"]
    assert found[GIVEN]["student"] != found["wide"]["student"]


def test_no_images_no_variants(tmp_path, params):
    none = params.wrong_trimaps.model_copy(update={"images": 0})
    assert run_all(tmp_path, params.model_copy(update={"wrong_trimaps": none})) == {}
    assert (tmp_path / "data/wrong_trimaps").is_dir()  # DVC expects its outputs
    assert (tmp_path / "data/predictions/wrong_trimaps").is_dir()
