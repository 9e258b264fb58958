"""One version per weights; only better validation moves the champion; the model loads and predicts."""

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from erkd.doctor.examine import check_registry
from erkd.io.files import InputError, read_json, sha256, write_hash, write_json
from erkd.io.tables import CompositeRow, TrimapRow, write_table
from erkd.params import RegisterParams, load_params
from erkd.tracking.candidate import Candidate, read_candidate, validation_digest
from erkd.tracking.fetch import fetch
from erkd.tracking.registry import register
from erkd.tracking.runs import find_runs
from erkd.tracking.store import connect
from pipeline.register import main
from tests.support import ROOT
from tests.support.onnx_student import write_student
from tests.support.registered import NAME, RECORD, candidate_of, scores
from tests.support.served import IMAGE, TRIMAP, png_text, read_png_text


@pytest.fixture(scope="module")
def candidate(tmp_path_factory: pytest.TempPathFactory) -> Candidate:
    return candidate_of(write_student(tmp_path_factory.mktemp("onnx") / "student.onnx"))


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("project")


@pytest.fixture(autouse=True)
def _own_store(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("MLFLOW_TRACKING_URI", "MLFLOW_REGISTRY_URI", "DVC_EXP_NAME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("DVC_ROOT", str(project))
    monkeypatch.setenv("MLFLOW_ALLOW_PICKLE_DESERIALIZATION", "false")


def _better(candidate: Candidate, weights: str, sad: float, data: str = "d") -> Candidate:
    metrics = {**candidate.metrics, "validation": {"n": 2, "student": scores(sad)}}
    return replace(candidate, student_sha256=weights * 64, data_sha256=data * 64, metrics=metrics)


def _aliases(project: Path) -> dict[str, str]:
    client, _ = connect(project)
    return {alias: str(version) for alias, version in client.get_registered_model(NAME).aliases.items()}


def test_the_champion_moves_on_better_validation_alone(project: Path, candidate: Candidate) -> None:
    client, experiment = connect(project)
    run = client.create_run(experiment, tags={"student_sha256": candidate.student_sha256})
    client.set_terminated(run.info.run_id)

    assert "first champion" in register(project, NAME, candidate, experiment=False, rival=True)
    assert _aliases(project) == {"champion": "1"}
    again = register(project, NAME, candidate, experiment=False, rival=True)
    assert "version 1 has these weights already: it stays the champion" in again

    for weights, sad, data in (("b", 5.0, "d"), ("c", 6.0, "d"), ("e", 1.0, "f")):  # equal, worse, other data
        text = register(project, NAME, _better(candidate, weights, sad, data), experiment=False, rival=True)
        assert "version 1 stays the champion" in text
        assert _aliases(project) == {"champion": "1"}
    assert "other data" in text

    best = _better(candidate, "9", 1.0)
    assert "an experiment never" in register(project, NAME, best, experiment=True, rival=True)
    assert _aliases(project) == {"champion": "1", "candidate": "5"}
    assert "this data source never" in register(project, NAME, best, experiment=False, rival=False)
    assert _aliases(project)["champion"] == "1"
    assert "it is the champion now (validation SAD 1.000 against 5.000)" in register(
        project, NAME, best, experiment=False, rival=True
    )
    assert _aliases(project)["champion"] == "5"
    assert len(client.search_model_versions(f"name = '{NAME}'")) == 5

    version = client.get_model_version(NAME, "1")
    assert version.run_id == run.info.run_id
    assert version.description.startswith(f"# {NAME}\n")
    hashes = {"student_sha256": "a" * 64, "data_sha256": "d" * 64, "onnx_sha256": sha256(candidate.onnx)}
    figures = {"validation_sad": "5", "test_sad": "7.25", "test_mse": "0.02", "student_parameters": "1250000"}
    settings = {"data_source": "procedural", "student_size": "small", "kd_methods": "erkd"}
    assert version.tags == {**hashes, **figures, **settings, "data_licences": "CC0-1.0; MIT"}
    assert f"models:/{NAME}@champion" in client.get_registered_model(NAME).description

    (run,) = find_runs(client, experiment, candidate.student_sha256)
    assert run.data.metrics["test/closed_form/sad"] == 8
    history = client.get_metric_history(run.info.run_id, "validation/student/sad")
    assert [entry.value for entry in history] == [5]  # once, though registered twice


def test_the_champion_loads_without_pickle_and_predicts(project: Path, candidate: Candidate) -> None:
    import mlflow
    import pandas as pd

    register(project, "another", candidate, experiment=False, rival=True)
    mlflow.set_tracking_uri(f"sqlite:///{project}/mlflow.db")
    model = mlflow.pyfunc.load_model("models:/another@champion")
    image, trimap = png_text(IMAGE), png_text(TRIMAP)
    answer = model.predict(pd.DataFrame({"image": [image], "trimap": [trimap]}))
    alpha = read_png_text(answer.alpha[0])
    assert alpha.shape == TRIMAP.shape
    assert (alpha[TRIMAP != 128] == TRIMAP[TRIMAP != 128]).all()


def test_a_version_whose_file_is_lost_or_damaged_is_registered_anew(project: Path, candidate: Candidate) -> None:
    client, _ = connect(project)
    assert "version 1: it is the first" in register(project, "lost", candidate, experiment=False, rival=True)
    folder = Path(client.get_model_version_download_uri("lost", "1"))
    shutil.rmtree(folder)
    with pytest.raises(InputError, match=r"lost@champion: .* its files are gone; `dvc repro -sf register`"):
        fetch("models:/lost@champion", project)
    said = register(project, "lost", candidate, experiment=False, rival=True)
    assert said == "lost version 2: it is the champion now: the file of version 1 is lost or damaged"
    found = fetch("models:/lost@champion", project)
    assert found.read_bytes() == candidate.onnx.read_bytes()
    assert "version 2 has these weights already" in register(project, "lost", candidate, experiment=False, rival=True)
    found.write_bytes(b"damaged")
    told = next(check for check in check_registry(project) if "models:/lost@champion" in check.found)
    assert (told.bad, told.mend) == (True, "`dvc repro -sf register` registers the last student anew")
    assert "version 3: it is the champion now" in register(project, "lost", candidate, experiment=False, rival=True)


def test_a_copied_project_writes_into_artifacts_of_its_own(
    project: Path, candidate: Candidate, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    register(project, "original", candidate, experiment=False, rival=True)
    before = sorted(project.rglob("*.onnx"))
    copy = tmp_path / "copy"
    shutil.copytree(project, copy)
    monkeypatch.setenv("DVC_ROOT", str(copy))
    register(copy, "original", _better(candidate, "b", 1.0), experiment=False, rival=True)
    assert fetch("models:/original@champion", copy).is_relative_to(copy / "mlartifacts")
    assert sorted(project.rglob("*.onnx")) == before
    client, experiment = connect(copy)
    assert client.get_experiment(experiment).name == f"erkd in {copy}"
    assert connect(copy)[1] == experiment  # once and for all


def test_requests_in_every_form_of_mlflow_s_protocol(project: Path, candidate: Candidate) -> None:
    import mlflow
    from mlflow.exceptions import MlflowException
    from mlflow.pyfunc.scoring_server import invocations

    register(project, "served", candidate, experiment=False, rival=True)
    mlflow.set_tracking_uri(f"sqlite:///{project}/mlflow.db")
    model = mlflow.pyfunc.load_model("models:/served@champion")

    def alphas(**request: Any) -> list[str]:
        schema = model.metadata.get_input_schema()
        answer = invocations(json.dumps(request), "application/json", model, schema)
        return [row["alpha"] for row in json.loads(answer.response)["predictions"]]

    row = {"image": f"data:image/png;base64,{png_text(IMAGE)}", "trimap": png_text(TRIMAP)}
    (alpha,) = alphas(dataframe_records=[row])
    split = {"columns": ["trimap", "name", "image"], "data": [[row["trimap"], "x", row["image"]]] * 3}
    assert alphas(dataframe_split=split) == [alpha] * 3  # in another order, with a column more
    assert alphas(inputs=row) == alphas(inputs=[row]) == alphas(instances=[row]) == [alpha]
    assert alphas(inputs={name: [text] * 2 for name, text in row.items()}) == [alpha] * 2
    bad = {
        "a trimap or a mask is expected; neither": {"dataframe_records": [{"image": row["image"]}]},
        "or a mask is expected; neither is given": {"dataframe_records": [row | {"trimap": None}]},
        "missing inputs": {"dataframe_records": [{"trimap": row["trimap"]}]},
        "row 1, image: not base64 text": {"dataframe_records": [row, row | {"image": "?"}]},
        "expected; found int": {"dataframe_records": [row | {"image": 5}]},
    }
    for told, request in bad.items():
        with pytest.raises(MlflowException, match=told) as caught:
            alphas(**request)
        assert caught.value.get_http_status_code() == 400, told


def test_a_store_that_does_not_answer_is_a_clear_failure(
    candidate: Candidate, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    with pytest.raises(InputError, match=r"store http://127.0.0.1:9 does not answer .*dvc repro register"):
        register(tmp_path, NAME, candidate, experiment=False, rival=True)


def _write_data(root: Path, trimap: np.ndarray, train_caption: str = "hair") -> tuple[Path, Path]:
    manifest, trimaps = root / "data/composites/manifest.csv", root / "data/trimaps/trimaps.csv"
    rows = []
    for split, caption in (("train", train_caption), ("validation", "hair")):
        words = ("f", "b", "hair", "image.png", "alpha.png", 5, 7, 0, caption, "hair", "wall")
        rows.append(CompositeRow(split, split, "test", f"licence of {split}", *words))
    write_table(rows, manifest)
    write_table([TrimapRow(row.sample_id, row.split, "trimap.png", 1, 1, 0.5, 0) for row in rows], trimaps)
    for table, name, values in ((manifest, "image", IMAGE), (manifest, "alpha", TRIMAP), (trimaps, "trimap", trimap)):
        Image.fromarray(values).save(table.with_name(f"{name}.png"))
    return manifest, trimaps


def test_the_data_hash_is_of_validation_alone(tmp_path: Path) -> None:
    first = validation_digest(*_write_data(tmp_path / "a", TRIMAP))
    assert validation_digest(*_write_data(tmp_path / "b", TRIMAP, train_caption="fur")) == first
    assert validation_digest(*_write_data(tmp_path / "c", TRIMAP[::-1].copy())) != first
    manifest, trimaps = _write_data(tmp_path / "d", TRIMAP)
    manifest.write_text(manifest.read_text().replace("validation", "test"))
    write_hash(manifest)
    with pytest.raises(InputError, match="no validation row"):
        validation_digest(manifest, trimaps)


@pytest.fixture
def results(tmp_path: Path, candidate: Candidate) -> Path:
    """A root with everything that the stage reads."""
    _write_data(tmp_path, TRIMAP)
    weights = tmp_path / "models/student/student.safetensors"
    weights.parent.mkdir(parents=True)
    weights.write_bytes(b"weights")
    onnx = tmp_path / "models/onnx/student.onnx"
    onnx.parent.mkdir()
    onnx.write_bytes(candidate.onnx.read_bytes())
    write_json(RECORD, weights.with_name("student.json"))
    export = {"student_sha256": sha256(weights), "sha256": sha256(onnx)}
    write_json(export, onnx.with_name("onnx.json"))
    write_json(candidate.metrics, tmp_path / "reports/metrics.json")
    return tmp_path


def test_what_the_stage_reads_belongs_together(results: Path) -> None:
    found = read_candidate(results)
    assert (found.sad, found.record) == (5.0, RECORD)
    assert found.licences == ("licence of train", "licence of validation")
    (results / "models/student/student.safetensors").write_bytes(b"other weights")
    with pytest.raises(InputError, match=r"student.onnx: not the export of models/student"):
        read_candidate(results)


def test_the_stage_records_hashes_alone(
    results: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("DVC_EXP_NAME", "wet-dog")
    params = load_params(ROOT / "params.yaml")
    params = params.model_copy(update={"register_": RegisterParams(name="a-third")})
    main(results, params)
    assert "it is the candidate (an experiment never" in capsys.readouterr().out
    once = (results / "reports/registered.json").read_bytes()
    names = {"name", "student_sha256", "data_sha256", "onnx_sha256"}
    assert set(read_json(results / "reports/registered.json")) == names
    monkeypatch.delenv("DVC_EXP_NAME")
    alphamatting = params.data.model_copy(update={"source": "alphamatting"})
    main(results, params.model_copy(update={"data": alphamatting}))
    assert "it is the candidate (this data source never" in capsys.readouterr().out
    assert (results / "reports/registered.json").read_bytes() == once
