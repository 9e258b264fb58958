"""The whole pipeline as its user runs it, in a clone with tiny parameters. Tests build on one another, in order."""

import json
import re
import shutil
import socket
import subprocess
import time
import urllib.request

import pytest
import yaml

from erkd.io.images import load_trimap
from tests.support import ROOT
from tests.support.documents import blocks, commands
from tests.support.project import TINY, clone, run, stages_run

pytestmark = pytest.mark.slow
STAGES = [
    "library", "composite", "trimap", "validate", "baselines", "teacher", "similarity", "features", "distill",
    "evaluate", "export", "register", "report", "wrong_trimaps", "robustness",
]  # fmt: skip
SCORING = ROOT / "docs/guides/scoring.md"
FROM_DISTILL = {"distill", "evaluate", "robustness", "export", "register", "report"}


def hashes(folder):
    """DVC's hash of every output, by path."""
    lock = yaml.safe_load((folder / "dvc.lock").read_text())
    return {out["path"]: out["md5"] for stage in lock["stages"].values() for out in stage["outs"]}


def query(folder, code, **environment):
    """What a snippet of Python prints about the MLflow store of the project in `folder`."""
    start = "from pathlib import Path\nfrom erkd.tracking.store import store_uri\nimport mlflow"
    script = f"{start}\nmlflow.set_tracking_uri(store_uri(Path('.')))\n{code}"
    (folder / "query.py").write_text(script)
    try:
        return run("PYTHONPATH=. python -W ignore query.py", folder, **environment).strip().splitlines()[-1]
    finally:
        (folder / "query.py").unlink()


def test_one_command_runs_every_stage(project):
    assert sorted(stages_run((project / "output.txt").read_text())) == sorted(STAGES)
    for path in ("models/student/student.safetensors", "models/onnx/student.onnx", "reports/index.html"):
        assert (project / path).stat().st_size > 10_000, path
    metrics = json.loads((project / "reports/metrics.json").read_text())["test"]
    assert {"student", "closed_form", "interpolation"} <= set(metrics)
    assert all(metrics["student"][name] > 0 for name in ("sad", "mse", "grad", "conn"))
    assert not list(project.glob("[!.]*/**/.*.tmp*"))


def test_a_second_run_does_nothing(project):
    assert stages_run(run("dvc repro", project)) == []


def test_the_champion_loads_without_pickle_and_predicts(project):
    sample = next((project / "data/composites/images").iterdir()).name
    code = f"""
import base64, io, pandas, PIL.Image, warnings
model = mlflow.pyfunc.load_model("models:/erkd-student@champion")
files = [Path("data/composites/images/{sample}"), Path("data/trimaps/trimaps/{sample}")]
image, trimap = (base64.b64encode(file.read_bytes()).decode() for file in files)
result = model.predict(pandas.DataFrame({{"image": [image], "trimap": [trimap]}}))
alpha = PIL.Image.open(io.BytesIO(base64.b64decode(result.iloc[0, 0])))
print(alpha.size == PIL.Image.open(files[0]).size, alpha.mode)
"""
    assert query(project, code, MLFLOW_ALLOW_PICKLE_DESERIALIZATION="false") == "True L"


def test_an_experiment_reruns_distillation_and_below(project):
    assert set(stages_run(run("dvc exp run -S kd.weight=0.5", project))) == FROM_DISTILL
    assert yaml.safe_load((project / "params.yaml").read_text())["kd"]["weight"] == 0.5
    history = (project / "reports/history.csv").read_text()
    run("git checkout -q . && dvc checkout", project)
    assert history != (project / "reports/history.csv").read_text()


def test_a_temporary_experiment_leaves_the_workspace_alone_and_logs_to_the_same_store(project):
    output = run("dvc exp run --temp -S kd.weight=0.25", project)
    assert set(stages_run(output)) == FROM_DISTILL
    assert run("git status --porcelain", project) == ""
    names = query(
        project,
        "print(sorted(run.data.tags.get('DVC_EXP_NAME', '-') + ' ' + run.data.params['kd.weight']"
        " for run in mlflow.search_runs(search_all_experiments=True, output_format='list')))",
    )
    assert len(re.findall(r"'[\w-]+ [\d.]+'", names)) == 3
    assert " 0.25'" in names
    assert "- 1.0'" in names


def test_experiments_never_become_champion(project):
    code = """
client = mlflow.MlflowClient()
alias = lambda name: client.get_model_version_by_alias("erkd-student", name)
versions = client.search_model_versions("name='erkd-student'")
print(alias("champion").version, alias("candidate").version, len(versions))
"""
    champion, candidate, versions = query(project, code).split()
    assert (champion, candidate, versions) == ("1", "3", "3")


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


def test_a_run_that_mlflow_missed_is_logged_afterwards(project, tmp_path):
    uri = f"sqlite:///{tmp_path / 'other.db'}"
    assert "logged" in run("make mlflow-sync", project, MLFLOW_TRACKING_URI=uri).lower()
    assert (
        query(project, "print(len(mlflow.search_runs(search_all_experiments=True)))", MLFLOW_TRACKING_URI=uri)
        == "1"
    )
    run("make mlflow-sync", project, MLFLOW_TRACKING_URI=uri)
    assert (
        query(project, "print(len(mlflow.search_runs(search_all_experiments=True)))", MLFLOW_TRACKING_URI=uri)
        == "1"
    )


def test_training_goes_on_without_a_store(project):
    output = run("python -m pipeline.distill", project, MLFLOW_TRACKING_URI="sqlite:////dev/null/all.db")
    assert "make mlflow-sync" in output
    assert run("git status --porcelain reports/history.csv", project) == ""


def test_another_path_gives_the_same_bytes(project, tmp_path_factory):
    other = clone(tmp_path_factory.mktemp("second") / "a longer path" / "copy", TINY)
    run("dvc repro", other)
    ours, theirs = hashes(project), hashes(other)
    assert set(ours) == set(theirs)
    assert [path for path in ours if ours[path] != theirs[path] and not path.endswith(".html")] == []


def test_damaged_data_stops_everything_downstream(project):
    from PIL import Image

    alpha = sorted((project / "data/composites/alphas").iterdir())[0]
    original = alpha.read_bytes()
    alpha.unlink()  # a hard link into DVC's cache otherwise
    Image.new("L", (7, 5)).save(alpha)
    output = run("python -m pipeline.validate", project, expect=2)
    assert alpha.stem in output
    assert "Traceback" not in output
    alpha.unlink()
    alpha.write_bytes(original)
    run("python -m pipeline.validate", project)


def test_mistakes_in_params_are_named_together(project):
    original = (project / "params.yaml").read_text()
    text = original.replace("seed: 0", "sede: 0").replace("device: auto", "device: tpu")
    (project / "params.yaml").write_text(text)
    output = run("python -m pipeline.distill", project, expect=2)
    (project / "params.yaml").write_text(original)
    assert "Traceback" not in output
    assert all(part in output for part in ("seed: missing", "sede: unknown key", "device: expected"))


def test_predictions_of_any_program_are_scored(project):
    scoring = [line for line in commands(SCORING) if line.startswith("erkd evaluate")]
    printed = [run(command, project) for command in scoring]
    assert all("SAD" in text for text in printed)
    assert "closed_form" in printed[1]


def test_predictions_made_elsewhere_become_a_baseline(project, tmp_path):
    command = next(line for line in commands(SCORING) if "baselines.folders" in line)
    shutil.copytree(project / "data/baselines/test/interpolation", tmp_path / "predictions")
    ran = stages_run(run(command, project, PREDICTIONS=str(tmp_path / "predictions")))
    assert {"baselines_folder@other_network", "evaluate", "report"} <= set(ran)
    assert "distill" not in ran
    metrics = json.loads((project / "reports/metrics.json").read_text())["test"]
    assert metrics["other_network"]["sad"] == metrics["interpolation"]["sad"]
    assert "other network" in (project / "reports/index.html").read_text()
    run("git checkout -q . && dvc checkout", project)


def test_photographs_are_scored_beside_the_test_set(project, realdata):
    command = next(line for line in commands(SCORING) if "evaluate.sets.photos" in line)
    # two of the nine: closed form takes seconds on each
    photos = project.parent / "photos"
    folders = ("input_training_lowres", "gt_training_lowres")
    for folder in (*folders, "trimap_training_lowres/Trimap1", "trimap_training_lowres/Trimap2"):
        (photos / folder).mkdir(parents=True)
        for name in ("GT09.png", "GT12.png"):
            (photos / folder / name).symlink_to(realdata / "alphamatting" / folder / name)
    ran = stages_run(run(command, project, PHOTOS=str(photos)))
    assert {"baselines_set@photos", "evaluate_set@photos"} <= set(ran)
    metrics = json.loads((project / "reports/sets/photos/metrics.json").read_text())
    assert metrics["Trimap1"]["n"] == metrics["Trimap2"]["n"] == 2
    assert "photos" in (project / "reports/index.html").read_text()
    run("git checkout -q . && dvc checkout", project)


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


def test_the_uses_of_the_readme_work(project, tmp_path):
    """Its `erkd matte`, `erkd export` and `erkd doctor`, in a folder that holds what they name."""
    images = sorted((project / "data/composites/images").iterdir())[:2]
    for image in images:
        for folder, source in (("photos", image), ("trimaps", project / "data/trimaps/trimaps" / image.name)):
            (tmp_path / folder).mkdir(exist_ok=True)
            shutil.copy(source, tmp_path / folder / image.name)
    shutil.copy(images[0], tmp_path / "photo.jpg")  # the suffix does not matter to the reader
    shutil.copy(images[1], tmp_path / "beach.jpg")
    shutil.copy(tmp_path / "trimaps" / images[0].name, tmp_path / "trimap.png")
    shutil.copytree(project / "models", tmp_path / "models")
    (tmp_path / ".dvc").mkdir()  # by which a project is known
    uses = "erkd matte", "erkd export", "erkd doctor"
    used = [command for command in commands(ROOT / "README.md") if command.startswith(uses)]
    assert len(used) >= 6
    for command in used:
        run(command, tmp_path, PYTHONPATH=str(project), MLFLOW_TRACKING_URI=f"sqlite:///{project}/mlflow.db")
    written = {path.name for path in tmp_path.glob("*.png")} | {
        path.name for path in tmp_path.glob("cutouts/*")
    }
    assert written == {
        "trimap.png",
        "alpha.png",
        "beach.png",
        "champion.png",
        *(image.name for image in images),
    }


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
