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


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("loss\n1\n", r"column\(s\) step are missing"),
        ("step,loss\n1,much\n", "much"),
        ("step,loss\n1\n", "too few"),
    ],
)
def test_a_damaged_history_is_named(tmp_path, text, message):
    path = tmp_path / "history.csv"
    path.write_text(text)
    with pytest.raises(InputError, match=f"history.csv: .*{message}"):
        training_curves(path)


def test_teacher(reports):
    summary = teacher_summary(reports / "teacher.json")
    assert summary["figures"][:2] == [
        ("Zero-shot accuracy, balanced", "75 %", "chance 50 %"),
        ("Patch-text AUC, unknown region", "0.810", "chance 0.5"),
    ]
    assert 'aria-label="Accuracy by material: hair 100 %, net 50 %"' in summary["recalls"]
    assert [label for label, _ in summary["charts"]] == ["image loss"]
    assert "better than chance" in summary["says"]


def test_a_teacher_with_nothing_to_give_is_said_to_be_one(reports, tmp_path):
    write_json({**read_json(reports / "teacher.json"), "auc_unknown": 0.52}, tmp_path / "teacher.json")
    assert "little to give" in teacher_summary(tmp_path / "teacher.json")["says"]


@pytest.mark.parametrize(
    ("gap", "says"), [(0.01, "hardly more"), (0.1, "finds more"), (None, "than chance.")]
)
def test_the_probe_gap_is_told_where_it_was_measured(reports, tmp_path, gap, says):
    probe = {"teacher": 0.8 + (gap or 0), "student": 0.8, "gap": gap}
    write_json({**read_json(reports / "teacher.json"), "probe": probe}, tmp_path / "teacher.json")
    summary = teacher_summary(tmp_path / "teacher.json")
    assert says in summary["says"]
    assert any(name.startswith("Probe gap") for name, _, _ in summary["figures"]) == (gap is not None)


def test_a_teacher_that_could_not_be_scored(tmp_path):
    write_json(
        {"model": "ViT", "source": "open_clip", "accuracy": None, "auc_unknown": None}, tmp_path / "t.json"
    )
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
