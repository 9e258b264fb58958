"""Trials: what each arm of the experiment changes, where it works, its record, and its student in float16."""

import shutil
from dataclasses import asdict

import numpy as np
import pytest
from ruamel.yaml import YAML

from benchmarks.experiment import score_all
from erkd import Matter
from erkd.experiments import trials
from erkd.experiments.image_scores import ImageRow, read_scores
from erkd.experiments.student_scores import score_student
from erkd.experiments.trial_students import publish_half
from erkd.experiments.trials import (
    Run,
    Trial,
    own_features,
    prepare_trial,
    read_runs,
    read_trials,
    registered_trials,
    seeds_of,
    timed,
)
from erkd.io.files import InputError, read_json, write_json
from erkd.io.images import save_image
from erkd.io.tables import Sample, read_results, write_results
from erkd.params import load_params
from erkd.students.student import load_student, save_student
from tests.support import ROOT
from tests.support.photo import photo
from tests.support.students import small_student

COMMITTED = read_trials(ROOT / "ablation")
METHODS = {
    "plain": [], "teacher": [], "erkd_matting": ["erkd", "matting"],
    "matting": ["matting"], "bcd": ["bcd"], "frskd": ["frskd"], "ffcl": ["ffcl"],
}  # fmt: skip
ARMS = [*COMMITTED["seeds"]]


@pytest.fixture
def root(tmp_path):
    """The experiment's settings in an empty folder."""
    for name in ("params.yaml", "trials.yaml"):
        shutil.copy(ROOT / "ablation" / name, tmp_path)
    return tmp_path


def test_the_committed_arms_seeds_and_contrasts():
    assert {*ARMS} == {*COMMITTED["trials"]} - {"teacher", "words"} == {*COMMITTED["titles"]}
    assert {arm for pair in COMMITTED["contrasts"] for arm in pair} == {*ARMS}
    assert COMMITTED["contrasts"][0] == ["erkd", "plain"]
    seeds = [*COMMITTED["seeds"].values()]
    assert all(few == seeds[0][: len(few)] for few in seeds)  # so that every contrast has common seeds
    assert len(registered_trials(ROOT / "ablation")) == 3 * 12 + 6 + 11 * 3
    assert all(0 < seed < 100 for seed in seeds[0])  # 0 is the shared data's, others for choosing


@pytest.mark.parametrize("name", COMMITTED["trials"])
def test_a_trial_is_a_project_with_valid_parameters(root, name):
    trial = prepare_trial(root, name, 3)
    params, shared = load_params(trial.folder / "params.yaml"), load_params(root / "params.yaml")
    assert (trial.folder, params.seed) == (root / f"trials/{name}-3", 3)
    (root / "data").mkdir()
    (root / "trials/words-0/data").mkdir(parents=True)
    source = "trials/words-0/data" if name == "erkd_words" else "data"
    assert (trial.folder / "data").resolve() == root / source
    assert params.kd.methods == METHODS.get(name, ["erkd"])
    own = {"photographs": shared.distill.photographs}  # ERKD's alone; the others take no notice
    assert params.distill.model_copy(update=own) == shared.distill  # equal steps, batches and crops
    assert (params.data, params.composite) == (shared.data, shared.composite)
    assert (params.student == shared.student) == (name not in ("erkd_no_erm", "erkd_no_text", "teacher"))


def test_the_recipe_is_that_of_the_release(root):
    """But for size and steps, and what is drawn to score on."""
    released, ours = (load_params(path / "params.yaml") for path in (ROOT / "release", root))
    assert ours.distill.model_copy(update={"steps": released.distill.steps}) == released.distill
    assert ours.student.model_copy(update={"size": released.student.size}) == released.student
    assert (ours.trimap, ours.teacher, ours.features) == (released.trimap, released.teacher, released.features)
    assert ours.kd.erkd == released.kd.erkd
    assert (ours.data.size, ours.data.foregrounds.train) == (released.data.size, released.data.foregrounds.train)


def test_seeds_of_a_trial_differ_in_the_seed_alone(root):
    first, second = (load_params(prepare_trial(root, "erkd", seed).folder / "params.yaml") for seed in (1, 2))
    assert first.model_copy(update={"seed": 2}) == second


def test_unknown_trials_and_settings_are_named(root):
    with pytest.raises(InputError, match=r"trials\.yaml: no trial 'erkd_fast'; there are plain, "):
        prepare_trial(root, "erkd_fast", 1)
    yaml = YAML()
    settings = yaml.load(root / "trials.yaml")
    settings["trials"]["erkd"]["kd"]["wieght"] = 2.0
    yaml.dump(settings, root / "trials.yaml")
    with pytest.raises(InputError, match=r"erkd\.kd\.wieght: params\.yaml has no such setting"):
        prepare_trial(root, "erkd", 1)
    with pytest.raises(InputError, match="--root ablation"):
        read_trials(root / "elsewhere")
    with pytest.raises(InputError, match=r"trials\.yaml: no seeds of 'teacher'; .* or give --seed"):
        seeds_of(root, "teacher")
    with pytest.raises(InputError, match="--seed x: a whole number"):
        seeds_of(root, "plain", "x")


def test_a_trial_with_features_of_its_own_shares_the_rest(root):
    for name in ("library", "features"):
        (root / "data" / name).mkdir(parents=True)
    trial = prepare_trial(root, "words", 0)
    for _ in range(2):  # as when it is run again
        own_features(trial)
        prepare_trial(root, "words", 0)
    (trial.folder / "data/features").mkdir()
    assert (trial.folder / "data/library").resolve() == root / "data/library"
    learner = prepare_trial(root, "erkd_words", 1).folder / "data"
    assert (learner / "features").resolve() == trial.folder / "data/features"
    assert [*(root / "data/features").iterdir()] == []
    (root / "trials.yaml").write_text((root / "trials.yaml").read_text().replace("erkd_words: words-0", ""))
    assert (prepare_trial(root, "erkd_words", 1).folder / "data").resolve() == root / "data"


def test_a_run_in_pieces_keeps_its_start_and_adds_its_seconds(tmp_path, monkeypatch):
    monkeypatch.setattr(trials, "processor_seconds", iter([10.0, 40.0, 100.0, 105.5]).__next__)
    monkeypatch.setattr(trials, "git", lambda root, command, *_: "abc" if command == "rev-parse" else " M erkd/x.py")
    with pytest.raises(KeyboardInterrupt), timed(tmp_path / "run.json", tmp_path):
        raise KeyboardInterrupt
    begun = read_json(tmp_path / "run.json")
    monkeypatch.setattr(trials, "git", lambda *arguments: "")
    with timed(tmp_path / "run.json", tmp_path):
        pass
    assert read_json(tmp_path / "run.json") == begun | {"seconds": 35.5}
    assert begun["commit"] == "abc+changes"
    assert begun["started"].endswith("Z")


def test_a_student_in_float16_mattes_as_it_did_and_is_half_as_large(tmp_path):
    student = small_student().eval()
    save_student(student, tmp_path / "whole", {"seed": 3})
    publish_half(tmp_path / "whole", tmp_path / "half")
    alphas = [Matter.load(tmp_path / name, "cpu")(*photo(96, 64)) for name in ("whole", "half")]
    np.testing.assert_allclose(*alphas, atol=5e-3)
    sizes = [(tmp_path / name / "student.safetensors").stat().st_size for name in ("whole", "half")]
    assert sizes[1] < 0.56 * sizes[0]
    assert read_json(tmp_path / "half/student.json")["training"] == {"seed": 3}
    assert {value.dtype for value in load_student(tmp_path / "half").parameters()} == {
        value.dtype for value in student.parameters()
    }


def test_a_student_is_scored_image_by_image_and_the_table_is_read_again(root):
    image, trimap = photo(64, 64)
    files = {"image": image, "trimap": trimap, "alpha": trimap}
    for name, content in files.items():
        save_image(content, root / f"{name}.png")
    paths = {name: root / f"{name}.png" for name in files}
    samples = [Sample(f"GT01-{group}", **paths, group=group) for group in ("Trimap1", "Trimap2")]
    trial = Trial(root, "erkd", 2)
    save_student(small_student().eval(), trial.student, {})
    sets = {"photographs": samples, "test": [Sample("c7", **paths, group="test")]}
    rows = score_student(trial.student, sets, "cpu")
    assert [(row.set, row.image, row.trimap) for row in rows] == [
        ("photographs", "GT01", "Trimap1"), ("photographs", "GT01", "Trimap2"), ("test", "c7", "test")
    ]  # fmt: skip
    assert rows[0].sad > 0
    write_results(rows, trial.scores)
    assert read_results(trial.scores, ImageRow, "scores") == rows
    everywhere = score_all(root / "students", samples)
    assert everywhere[["arm", "seed", "sad"]].to_numpy().tolist() == [["erkd", 2, row.sad] for row in rows[:2]]
    with pytest.raises(InputError, match="none: no students"):
        score_all(root / "none", samples)
    table = read_scores([Trial(root, "plain", 1), trial])
    assert [*table[["arm", "seed"]].itertuples(index=False, name=None)] == [("erkd", 2)] * 3
    assert table["sad"].tolist() == [row.sad for row in rows]
    assert read_scores([]).empty
    trial.scores.write_text("set,image\na,b\n")
    with pytest.raises(InputError, match=r"erkd/2\.csv: not a table of scores"):
        read_scores([trial])


def test_records_of_trials_that_have_run(root):
    first, second = Trial(root, "plain", 1), Trial(root, "plain", 2)
    run = Run("2026-11-26T17:00:00Z", "abc", 9, 1.5, "x", 7)
    write_json(asdict(run), first.record)
    assert read_runs([first, second]) == {first: run}
    write_json({"started": "now"}, second.record)
    with pytest.raises(InputError, match=r"plain/2\.json: not a trial's record"):
        read_runs([first, second])
