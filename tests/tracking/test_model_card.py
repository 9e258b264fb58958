"""The model card says what whoever finds the model in the registry has to know."""

from typing import Any

from erkd.data.library import list_layers
from erkd.params import load_params
from erkd.tracking.candidate import group_licences
from erkd.tracking.model_card import model_card
from tests.support import ROOT
from tests.support.registered import training_record

LONGEST = 5000  # characters of a description, in MLflow's tables
METRICS = {
    "test": {"n": 32, "student": {"sad": 5.4321, "mse": 0.0213, "grad": 1.5, "conn": 2.5}},
    "validation": {"n": 24, "closed_form": {"sad": 7.0, "mse": 0.03, "grad": 2.0, "conn": 3.0}},
}


def card(licences: tuple[str, ...] = ("CC0-1.0",), **changes: Any) -> str:
    record = {"parameters": 783_636, "training": training_record(**changes)}
    return model_card("erkd-student", record, METRICS, licences)


def test_it_names_data_licences_metrics_limits_and_parameters() -> None:
    text = card()
    for part in (
        "0.78 M parameters", "Trained on procedural data", "Licences of the data: CC0-1.0\n",
        "tf_efficientnet_lite0 with ImageNet weights",
        "| test (32 images) | student | 5.43 | 21.30 | 1.50 | 2.50 |",
        "| validation (24 images) | closed_form | 7.00 | 30.00 | 2.00 | 3.00 |",
        "## Known limits", "crops of 192 pixels of procedural data", "seed 3, ", "kd.methods erkd",
        "distill.learning_rate 0.002", "data.foregrounds.train 288",
    ):  # fmt: skip
        assert part in text, part
    assert len(text) < LONGEST
    assert "kd.erkd.edge 0.0" in text
    assert "kd.bcd" not in text  # it taught nothing


def test_what_could_not_be_measured_is_an_empty_cell() -> None:
    metrics = {"test": {"n": 1, "student": {"sad": 5.0, "mse": None, "grad": 1.5, "conn": None}}}
    record = {"parameters": 783_636, "training": training_record()}
    text = model_card("erkd-student", record, metrics, ("CC0-1.0",))
    assert "| test (1 images) | student | 5.00 | none | 1.50 | none |" in text


def test_a_licence_is_named_once_with_all_authors() -> None:
    composites = ["CC0-1.0 + CC-BY-4.0 (Jo Doe, a-b.jpg)", "CC-BY-4.0 (X, c.jpg) + unknown", "CC-BY-4.0 (X)"]
    assert group_licences(composites) == ("CC-BY-4.0 (Jo Doe, X)", "CC0-1.0", "unknown")


def test_the_card_of_the_default_data_names_the_photographers() -> None:
    params = load_params(ROOT / "params.yaml")
    text = card(group_licences(layer.licence for layer in list_layers(params.data, params.seed)))
    for part in ("CC-BY-SA-4.0 (Alexandr frolov, ", "LGPL-3.0-only (Dmitri Popov, ", "data/photographs"):
        assert part in text, part
    assert len(text) < LONGEST


def test_an_unknown_licence_is_somebodys_work() -> None:
    assert "CC0-1.0; unknown (unknown: whoever passes" in card(("CC0-1.0", "unknown"))


def test_a_fine_tuned_student_names_where_it_started() -> None:
    distill = training_record()["distill"] | {"init_from": "models/start"}
    assert "Start: the student models/start, SHA-256 abc\n" in card(distill=distill, init_from_sha256="abc")
