"""The second pipeline as its user runs it, in a clone with tiny parameters. Tests build on one another, in order."""

import csv

import pytest
import torch
from ruamel.yaml import YAML
from safetensors.torch import load_file

from erkd.experiments.trials import prepare_trial, read_trials
from erkd.io.files import sha256
from erkd.params import load_params
from erkd.training.train import train_student
from tests.support import ROOT
from tests.support.documents import commands
from tests.support.project import TINY, clone, merge, run, stages_run

pytestmark = pytest.mark.nightly
TRIALS = ["none-full", "erkd-full", "matting-full", "none-longer", "none-base"]
RUN_ALL, RUN_ONE = commands(ROOT / "docs/guides/ablation.md")
STEPS = {"distill": {"steps": 5}}


@pytest.fixture(scope="module")
def ablated(tmp_path_factory):
    """A clone after the guide's first command, which printed what output.txt holds."""
    folder = clone(tmp_path_factory.mktemp("ablation") / "erkd", {})
    few = {"seeds": [1, 2], "names": TRIALS, "trials": {"none-teacher": STEPS, "none-longer": STEPS}}
    for name, changes in (("params", TINY), ("trials", few)):
        yaml = YAML()
        settings = yaml.load(folder / f"ablation/{name}.yaml")
        merge(settings, changes)
        yaml.dump(settings, folder / f"ablation/{name}.yaml")
    (folder / "output.txt").write_text(run(RUN_ALL, folder))
    return folder


def lines(path):
    with path.open(newline="") as stream:
        return list(csv.DictReader(stream))


def test_one_command_runs_every_trial_and_compares_them(ablated):
    ran = stages_run((ablated / "output.txt").read_text())
    assert {f"ablation/dvc.yaml:trial@{name}-{seed}" for name in TRIALS for seed in (1, 2)} < set(ran)
    table = lines(ablated / "ablation/table.csv")
    assert [(f"{row['method']}-{row['variant']}", row["seed"]) for row in table] == [
        (name, seed) for name in TRIALS for seed in ("1", "2")
    ]
    assert all(float(row["sad"]) > 0 and float(row["seconds"]) > 0 and row["set"] == "test" for row in table)
    assert {row["steps"] for row in table if row["variant"] == "longer"} == {"5"}
    text = (ablated / "ablation/table.md").read_text()
    assert text.startswith("On the test composites, distillation by ERKD")
    assert "closed form" in text
    for figure in ("differences.png", "trade_off.png"):
        assert (ablated / "ablation" / figure).stat().st_size > 10_000


def test_git_sees_the_results_and_no_data(ablated):
    listed = run("git status --porcelain -uall ablation", ablated).split()[1::2]
    assert sorted(listed) == [
        f"ablation/{name}" for name in
        ("differences.png", "dvc.lock", "params.yaml", "table.csv", "table.md", "trade_off.png", "trials.yaml")
    ]  # fmt: skip


def test_one_command_reruns_one_trial_with_the_same_result(ablated):
    name = RUN_ONE.split("@")[1]
    before = lines(ablated / f"ablation/scores/{name}.csv")
    weights = sha256(ablated / f"ablation/trials/{name}/models/student/student.safetensors")
    assert stages_run(run(RUN_ONE, ablated)) == [f"ablation/dvc.yaml:trial@{name}"]
    after = lines(ablated / f"ablation/scores/{name}.csv")
    for row in (*before, *after):
        del row["seconds"]
    assert before == after
    assert weights == sha256(ablated / f"ablation/trials/{name}/models/student/student.safetensors")


def test_every_trial_is_a_run_in_mlflow(ablated):
    code = (
        "import mlflow; from pathlib import Path; from erkd.tracking.store import store_uri\n"
        "mlflow.set_tracking_uri(store_uri(Path('.')))\n"
        "runs = mlflow.search_runs(search_all_experiments=True, output_format='list')\n"
        "print(sorted({run.data.tags['DVC_STAGE'] for run in runs}))"
    )
    (ablated / "query.py").write_text(code)
    printed = run("PYTHONPATH=. python -W ignore query.py", ablated).splitlines()[-1]
    assert all(f"trial@{name}-{seed}" in printed for name in TRIALS for seed in (1, 2))


def test_a_changed_trial_is_run_again_and_no_other(ablated):
    yaml = YAML()
    settings = yaml.load(ablated / "ablation/trials.yaml")
    settings["trials"]["erkd-full"]["kd"]["weight"] = 0.5
    yaml.dump(settings, ablated / "ablation/trials.yaml")
    ran = stages_run(run("dvc repro ablation/dvc.yaml", ablated))
    assert sorted(ran) == [
        f"ablation/dvc.yaml:{name}" for name in ("table", "trial@erkd-full-1", "trial@erkd-full-2")
    ]


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
        weights = load_file(trial.student / "student.safetensors")
        return torch.cat([value.flatten().double() for value in weights.values()])

    names = [name for name in read_trials(root)["trials"] if name.endswith("-full")]
    assert len(names) >= 8
    plain = trained("none-full", 1)
    assert {name: (trained(name, 1) - plain).abs().max() < 1e-5 for name in names} == dict.fromkeys(names, True)
    assert (trained("none-full", 2) - plain).abs().max() > 0.1
