"""AIM-500 and P3M-500 in small: what is listed, scored, and said of a tree that is not whole."""

import json
import shutil

import numpy as np
import pytest
from PIL import Image

from erkd.data.sources.photograph_sets import list_aim500, list_p3m500
from erkd.evaluation.scores import score_set
from erkd.io.files import InputError
from erkd.params import EvaluationSet, load_params
from pipeline.common.sets import list_set, source_of
from tests.support import ROOT

RAMP = np.tile(np.linspace(0, 255, 30).astype(np.uint8), (20, 1))
TRIMAP = np.select([RAMP < 60, RAMP > 190], [0, 255], 128).astype(np.uint8)


def photographs(folder, images, *names):
    """As these sets are stored: JPEGs beside alphas and trimaps as PNG, some of them with three channels."""
    for kind, pixels, suffix in ((images, RAMP, "jpg"), ("mask", RAMP, "png"), ("trimap", TRIMAP, "png")):
        (folder / kind).mkdir(parents=True)
        for name in names:
            colour = kind == images or name == names[0]
            Image.fromarray(np.dstack([pixels] * 3) if colour else pixels).save(folder / kind / f"{name}.{suffix}")


@pytest.fixture
def aim(tmp_path):
    photographs(tmp_path / "aim", "original", "o_1", "o_2")
    kinds = {name: {"type": "SO", "category": kind} for name, kind in (("o_1", "plant"), ("o_2", "toy"))}
    (tmp_path / "aim/aim_category_type.json").write_text(json.dumps(kinds))
    return tmp_path / "aim"


def test_aim500_is_scored(aim, tmp_path):
    params = load_params(ROOT / "params.yaml")
    sets = {"aim": EvaluationSet(layout="aim500", root="aim")}
    params = params.model_copy(update={"evaluate": params.evaluate.model_copy(update={"sets": sets})})
    samples = list_set(tmp_path, params, "aim")
    assert [(sample.sample_id, sample.material) for sample in samples] == [("o_1", "plant"), ("o_2", "toy")]
    for name in ("o_1", "o_2"):
        (tmp_path / "found").mkdir(exist_ok=True)
        Image.fromarray(RAMP if name == "o_1" else TRIMAP).save(tmp_path / f"found/{name}.png")
    (exact, rough) = score_set(samples, tmp_path / "found", {}, tmp_path / "done")
    assert exact.scores.sad == 0
    unknown = TRIMAP == 128
    assert rough.scores.sad == pytest.approx(np.abs(RAMP[unknown] / 255 - 128 / 255).sum() / 1000, rel=1e-4)
    assert source_of(params, "aim") == "aim500"


def test_p3m500_is_listed_by_its_halves(tmp_path):
    photographs(tmp_path / "P3M-500-P", "blurred_image", "p_1", "p_2")
    photographs(tmp_path / "P3M-500-NP", "original_image", "p_1")
    samples = list_p3m500(tmp_path)
    assert [sample.sample_id for sample in samples] == ["P3M-500-P-p_1", "P3M-500-P-p_2", "P3M-500-NP-p_1"]
    assert [sample.group for sample in samples] == ["P3M-500-P", "P3M-500-P", "P3M-500-NP"]
    assert all(path.is_file() for sample in samples for path in (sample.image, sample.trimap, sample.alpha))
    shutil.rmtree(tmp_path / "P3M-500-NP")
    assert list_p3m500(tmp_path) == samples[:2]


def test_what_is_missing_is_said(aim, tmp_path):
    (aim / "aim_category_type.json").write_text('{"o_2": {"type": "SO", "category": "toy"}}')
    with pytest.raises(InputError, match=r"aim_category_type\.json: .*expected; 'o_1'$"):
        list_aim500(aim)
    (aim / "aim_category_type.json").write_text('["o_1", "o_2"]')
    with pytest.raises(InputError, match=r"aim_category_type\.json: .*expected; list"):
        list_aim500(aim)
    (aim / "mask/o_1.png").unlink()
    with pytest.raises(InputError, match=r"original and mask differ in o_1$"):
        list_aim500(aim)
    shutil.rmtree(aim / "trimap")
    with pytest.raises(InputError, match=r"aim: missing trimap; found aim_category_type\.json, mask, original$"):
        list_aim500(aim)
    with pytest.raises(InputError, match=r"aim: neither P3M-500-P nor P3M-500-NP is in this folder; found"):
        list_p3m500(aim)
    with pytest.raises(InputError, match="no such folder"):
        list_p3m500(tmp_path / "nowhere")
