"""Trials of the ablation: what each changes, where it works, and its table."""

import shutil

import pytest
from ruamel.yaml import YAML

from erkd.experiments.trials import Trial, TrialRow, list_rows, prediction_milliseconds, prepare_trial, read_trials
from erkd.io.files import InputError, write_json
from erkd.io.tables import read_results, write_results
from erkd.params import load_params
from tests.support import ROOT

COMMITTED = read_trials(ROOT / "ablation")


@pytest.fixture
def root(tmp_path):
    """The ablation's settings in an empty folder."""
    for name in ("params.yaml", "trials.yaml"):
        shutil.copy(ROOT / "ablation" / name, tmp_path)
    return tmp_path


def test_the_committed_trials_and_their_names():
    assert set(COMMITTED["names"]) == set(COMMITTED["trials"]) - {"none-teacher"}
    assert 0 not in COMMITTED["seeds"]  # tuning's
    assert len(COMMITTED["seeds"]) >= 5


@pytest.mark.parametrize("name", COMMITTED["trials"])
def test_a_trial_is_a_project_with_valid_parameters(root, name):
    trial = prepare_trial(root, name, 3)
    (root / "data").mkdir()
    params, shared = load_params(trial.folder / "params.yaml"), load_params(root / "params.yaml")
    assert trial.folder == root / f"trials/{name}-3"
    assert (trial.folder / "data").resolve() == root / "data"
    assert params.seed == 3
    method, variant = name.split("-")
    assert params.kd.methods == {"none": [], "layers": ["erkd"], "layers3": ["erkd"]}.get(method, [method])
    assert (params.kd.erkd.target == "layered") == method.startswith("layers")
    assert (params.distill == shared.distill) == (variant not in ("longer", "longest", "teacher"))
    assert (params.data, params.composite, params.features) == (shared.data, shared.composite, shared.features)


def test_seeds_of_a_trial_differ_in_the_seed_alone(root):
    first, second = (load_params(prepare_trial(root, "erkd-full", seed).folder / "params.yaml") for seed in (1, 2))
    assert first.model_copy(update={"seed": 2}) == second


def test_unknown_trials_and_settings_are_named(root):
    with pytest.raises(InputError, match=r"trials\.yaml: no trial 'erkd-fast'; there are .*none-full"):
        prepare_trial(root, "erkd-fast", 1)
    yaml = YAML()
    trials = yaml.load(root / "trials.yaml")
    trials["trials"]["erkd-full"]["kd"]["wieght"] = 2.0
    yaml.dump(trials, root / "trials.yaml")
    with pytest.raises(InputError, match=r"erkd-full\.kd\.wieght: params\.yaml has no such setting"):
        prepare_trial(root, "erkd-full", 1)
    with pytest.raises(InputError, match="--root ablation"):
        read_trials(root / "elsewhere")


def rows_of(trial):
    method, variant = trial.name.split("-")
    values = (method, variant, trial.seed, "test", 5.25, 0.01, 2.0, 3.0, 290_000, 350, 41.5)
    return [TrialRow(*values)]


def test_a_table_is_read_as_it_was_written(tmp_path):
    rows = rows_of(Trial(tmp_path, "erkd-full", 2))
    write_results(rows, tmp_path / "scores.csv")
    header = (tmp_path / "scores.csv").read_text().splitlines()[0]
    assert header == "method,variant,seed,set,sad,mse,grad,conn,params,steps,seconds"
    assert read_results(tmp_path / "scores.csv", TrialRow, "trials") == rows
    (tmp_path / "scores.csv").write_text("method,variant\na,b\n")
    with pytest.raises(InputError, match=r"scores\.csv: not a table of trials"):
        read_results(tmp_path / "scores.csv", TrialRow, "trials")


def test_listed_trials_that_were_run_and_no_others(root):
    with pytest.raises(InputError, match="no trial of none-full or erkd-full"):
        list_rows(root)
    trials = [Trial(root, name, seed) for name in ("none-full", "erkd-full") for seed in (1, 0)]
    for trial in trials:
        write_results(rows_of(trial), trial.scores)
        write_json(
            {"student": {"seconds": 0.1, "peak_mib": 1}}, trial.folder / "reports/timings/evaluate-test-methods.json"
        )
    assert [(row.method, row.seed) for row in list_rows(root)] == [("none", 1), ("erkd", 1)]
    assert prediction_milliseconds(root) == {"none-full": 100.0, "erkd-full": 100.0}
