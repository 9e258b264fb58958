"""The whole pipeline as its user runs it, in a clone with tiny parameters that every test leaves as it found it."""

import json
import shutil
import socket
import subprocess
import time
import urllib.request

import pytest
from PIL import Image
from ruamel.yaml import YAML

from erkd import Matter
from erkd.io.images import load_trimap
from erkd.params import load_params
from pipeline.ablation import score, table, trial
from tests.support import ROOT
from tests.support.documents import blocks, commands
from tests.support.photo import photo, photographs
from tests.support.project import TINY, clone, hashes, merge, run, stages_run

slow, nightly = pytest.mark.slow, pytest.mark.nightly
STAGES = [
    "library", "composite", "trimap", "validate", "baselines", "teacher", "teacher_similarity", "features", "distill",
    "evaluate", "export", "register", "report", "wrong_trimaps", "robustness",
]  # fmt: skip
SCORING = ROOT / "docs/guides/scoring.md"
FROM_DISTILL = {"distill", "evaluate", "robustness", "export", "register", "report"}


def query(folder, code):
    """What a snippet of Python prints about the MLflow store of the project in `folder`."""
    start = "from pathlib import Path; from erkd.tracking.store import store_uri; import mlflow"
    lines = [start, "mlflow.set_tracking_uri(store_uri(Path('.')))", "client = mlflow.MlflowClient()", code]
    (folder / "query.py").write_text("\n".join(lines))
    try:
        return run("PYTHONPATH=. python -W ignore query.py", folder).strip().splitlines()[-1]
    finally:
        (folder / "query.py").unlink()


def restore(project):
    run("git checkout -q . && dvc checkout", project)


@slow
def test_one_command_runs_every_stage(project):
    assert sorted(stages_run((project / "output.txt").read_text())) == sorted(STAGES)
    for path in ("models/student/student.safetensors", "models/onnx/student.onnx", "reports/index.html"):
        assert (project / path).stat().st_size > 10_000, path
    metrics = json.loads((project / "reports/metrics.json").read_text())["test"]
    assert {"student", "closed_form", "interpolation"} <= set(metrics)
    assert all(metrics["student"][name] > 0 for name in ("sad", "mse", "grad", "conn"))
    assert not list(project.glob("[!.]*/**/.*.tmp*"))


@slow
def test_a_second_run_does_nothing(project):
    assert stages_run(run("dvc repro", project)) == []


@slow
def test_an_experiment_reruns_distillation_and_below_and_is_no_champion(project):
    assert set(stages_run(run("dvc exp run -S kd.weight=0.5", project))) == FROM_DISTILL
    assert load_params(project / "params.yaml").kd.weight == 0.5
    history = (project / "reports/history.csv").read_text()
    restore(project)
    assert history != (project / "reports/history.csv").read_text()
    code = "print(client.get_registered_model('erkd-student').aliases)"
    assert query(project, code) == "{'candidate': 2, 'champion': 1}"


@slow
def test_experiments_follow_one_another_in_the_workspace(project):
    for change in ("distill.laplacian=0.3", "kd.methods=[bcd]", "kd.methods=[]"):
        run(f'dvc exp run -S "{change}" library', project)
    params = load_params(project / "params.yaml")
    restore(project)
    assert (params.distill.laplacian, [*params.kd.methods]) == (0.3, [])


@nightly
def test_a_temporary_experiment_leaves_the_workspace_alone_and_logs_to_the_same_store(project):
    assert set(stages_run(run("dvc exp run --temp -S kd.weight=0.25", project))) == FROM_DISTILL
    assert run("git status --porcelain", project) == ""
    runs = "mlflow.search_runs(search_all_experiments=True, output_format='list')"
    tags = "run.data.tags.get('DVC_EXP_NAME', '-') != '-'"
    printed = query(project, f"print(sorted((run.data.params['kd.weight'], {tags}) for run in {runs}))")
    assert "('0.25', True)" in printed
    assert "('1.0', False)" in printed


@slow
def test_a_run_that_mlflow_missed_is_logged_afterwards(project, tmp_path):
    uri = f"sqlite:///{tmp_path / 'other.db'}"
    assert "logged the run" in run("make mlflow-sync", project, MLFLOW_TRACKING_URI=uri)
    assert "nothing to do" in run("make mlflow-sync", project, MLFLOW_TRACKING_URI=uri)


@slow
def test_damaged_data_stops_everything_downstream(project):
    alpha = sorted((project / "data/composites/alphas").iterdir())[0]
    original = alpha.read_bytes()
    alpha.unlink()  # a hard link into DVC's cache otherwise
    Image.new("L", (7, 5)).save(alpha)
    output = run("python -m pipeline.validate", project, expect=2)
    alpha.unlink()
    alpha.write_bytes(original)
    run("git checkout -q .", project)
    assert alpha.stem in output
    assert "Traceback" not in output


@slow
def test_predictions_of_any_program_are_scored(project):
    scoring = [line for line in commands(SCORING) if line.startswith("erkd evaluate")]
    printed = [run(command, project) for command in scoring]
    assert all("SAD" in text for text in printed)
    assert "closed_form" in printed[1]


@slow
def test_photographs_and_predictions_made_elsewhere_are_scored_beside_the_rest(project, tmp_path):
    """The settings of both commands of the guide in one experiment."""
    photos, others = (
        next(line for line in commands(SCORING) if part in line) for part in ("sets.photos", "baselines.folders")
    )
    sources = {
        "input_training_lowres": "data/composites/images", "gt_training_lowres": "data/composites/alphas",
        "trimap_training_lowres/Trimap1": "data/trimaps/trimaps",
        "trimap_training_lowres/Trimap2": "data/trimaps/trimaps",
    }  # fmt: skip
    samples = sorted(path.name for path in (project / "data/predictions/test").iterdir())
    for folder, source in sources.items():
        (tmp_path / "photos" / folder).mkdir(parents=True)
        for number, name in enumerate(samples[:2]):
            shutil.copy(project / source / name, tmp_path / f"photos/{folder}/GT{number:02}.png")
    shutil.copytree(project / "data/baselines/test/interpolation", tmp_path / "predictions")
    command = f"{photos} {others.removeprefix('dvc exp run ')}"
    odd = tmp_path.rename(tmp_path.with_name("Büro [1], a {b}"))  # what Hydra's grammar has uses for
    places = {"PHOTOS": str(odd / "photos"), "PREDICTIONS": str(odd / "predictions")}
    ran = stages_run(run(command, project, **places))
    assert {"baselines_folder@other_network", "evaluate", "report"} <= {*ran}
    assert {"baselines_set@photos", "evaluate_set@photos"} <= {*ran}
    assert "distill" not in ran
    metrics = json.loads((project / "reports/metrics.json").read_text())["test"]
    scores = json.loads((project / "reports/sets/photos/metrics.json").read_text())
    page = (project / "reports/index.html").read_text()
    restore(project)
    assert metrics["other_network"]["sad"] == metrics["interpolation"]["sad"]
    assert scores["Trimap1"]["n"] == scores["Trimap2"]["n"] == 2
    assert "other network" in page
    assert "photos" in page


@slow
@pytest.mark.parametrize(
    ("use", "written"),
    [("erkd matte", {"alpha.png", "beach.png", "champion.png", "cutouts/a.png", "cutouts/b.png"}),
     ("erkd export", {"models/onnx/student.onnx", "models/onnx/student.fp16.onnx", "models/onnx/onnx.json"}),
     ("erkd doctor", set())],
)  # fmt: skip
def test_the_uses_of_the_readme_work(project, tmp_path, use, written):
    """In a folder that holds what they name."""
    for name, image in zip("ab", sorted((project / "data/composites/images").iterdir()), strict=False):
        for folder, source in (("photos", image), ("trimaps", project / "data/trimaps/trimaps" / image.name)):
            (tmp_path / folder).mkdir(exist_ok=True)
            shutil.copy(source, tmp_path / f"{folder}/{name}.png")
    copies = {"photo.jpg": "photos/a.png", "beach.jpg": "photos/b.png", "trimap.png": "trimaps/a.png"}
    for name, source in copies.items():  # the suffix does not matter to the reader
        shutil.copy(tmp_path / source, tmp_path / name)
    Image.open(tmp_path / "trimap.png").point(lambda grey: 255 * (grey > 0)).save(tmp_path / "mask.png")
    shutil.copytree(project / "models/student", tmp_path / "models/student")
    (tmp_path / ".dvc").mkdir()  # by which a project is known
    before = {path for path in tmp_path.rglob("*") if path.is_file()}
    used = [command for command in commands(ROOT / "README.md") if command.startswith(use)]
    assert used
    for command in used:
        run(command, tmp_path, PYTHONPATH=str(project), MLFLOW_TRACKING_URI=f"sqlite:///{project}/mlflow.db")
    after = {path for path in tmp_path.rglob("*") if path.is_file()}
    assert {path.relative_to(tmp_path).as_posix() for path in after - before} == written


@slow
def test_the_pythons_of_the_readme_work(project, tmp_path):
    code = blocks(ROOT / "README.md", "python")[0]
    image = next((project / "data/composites/images").iterdir())
    trimap = project / "data/trimaps/trimaps" / image.name
    for name, path in {"photo.jpg": image, "trimap.png": trimap}.items():
        assert f'"{name}"' in code
        code = code.replace(f'"{name}"', f'"{path}"')
    (tmp_path / "use.py").write_text(code + "print(alpha.shape, alpha.min() >= 0, alpha.max() <= 1)\n")
    printed = run(f"PYTHONPATH=. python {tmp_path / 'use.py'}", project)
    assert printed == f"{load_trimap(trimap).shape} True True\n"


@slow
def test_a_trial_of_the_ablation_is_trained_scored_and_compared(project, tmp_path, monkeypatch):
    """In this process, on the data of the project; tests/experiments/test_ablation.py runs the pipeline of trials."""
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{project}/mlflow.db")
    shutil.copytree(project / "ablation", tmp_path, dirs_exist_ok=True)
    (tmp_path / "data").symlink_to(project / "data")
    yaml, names = YAML(), ["plain", "erkd"]
    set = {"layout": "alphamatting", "root": str(photographs(tmp_path / "photographs"))}
    own = {
        "evaluate": {"sets": {"photographs": set}},
        "features": load_params(project / "params.yaml").features.model_dump(),
    }
    settings, listed = (yaml.load(tmp_path / f"{name}.yaml") for name in ("params", "trials"))
    merge(settings, TINY | own)
    listed["seeds"] = {name: [1, 2] for name in names}
    yaml.dump(settings, tmp_path / "params.yaml")
    yaml.dump(listed, tmp_path / "trials.yaml")
    params, train, trained = load_params(tmp_path / "params.yaml"), trial.train_student, []

    def killed_in_the_second(folder, *others):
        trained.append(folder.name)
        if len(trained) == 2:
            raise KeyboardInterrupt
        return train(folder, *others)

    monkeypatch.setattr(trial, "train_student", killed_in_the_second)
    with pytest.raises(KeyboardInterrupt):
        trial.main(tmp_path, params, "plain", "")
    for name in names:
        trial.main(tmp_path, params, name, "")
        score.main(tmp_path, params, name, "")
    assert trained == ["plain-1", "plain-2", "plain-2", "erkd-1", "erkd-2"]
    table.main(tmp_path, params)
    assert (tmp_path / "table.csv").read_text().count("\n") == 1 + 2 * 2 * len(names)
    assert "| ERKD / plain training | 2 | " in (tmp_path / "table.md").read_text()
    assert not list((tmp_path / "trials").glob("*/unfinished*"))
    student = tmp_path / "students/erkd/1"
    assert Matter.load(student, "cpu")(*photo(64, 64)).shape == (64, 64)


@nightly
def test_queued_experiments(project):
    run("dvc exp run --queue -S kd.weight=0.0", project)
    run("dvc exp run --queue -S distill.learning_rate=1e-4", project)
    run("dvc queue start", project)
    deadline = time.time() + 400
    while "Running" in (status := run("dvc queue status", project)) or "Queued" in status:
        assert time.time() < deadline, status
        time.sleep(3)
    assert status.count("Success") == 2, run(
        "for task in $(dvc queue status | awk '{print $1}'); do dvc queue logs $task; done", project
    )
    rows = run("dvc exp show --csv", project)
    assert "kd.weight" in rows
    assert "0.0001" in rows or "1e-4" in rows or "1e-04" in rows
    run("dvc exp show", project)
    run("dvc metrics diff", project)
    run("dvc plots diff", project)
    run("dvc plots show", project)
    shown = (project / "dvc_plots/index.html").read_text()
    assert all(title in shown for title in ("Training losses", "Validation SAD", "SAD per image"))


@nightly
def test_training_goes_on_without_a_store(project):
    output = run("python -m pipeline.distill", project, MLFLOW_TRACKING_URI="sqlite:////dev/null/all.db")
    assert "make mlflow-sync" in output
    assert run("git status --porcelain reports/history.csv", project) == ""


@nightly
def test_another_path_gives_the_same_bytes(project, tmp_path_factory):
    other = clone(tmp_path_factory.mktemp("second") / "a longer path" / "copy", TINY)
    run("dvc repro", other)
    ours, theirs = hashes(project), hashes(other)
    assert set(ours) == set(theirs)
    assert [path for path in ours if ours[path] != theirs[path] and not path.endswith(".html")] == []


@nightly
def test_the_user_interface_answers(project):
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    server = subprocess.Popen(
        ["make", "ui", f"PORT={port}"],
        cwd=project,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        for _ in range(120):
            try:
                page = urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=5).read().decode()
                break
            except OSError:
                time.sleep(0.5)
        assert "MLflow" in page
    finally:
        run(f"kill -- -{server.pid}", project)
        server.wait()
