"""The registered experiment as its user runs it, in a clone with tiny parameters. Tests build on one another."""

import csv

import pytest
import torch
from ruamel.yaml import YAML
from safetensors.torch import load_file

from erkd.experiments.trials import prepare_trial, read_trials
from erkd.io.files import read_json, sha256
from erkd.params import load_params
from erkd.training.train import train_student
from tests.support import ROOT
from tests.support.documents import blocks
from tests.support.photo import photographs
from tests.support.project import TINY, clone, merge, run, stages_run

pytestmark = pytest.mark.nightly
SEEDS = {"plain": [11, 12], "erkd": [11, 12], "matting": [11], "erkd_words": [11]}
TRIALS = [f"{arm}/{seed}" for arm, seeds in SEEDS.items() for seed in seeds]
RUN_ALL, TWO_AT_A_TIME, WITHOUT_DVC, OWN = blocks(ROOT / "docs/guides/ablation.md", "sh")
FEW = {"contrasts": [["erkd", "plain"], ["matting", "plain"]], "trials": {"words": {"teacher": TINY["teacher"]}}}


@pytest.fixture(scope="module")
def given(tmp_path_factory):
    return photographs(tmp_path_factory.mktemp("given"))


@pytest.fixture(scope="module")
def ablated(tmp_path_factory, given):
    """A clone after the guide's first commands, which printed what output.txt holds."""
    folder = clone(tmp_path_factory.mktemp("ablation") / "erkd", {})
    for name, changes in (("params", TINY), ("trials", FEW)):
        yaml = YAML()
        settings = yaml.load(folder / f"ablation/{name}.yaml")
        merge(settings, changes)
        if name == "trials":
            settings["seeds"] = SEEDS
        yaml.dump(settings, folder / f"ablation/{name}.yaml")
    run("git commit -qam few", folder)
    (folder / "output.txt").write_text(run(RUN_ALL, folder, PHOTOGRAPHS=str(given)))
    return folder


def lines(path):
    with path.open(newline="") as stream:
        return list(csv.DictReader(stream))


def test_one_command_runs_every_trial_and_compares_them(ablated):
    ran = {name.split(":")[1] for name in stages_run((ablated / "output.txt").read_text())}
    made = {f"{stage}@{arm}" for stage in ("trial", "score") for arm in SEEDS}
    assert made | {"words", "matting_teacher", "table"} < ran
    table = lines(ablated / "ablation/table.csv")
    assert [(f"{row['arm']}/{row['seed']}", row["set"]) for row in table] == [
        (name, set) for name in TRIALS for set in ("photographs", "test")
    ]
    head = run("git rev-parse HEAD", ablated).strip()
    assert {row["commit"] for row in table} == {head}
    assert all(float(row["sad"]) > 0 and float(row["seconds"]) > 0 and row["steps"] == "4" for row in table)
    text = (ablated / "ablation/table.md").read_text()
    assert text.startswith("On 2 photographs ERKD changes SAD by ")
    assert (ablated / "ablation/contrasts.png").stat().st_size > 10_000


def test_git_sees_the_results_and_the_students_of_three_arms(ablated):
    status = run("git status --porcelain -uall ablation", ablated).splitlines()
    listed = [line[3:] for line in status if not line.startswith(" D")]  # seeds that FEW leaves out are deleted
    expected = {"dvc.lock", "table.csv", "table.md", "contrasts.png", "runs/teacher/0.json"}
    expected |= {f"runs/{name}.json" for name in TRIALS} | {f"scores/{name}.csv" for name in TRIALS}
    expected |= {f"students/{name}/student.{end}" for name in TRIALS[:4] for end in ("json", "safetensors")}
    assert {name.removeprefix("ablation/") for name in listed} == expected


def test_arms_of_a_seed_share_data_and_one_has_features_of_its_own(ablated):
    root = ablated / "ablation/trials"
    shared, own = (root / f"{name}/data/features" for name in ("erkd-11", "erkd_words-11"))
    assert shared.resolve() == ablated / "ablation/data/features"
    assert own.resolve() == root / "words-0/data/features"
    assert (root / "erkd_words-11/data/library").resolve() == ablated / "ablation/data/library"


def test_two_at_a_time_nothing_is_left_to_do_and_one_arm_repeats_its_weights(ablated):
    name = "ablation/students/plain/11/student.safetensors"
    before, scores = sha256(ablated / name), lines(ablated / "ablation/scores/plain/11.csv")
    assert stages_run(run(TWO_AT_A_TIME, ablated)) == ["ablation/dvc.yaml:trial@plain"]
    assert sha256(ablated / name) == before
    run("dvc repro ablation/dvc.yaml", ablated)
    assert lines(ablated / "ablation/scores/plain/11.csv") == scores


def test_without_dvc_a_new_trial_is_taken_over_and_not_repeated(ablated):
    """DVC's lock of all of them is made from nothing."""
    (ablated / "ablation/dvc.lock").unlink()
    run(WITHOUT_DVC, ablated)
    assert read_json(ablated / "ablation/runs/plain/11.json")["steps"] == 4
    assert stages_run(run("dvc repro ablation/dvc.yaml", ablated)) == []


def test_the_students_answer_on_other_photographs(ablated, given):
    printed = run(OWN, ablated, PHOTOGRAPHS=str(given))
    assert "| ERKD / plain training | 2 | " in printed


def test_every_trial_is_a_run_in_mlflow(ablated):
    code = (
        "import mlflow; from pathlib import Path; from erkd.tracking.store import store_uri\n"
        "mlflow.set_tracking_uri(store_uri(Path('.')))\n"
        "runs = mlflow.search_runs(search_all_experiments=True, output_format='list')\n"
        "print(sorted({run.data.tags.get('DVC_STAGE') for run in runs} - {None}))"
    )
    (ablated / "query.py").write_text(code)
    printed = run("PYTHONPATH=. python -W ignore query.py", ablated).splitlines()[-1]
    assert all(f"trial@{arm}" in printed for arm in SEEDS)


def test_a_changed_arm_is_run_again_and_no_other(ablated):
    yaml = YAML()
    settings = yaml.load(ablated / "ablation/trials.yaml")
    settings["trials"]["erkd"]["kd"]["weight"] = 0.5
    yaml.dump(settings, ablated / "ablation/trials.yaml")
    ran = [name.split(":")[1] for name in stages_run(run("dvc repro ablation/dvc.yaml", ablated))]
    assert sorted(ran) == ["score@erkd", "table", "trial@erkd"]
    assert all(
        row["commit"].endswith("+changes") for row in lines(ablated / "ablation/table.csv") if row["arm"] == "erkd"
    )


def test_methods_of_a_seed_share_first_weights_and_batches(ablated):
    """Trained at a rate of next to nothing, every method leaves the weights that it started from, and BatchNorm's
    statistics of the batches that it saw: the same for all methods of a seed (but for what a variance rounds to when
    a weight moves by its last bit), others for another seed."""
    root = ablated / "ablation"

    def trained(name, seed):
        trial = prepare_trial(root, name, seed)
        params = load_params(trial.folder / "params.yaml")
        still = params.distill.model_copy(update={"steps": 2, "learning_rate": 1e-12, "weight_decay": 0.0})
        params = params.model_copy(update={"distill": still})
        train_student(trial.folder, params, lambda step, record: None)
        weights = load_file(trial.folder / "models/student/student.safetensors")
        return torch.cat([value.flatten().double() for value in weights.values()])

    others = {"teacher", "words", "erkd_words", "erkd_no_erm", "erkd_no_text"}  # other students, or prompts
    names = [name for name in read_trials(root)["trials"] if name not in others]
    assert len(names) >= 8
    plain = trained("plain", 1)
    assert {name: (trained(name, 1) - plain).abs().max() < 1e-5 for name in names} == dict.fromkeys(names, True)
    assert (trained("plain", 2) - plain).abs().max() > 0.1
