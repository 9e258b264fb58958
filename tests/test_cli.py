"""The command `erkd`, run as users run it."""

import csv
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from erkd.evaluation.folders import match_files, parse_folders
from erkd.evaluation.metrics.official import score
from erkd.io.files import InputError, read_json
from erkd.io.images import load_alpha, load_trimap, save_image, save_trimap
from tests.support.command import erkd, erkd_process
from tests.support.small_set import HEIGHT, WIDTH, soft_disc

NAMES = ["sad", "mse", "grad", "conn", "sad_whole", "mse_whole"]


@pytest.fixture
def folders(tmp_path):
    """--pred, --alpha and --trimap of three samples; the predictions are somewhat off."""
    for number, name in enumerate(("one", "two.x", "three")):
        alpha, trimap, _ = soft_disc(number)
        save_image(np.clip(alpha * 0.9, 0, 1), tmp_path / f"pred/{name}.png")
        save_image(alpha, tmp_path / f"alpha/{name}.png")
        save_trimap(trimap, tmp_path / f"trimap/{name}.png")
    return [option for part in ("pred", "alpha", "trimap") for option in (f"--{part}", tmp_path / part)]


def read_lines(path):
    with path.open(newline="", encoding="utf-8") as stream:
        return list(csv.DictReader(stream))


def test_scores_as_table_json_and_csv(folders, tmp_path):
    outputs = ["--json", tmp_path / "out/scores.json", "--csv", tmp_path / "scores.csv"]
    run = erkd_process("evaluate", *folders, *outputs)
    assert (run.returncode, run.stderr.count("Traceback")) == (0, 0), run.stderr
    for word in ("Mean over 3 images", "unknown region", "whole image", "10³ px", "10⁻³"):
        assert word in run.stdout
    found = read_json(tmp_path / "out/scores.json")
    assert found["n"] == 3
    assert list(found["images"]) == ["one", "three", "two.x"]
    files = [tmp_path / part / "two.x.png" for part in ("pred", "alpha", "trimap")]
    expected = score(load_alpha(files[0]), load_alpha(files[1]), load_trimap(files[2]))
    for name in NAMES:
        assert found["images"]["two.x"][name] == getattr(expected, name)
        assert found["mean"][name] == pytest.approx(np.mean([row[name] for row in found["images"].values()]))
    assert f"{found['mean']['sad']:.4f}" in run.stdout
    assert f"{found['mean']['mse'] * 1000:.4f}" in run.stdout
    lines = read_lines(tmp_path / "scores.csv")
    assert [line["image"] for line in lines] == list(found["images"])
    assert float(lines[2]["conn"]) == expected.conn


def test_baselines_are_scored_beside_with_paired_differences(folders, tmp_path):
    for number, name in enumerate(("one", "two.x", "three")):
        alpha = soft_disc(number)[0]
        save_image(alpha * 0.5, tmp_path / f"half/{name}.png")
        save_image(alpha, tmp_path / f"truth/{name}.png")
    options = [f"--baseline-dir=a half={tmp_path / 'half'}", f"--baseline-dir={tmp_path / 'truth'}"]
    outputs = ["--json", tmp_path / "scores.json", "--csv", tmp_path / "scores.csv"]
    run = erkd("evaluate", *folders, *options, *outputs)
    assert run.returncode == 0, run.stderr
    found = read_json(tmp_path / "scores.json")
    assert list(found["baselines"]) == ["a half", "truth"]
    half = found["baselines"]["a half"]
    gap = half["difference"]
    assert gap["sad"] == pytest.approx(found["mean"]["sad"] - half["mean"]["sad"], rel=1e-4)
    # 0.9 of alpha is nearer than 0.5 on every image
    assert gap["sad_low"] <= gap["sad"] <= gap["sad_high"] < 0
    assert f"{gap['sad']:+.2f}" in " ".join(run.stdout.split())
    assert found["baselines"]["truth"]["images"]["one"]["sad"] == 0
    lines = read_lines(tmp_path / "scores.csv")
    assert [(line["image"], line["method"]) for line in lines][2:5] == [
        ("two.x", "pred"), ("one", "a half"), ("three", "a half"),
    ]  # fmt: skip
    run = erkd("evaluate", *folders, options[0].replace("a half", "a_half & more"), "--latex")
    assert run.returncode == 0, run.stderr
    assert run.stdout.startswith("% Mean over 3 images\n\\begin{tabular}{llrr}\n\\toprule")
    assert "$10^{-3}$" in run.stdout
    assert run.stdout.rstrip().endswith("\\end{tabular}")
    assert all(line.endswith("\\\\") for line in run.stdout.splitlines() if " & " in line)
    assert run.stdout.count("\\end{tabular}") == 2
    assert r"a\_half \& more & " in run.stdout
    assert r"95 \% interval" in run.stdout


def test_missing_and_extra_files_are_listed(folders, tmp_path):
    """Of the predictions, the trimaps and a baseline."""
    (tmp_path / "pred/one.png").unlink()
    (tmp_path / "trimap/three.png").unlink()
    for name in ("pred/other", "base/one", "base/two.x", "base/extra"):
        save_image(np.zeros((HEIGHT, WIDTH), np.float32), tmp_path / f"{name}.png")
    folders += [f"--baseline-dir=base={tmp_path / 'base'}"]
    run = erkd("evaluate", *folders, "--json", tmp_path / "scores.json")
    assert (run.returncode, run.stdout, run.stderr.count("\n")) == (2, "", 1)
    for words in (
        f"missing in {tmp_path / 'base'}: three.png",
        f"extra in {tmp_path / 'base'}: extra.png",
        f"missing in {tmp_path / 'pred'}: one.png",
        f"extra in {tmp_path / 'pred'}: other.png",
        f"missing in {tmp_path / 'trimap'}: three.png",
        "--allow-missing",
    ):
        assert words in run.stderr
    assert not (tmp_path / "scores.json").exists()
    run = erkd("evaluate", *folders, "--allow-missing", "--json", tmp_path / "scores.json")
    assert run.returncode == 0, run.stderr
    assert "one.png" in run.stderr
    assert list(read_json(tmp_path / "scores.json")["images"]) == ["two.x"]
    assert "Mean over 1 image " in run.stdout


def test_other_suffixes_and_trimaps_with_three_equal_channels(folders, tmp_path):
    pred, trimap = tmp_path / "pred/one.png", tmp_path / "trimap/one.png"
    before = erkd("evaluate", *folders).stdout
    Image.open(trimap).convert("RGB").save(trimap)
    Image.open(pred).save(pred.with_suffix(".bmp"))
    pred.unlink()
    (tmp_path / "alpha/notes.txt").write_text("no image", encoding="utf-8")
    assert erkd("evaluate", *folders).stdout == before


def test_folders_that_cannot_be_matched(folders, tmp_path):
    pred, alpha, trimap = folders[1::2]
    for number in range(30):
        save_image(np.zeros((2, 2), np.float32), pred / f"extra{number:02}.png")
    assert match_files(pred, alpha, trimap).unmatched[0].endswith("extra19.png and 10 more")
    save_image(np.zeros((5, 6), np.float32), pred / "one.png")
    run = erkd("evaluate", *folders, "--allow-missing")
    assert run.returncode == 2
    assert f"{pred / 'one.png'}: sizes differ" in run.stderr
    assert "Traceback" not in run.stderr
    (pred / "one.png").write_bytes(b"no image")
    assert f"{pred / 'one.png'}: not a readable image" in erkd("evaluate", *folders, "--allow-missing").stderr
    with pytest.raises(InputError, match="nowhere: no such folder"):
        match_files(tmp_path / "nowhere", alpha, trimap)
    (tmp_path / "empty").mkdir()
    missing = r"nothing to score: missing in .*empty: one\.png, three\.png, two\.x\.png"
    with pytest.raises(InputError, match=missing):
        match_files(tmp_path / "empty", alpha, trimap)
    with pytest.raises(InputError, match="nothing to score: no images in"):
        match_files(*[tmp_path / "empty"] * 3)
    save_image(np.zeros((5, 6), np.float32), pred / "one.jpg")
    with pytest.raises(InputError, match=r"both one\.jpg and one\.png"):
        match_files(pred, alpha, trimap)
    for option in ("student=DIR", "pred=DIR", "DIR"):
        with pytest.raises(InputError, match="is taken; give another, as NAME=DIR"):
            parse_folders(["DIR=elsewhere", option])


@pytest.mark.parametrize(
    ("module", "unwanted"),
    [
        # `--help` comes at once, and the light install has none of the others
        ("erkd.cli", {"torch", "cv2", "numpy", "pandas", "joblib", "pymatting"}),
        ("erkd.evaluation.folders", {"torch", "pandas", "scipy", "pymatting", "numba"}),
    ],
)
def test_imports_stay_light(module, unwanted):
    code = f"import sys, {module}; print(*sorted({unwanted} & set(sys.modules)))"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.split() == []


@pytest.mark.parametrize("command", ["matte", "export", "doctor", "evaluate"])
def test_help_has_an_example(command):
    said = " ".join(erkd("--help").stdout.split())
    assert command in said
    assert "Exit codes: 0 done; 2 " in said
    assert f"Example: erkd {command}" in erkd(command, "--help").stdout
