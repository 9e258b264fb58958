"""The students that ship are what cards and documents say; publishing and replaying work on small ones."""

import csv
import shutil
from dataclasses import asdict, replace

import cv2
import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from skimage import data

from benchmarks.release import readme_table, results_table
from erkd import Matter
from erkd.experiments.release import WEIGHTS, ReleaseRow, hours_added, publish
from erkd.io.files import read_json, sha256, write_json
from erkd.io.tables import LayerRow, read_results, write_table
from erkd.params import load_params
from erkd.students.student import save_student
from pipeline import release
from tests.support import ROOT
from tests.support.photo import photo
from tests.support.students import small_student

SIZES = sorted(folder.name for folder in WEIGHTS.glob("*/"))
MOST_PARAMETERS = {"nano": 0.4e6, "small": 1.2e6, "base": 3.5e6}


@pytest.mark.parametrize("size", SIZES)
def test_shipped_weights_are_those_of_their_card(size):
    card = read_json(WEIGHTS / size / "card.json")
    assert card["sha256"] == sha256(WEIGHTS / size / "student.safetensors")
    assert read_json(WEIGHTS / size / "onnx.json")["student_sha256"] == card["sha256"]
    assert card["parameters"] == read_json(WEIGHTS / size / "student.json")["parameters"]
    assert card["parameters"] <= MOST_PARAMETERS[size]
    with (WEIGHTS / size / "history.csv").open() as stream:
        assert len([*csv.DictReader(stream)]) == card["steps"]


def test_what_ships_is_small():
    assert "small" in SIZES
    assert sum(file.stat().st_size for file in WEIGHTS.rglob("*") if file.is_file()) <= 20e6


@pytest.mark.parametrize("size", SIZES)
def test_shipped_students_matte(size):
    image, trimap = photo(200, 160)
    alphas = [Matter.load(WEIGHTS / size / file)(image, trimap) for file in ("student.onnx", ".")]
    np.testing.assert_allclose(*alphas, atol=1e-6)
    assert np.all(alphas[0][trimap == 255] == 1)
    assert np.all(alphas[0][trimap == 0] == 0)


@pytest.mark.slow
@pytest.mark.parametrize("size", SIZES)
def test_tiles_of_a_photograph_are_the_whole(size):
    """The bars of tests/inference/test_tiles.py, on a photograph: how far a student looks, it learns in training."""
    image = cv2.resize(data.astronaut(), (1600, 1600), interpolation=cv2.INTER_CUBIC)
    rows, columns = np.ogrid[:1600, :1600]
    radius = np.hypot(rows - 900, columns - 750)
    trimap = np.select([radius < 350, radius > 650], [255, 0], 128).astype(np.uint8)
    whole, tiled = (Matter.load(WEIGHTS / size, "cpu", tile)(image, trimap) for tile in (1600, None))
    difference = np.abs(tiled - whole)[trimap == 128]
    assert 0 < difference.mean() <= 0.002
    assert difference.max() <= 0.03


def test_the_shipped_student_is_the_default():
    assert str(WEIGHTS / "small") in Matter.load(device="cpu").engine.name


def test_documents_and_cards_state_the_figures_of_the_scores():
    rows = read_results(ROOT / "release/scores.csv", ReleaseRow, "scores")
    assert f"\n{readme_table(rows)}\n<!-- end -->" in (ROOT / "README.md").read_text(encoding="utf-8")
    assert f"\n{results_table(rows)}\n<!-- end -->" in (ROOT / "docs/results.md").read_text(encoding="utf-8")
    assert readme_table(rows).count("\n") == 8  # seven methods
    for size in SIZES:
        own = {row.set: asdict(row) for row in rows if row.method == size}
        assert read_json(WEIGHTS / size / "card.json")["scores"] == own


@pytest.mark.slow
def test_publishing_leaves_a_usable_folder(tmp_path):
    params = load_params(ROOT / "params.yaml")
    save_student(small_student().eval(), tmp_path / "models/student", {"best": {"sad": 1.0}})
    (tmp_path / "reports").mkdir()
    (tmp_path / "reports/history.csv").write_text("step,loss\n1,0.5\n")
    layer = LayerRow(
        "a", "background", "train", "procedural", "CC0-1.0 (X, x.jpg)", "picture", "a.png", "", 9, 9, 0, "a"
    )
    write_table([layer, replace(layer, layer_id="b", licence="CC0-1.0 (Y)")], tmp_path / "data/library/library.csv")
    publish(tmp_path, params, tmp_path / "published", 1.2345)
    assert Matter.load(tmp_path / "published")(*photo(64, 64)).shape == (64, 64)
    stored = load_file(tmp_path / "published/student.safetensors")
    assert {value.dtype for value in stored.values() if value.is_floating_point()} == {torch.float16}
    card = read_json(tmp_path / "published/card.json")
    assert card["sha256"] == sha256(tmp_path / "published/student.safetensors")
    assert card["settings"]["distill"]["steps"] == params.distill.steps
    assert card["hours"] == 1.23
    assert card["data_licences"] == ["CC0-1.0 (X, Y)"]


def test_the_hours_of_all_pieces_count(tmp_path, monkeypatch):
    monkeypatch.setattr("time.monotonic", iter([0.0, 1800.0, 9000.0, 12600.0]).__next__)
    with hours_added(tmp_path / "hours.json"):
        pass
    with pytest.raises(KeyboardInterrupt), hours_added(tmp_path / "hours.json"):
        raise KeyboardInterrupt
    assert read_json(tmp_path / "hours.json") == 1.5


def test_a_training_in_pieces_is_published_once_and_leaves_nothing(tmp_path, monkeypatch):
    """Of other settings nothing is taken up."""
    for name in ("params.yaml", "trials.yaml"):
        shutil.copy(ROOT / "release" / name, tmp_path)
    params, given, published = load_params(tmp_path / "params.yaml"), [], []

    def train(project, own, log, unfinished, minutes):
        given.append((unfinished, minutes))
        unfinished.mkdir(exist_ok=True)
        return minutes is None

    monkeypatch.setattr("time.monotonic", lambda: 0.0)
    monkeypatch.setattr(release, "train_student", train)
    monkeypatch.setattr(release, "publish", lambda *arguments: published.append(arguments))
    release.main(tmp_path, params, "small", "0.5")
    assert (given[0][0].is_dir(), published) == (True, [])
    release.main(tmp_path, params, "small", "")
    assert [given[0][0], 0.5, None] == [given[1][0], given[0][1], given[1][1]]
    assert (given[0][0].exists(), [*published[0]][2]) == (False, WEIGHTS / "small")
    text = (tmp_path / "params.yaml").read_text()
    (tmp_path / "params.yaml").write_text(text.replace("max_radius: 60", "max_radius: 61"))
    release.main(tmp_path, load_params(tmp_path / "params.yaml"), "small", "0.5")
    assert given[2][0] != given[0][0]


def test_all_trials_are_trained_in_turn_until_time_is_up(tmp_path, monkeypatch, capsys):
    """What is published as settings say is left, unless its start changed."""
    shutil.copy(ROOT / "release/params.yaml", tmp_path)
    trials = "trials:\n  small: {distill: {init_from: ../../starts/small}}\n  nano: {}\n"
    (tmp_path / "trials.yaml").write_text(trials)
    start = tmp_path / "starts/small/student.safetensors"
    start.parent.mkdir(parents=True)
    start.write_text("given")
    params, clock, trained = load_params(tmp_path / "params.yaml"), [0.0], []

    def train(project, own, log, unfinished, minutes):
        trained.append((project.name, minutes))
        clock[0] += 60
        unfinished.mkdir(exist_ok=True)
        return minutes is None or minutes >= 1

    def publish(project, own, folder, hours):
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "student.safetensors").write_text(folder.name)
        given = sha256(project / own.distill.init_from / "student.safetensors") if own.distill.init_from else None
        write_json({"training": {"init_from_sha256": given}}, folder / "student.json")
        write_json({"settings": own.model_dump(mode="json")}, folder / "card.json")

    monkeypatch.setattr("time.monotonic", lambda: clock[0])
    monkeypatch.setattr(release, "train_student", train)
    monkeypatch.setattr(release, "publish", publish)
    monkeypatch.setattr(release, "WEIGHTS", tmp_path / "weights")
    release.main(tmp_path, params, "all", "1.5")
    assert trained == [("small-0", 1.5), ("nano-0", 0.5)]
    assert "1 of 2 trials are there; the same command goes on with nano" in capsys.readouterr().err
    release.main(tmp_path, params, "all", "")
    assert [name for name, _ in trained[2:]] == ["nano-0"]
    assert sorted(folder.name for folder in (tmp_path / "weights").iterdir()) == ["nano", "small"]
    start.write_text("another")
    release.main(tmp_path, params, "all", "")
    assert [name for name, _ in trained[3:]] == ["small-0"]
    text = (tmp_path / "params.yaml").read_text()
    (tmp_path / "params.yaml").write_text(text.replace("steps: 4500", "steps: 4501"))
    release.main(tmp_path, load_params(tmp_path / "params.yaml"), "all", "")
    assert [name for name, _ in trained[4:]] == ["small-0", "nano-0"]
