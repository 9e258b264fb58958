"""Presets change what they name, keep the rest, and carry a tiny benchmark through the whole pipeline."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from ruamel.yaml import YAML

from erkd.experiments.presets import apply_preset
from erkd.io.files import InputError
from erkd.params import load_params
from tests.support import ROOT, official_trees
from tests.support.documents import blocks
from tests.support.project import TINY, clone, merge, run, stages_run

NAMES = sorted(file.stem for file in (ROOT / "presets").glob("*.yaml"))


@pytest.fixture
def root(tmp_path):
    shutil.copy(ROOT / "params.yaml", tmp_path)
    shutil.copytree(ROOT / "presets", tmp_path / "presets")
    (tmp_path / "my data").mkdir()
    return tmp_path


@pytest.mark.parametrize("name", NAMES)
def test_a_preset_makes_sound_parameters_and_keeps_comments(root, name):
    before = load_params(root / "params.yaml")
    path = apply_preset(root, name, root / "my data", root)
    after = load_params(path)
    assert after.data.source == name
    assert after.data.root == str(root / "my data")
    assert (after.distill.crop, after.composite.per_foreground.test) == (512, 20)
    assert (after.student, after.kd, after.seed) == (before.student, before.kd, before.seed)
    assert "# of all randomness" in path.read_text()


def test_mistakes_are_named(root):
    with pytest.raises(InputError, match="no preset 'comp'; there are composition1k, distinctions646"):
        apply_preset(root, "comp", root, root)
    with pytest.raises(InputError, match="nowhere: no such folder"):
        apply_preset(root, "composition1k", root / "nowhere", root)
    (root / "presets/old.yaml").write_text("data: {sauce: 1}\n")
    with pytest.raises(InputError, match=r"old\.data\.sauce: params\.yaml has no such setting"):
        apply_preset(root, "old", root, root)


@pytest.mark.nightly
@pytest.mark.parametrize("name", NAMES)
def test_a_tiny_benchmark_goes_through_the_whole_pipeline(tmp_path, name):
    data = getattr(official_trees, name)(tmp_path / "data", np.random.default_rng(0), size=96)
    project = clone(tmp_path / "project", {})
    take_over, repro = blocks(ROOT / "docs/guides/benchmarks.md", "sh")[0].splitlines()
    take_over = take_over.replace("composition1k", name)
    run(take_over, project, DATA=str(data), BACKGROUNDS=str(data / "backgrounds"))
    shrink(project / "params.yaml")
    ran = stages_run(run(repro, project))
    assert {"library", "composite", "trimap", "validate", "distill", "evaluate", "register", "report"} <= set(ran)
    assert json.loads((project / "reports/metrics.json").read_text())["test"]["n"] == 40
    page = (project / "reports/index.html").read_text()
    for licence in ("research use", "COCO train2014", "PASCAL VOC 2012"):
        assert licence in page
    official = "boy-1_1920_9_img_19" if name == "composition1k" else "test_39"
    assert (project / f"data/predictions/test/{official}.png").is_file()


def shrink(path: Path) -> None:
    """Few foregrounds, few steps; what the preset says of the test set stays."""
    yaml = YAML()
    settings = yaml.load(path)
    merge(settings, {key: value for key, value in TINY.items() if key not in ("data", "composite")})
    counts = {"foregrounds": {"validation": 1}, "backgrounds": {"train": 9, "validation": 2}}
    merge(settings, {"data": counts, "composite": {"per_foreground": {"train": 2, "validation": 2}}})
    yaml.dump(settings, path)
