"""Typed parameters: every mistake at once, with its path."""

import re
import shutil
import subprocess
import sys

import pytest
import yaml

from erkd.io.files import InputError
from erkd.params import flatten, in_words, load_params
from tests.support import ROOT


def changed(tmp_path, *replacements):
    text = (ROOT / "params.yaml").read_text(encoding="utf-8")
    for old, new in replacements:
        assert old in text
        text = text.replace(old, new, 1)
    (tmp_path / "params.yaml").write_text(text, encoding="utf-8")
    return tmp_path / "params.yaml"


def test_scientific_notation_as_dvc_writes_it_is_a_number(tmp_path):
    path = changed(tmp_path, ("tolerance: 0.0001", "tolerance: 1e-5"))
    assert load_params(path).export.tolerance == 1e-5


HOME = "Büro [1], a {b}/c"  # a path with what Hydra's grammar has uses for
OVERRIDES = {  # as `dvc exp run -S` takes them one after the other, and what is there then
    "distill.laplacian=0.3": ("distill.laplacian", 0.3),
    "kd.methods=[]": ("kd.methods", []),
    "kd.methods=[erkd, bcd]": ("kd.methods", ["erkd", "bcd"]),
    f"+evaluate.sets.photos={{layout: alphamatting, root: '{HOME}'}}": (
        "evaluate.sets", {"photos": {"layout": "alphamatting", "root": HOME}},
    ),
    f"+baselines.folders.x='{HOME}'": ("baselines.folders", {"x": HOME}),
    "~evaluate.sets.photos": ("evaluate.sets", {}),
    "~baselines.folders.x": ("baselines.folders", {}),
    "baselines.methods=[]": ("baselines.methods", []),
    "features.kinds=[layers, composites]": ("features.kinds", ["layers", "composites"]),
    "wrong_trimaps.methods=[]": ("wrong_trimaps.methods", []),
    "data.root=null": ("data.root", None),
    "kd.methods=[ ]": ("kd.methods", []),
}  # fmt: skip


@pytest.mark.parametrize("folder", ["", "ablation", "release"])
def test_no_comment_stands_behind_a_list(folder):
    """DVC's writer turns lists into blocks, and breaks the file where one with a comment behind it is emptied."""
    text = (ROOT / folder / "params.yaml").read_text(encoding="utf-8")
    assert re.findall(r".*[\]}] +#.*", text) == []


def test_settings_changed_by_dvc_one_after_the_other_stay_whole(tmp_path):
    from dvc.utils.hydra import apply_overrides

    path = tmp_path / "params.yaml"
    shutil.copy(ROOT / "params.yaml", path)
    expected = yaml.safe_load(path.read_text(encoding="utf-8"))
    for override, (key, value) in OVERRIDES.items():
        apply_overrides(path, [override])
        *sections, last = key.split(".")
        inner = expected
        for section in sections:
            inner = inner[section]
        inner[last] = value
        assert yaml.safe_load(path.read_text(encoding="utf-8")) == expected, override


def test_all_mistakes_are_named_with_path_finding_and_rule(tmp_path):
    path = changed(
        tmp_path,
        ("seed: 0", "sede: 0"),
        ("crop: ", "crop: large # "),
        ("methods: [erkd]", "methods: [none]"),
        ("warmup: 0.0 ", "warmup: -1 "),
    )
    with pytest.raises(InputError) as error:
        load_params(path)
    message = str(error.value)
    for part in (
        "5 mistake(s)",
        "seed: missing key",
        "sede: unknown key (value 0)",
        "distill.crop: expected a valid integer; found 'large' (str)",
        "kd.methods.0: expected 'erkd', 'bcd', 'frskd', 'ffcl', 'fb' or 'matting'; found 'none' (str)",
        "kd.warmup: expected greater than or equal to 0; found -1 (int)",
    ):
        assert part in message


def test_a_stage_says_it_in_one_message_without_a_traceback(tmp_path):
    changed(tmp_path, ("seed: 0", "seed: -1"), ("device: auto", "device: tpu"), ("opset: 18", "opset: 1"))
    command = [sys.executable, "-m", "pipeline.library", "--root", str(tmp_path)]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert run.returncode == 2
    assert "3 mistake(s)" in run.stderr
    assert "Traceback" not in run.stderr


def test_other_content_and_no_file_are_refused(tmp_path):
    with pytest.raises(InputError, match="--root"):
        load_params(tmp_path / "params.yaml")
    for content in ("a: [", "- 1", ""):
        (tmp_path / "params.yaml").write_text(content)
        with pytest.raises(InputError, match=r"params\.yaml"):
            load_params(tmp_path / "params.yaml")


def test_flatten_keeps_values_and_in_words_says_them():
    content = {"kd": {"methods": ["a", "b"], "erkd": {"weight": 0.5}}, "root": None, "sets": {}, "on": True}
    flat = flatten(content)
    assert flat == {
        "kd.methods": ["a", "b"], "kd.erkd.weight": 0.5, "root": None, "sets": {}, "on": True,
    }  # fmt: skip
    assert [in_words(value) for value in flat.values()] == ["a, b", "0.5", "none", "none", "True"]
