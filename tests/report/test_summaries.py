import pytest

from erkd.io.files import InputError, read_json, write_json
from erkd.report.summaries import key_figures, teacher_summary, training_curves, validation_summary
from tests.support.report_tree import make_tree


@pytest.fixture(scope="module")
def reports(tmp_path_factory):
    return make_tree(tmp_path_factory.mktemp("summaries")) / "reports"


def test_validation_curves_come_first_and_only_where_measured(reports):
    curves = training_curves(reports / "history.csv")
    assert [label for label, _ in curves] == ["validation SAD", "loss", "alpha"]
    markers = [chart.count("<use") for _, chart in curves]
    assert markers[0] == markers[1] + 4  # every fifth of twenty steps


def test_a_damaged_history_is_named(tmp_path):
    (tmp_path / "history.csv").write_text("loss\n1\n")
    with pytest.raises(InputError, match=r"history.csv: .*column\(s\) step are missing"):
        training_curves(tmp_path / "history.csv")


def test_teacher(reports):
    summary = teacher_summary(reports / "teacher.json")
    assert summary["figures"][:3] == [
        ("Zero-shot accuracy, balanced", "75 %", "chance 50 %"),
        ("Patch-text AUC, unknown region", "0.810", "chance 0.5"),
        ("A thousand words, zero-shot", "62 %", "of 8 composites, the ImageNet network's own answer"),
    ]
    assert 'aria-label="Accuracy by material: hair 100 %, net 50 %"' in summary["recalls"]
    assert [label for label, _ in summary["charts"]] == ["image loss"]
    assert "better than chance" in summary["says"]


@pytest.mark.parametrize(
    ("auc", "gap", "says"),
    [(0.81, 0.01, "hardly more"), (0.81, 0.1, "finds more"), (0.81, None, "than chance."), (0.52, None, "little to")],
)  # fmt: skip
def test_what_the_teacher_has_to_give_is_said(reports, tmp_path, auc, gap, says):
    probe = {"teacher": 0.8 + (gap or 0), "student": 0.8, "gap": gap}
    teacher = read_json(reports / "teacher.json") | {"auc_unknown": auc, "probe": {"stride_16": probe}}
    write_json(teacher, tmp_path / "teacher.json")
    summary = teacher_summary(tmp_path / "teacher.json")
    assert says in summary["says"]
    assert any(name == "Probe gap, stride 16" for name, _, _ in summary["figures"]) == (gap is not None)


def test_a_teacher_that_could_not_be_scored(tmp_path):
    unscored = {"model": "ViT", "source": "open_clip", "accuracy": None, "auc_unknown": None}
    write_json(unscored, tmp_path / "t.json")
    summary = teacher_summary(tmp_path / "t.json")
    assert summary["figures"] == summary["charts"] == []
    assert summary["recalls"] is None


def test_validation(reports):
    summary = validation_summary(reports / "validation.json")
    assert (summary["success"], summary["met"], summary["total"]) == (False, 1, 2)
    assert summary["counts"] == "10 rows of library"
    assert [row[-1].striptags() for row in summary["table"][1:]] == ["yes", "no"]
    assert summary["failed"] == ["composites: split is one of <three>: not so in test-01"]


def test_key_figures_leave_out_what_is_absent():
    assert key_figures({}, {}) == []
    methods = {"student": {"sad": 2.0, "sad_low": 1.0, "sad_high": 3.0}, "knn": {"sad": 4.0}}
    student = {"parameters": 987_654, "training": {"best": {"step": 300, "sad": 2.5}}}
    assert key_figures(methods, student) == [
        ("SAD, student", "2.00", "1.00 to 3.00"),
        ("SAD, KNN", "4.00", ""),
        ("Size of the student", "0.99 M", "parameters"),
        ("Best validation SAD", "2.50", "at step 300"),
    ]
