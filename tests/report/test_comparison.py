import pytest

from erkd.io.files import InputError
from erkd.report.comparison import (
    Difference,
    ImageScores,
    best_baseline,
    by_material,
    by_method,
    differences,
    read_scores,
    signed,
    verdict,
)

CSV = """group,sample_id,method,material,sad,mse,boundary_f
test,a,student,hair,1.0,0.01,0.9
test,b,student,net,3.0,0.02,
test,a,closed_form,hair,2.0,0.03,0.8
test,b,closed_form,net,2.5,0.04,0.7
other,a,student,hair,9.0,0.5,0.1
"""


@pytest.fixture
def scores(tmp_path):
    path = tmp_path / "per_image.csv"
    path.write_text(CSV)
    return read_scores(path)


def test_read_scores_takes_any_metric_and_empty_cells(scores):
    assert len(scores) == 5
    assert scores[0] == ImageScores(
        "test", "a", "student", "hair", {"sad": 1.0, "mse": 0.01, "boundary_f": 0.9}
    )
    assert "boundary_f" not in scores[1].values


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("group,sample_id,method\n", "material, sad are missing"),
        (CSV.replace("9.0", "many"), "not a table of scores"),
        (CSV + "test,c\n", "'c' has too few"),
        (CSV.replace("9.0", "9.0,1.0,1.0"), "too many cells"),
    ],
)
def test_read_scores_names_what_is_wrong(tmp_path, text, message):
    path = tmp_path / "scores.csv"
    path.write_text(text)
    with pytest.raises(InputError, match=message):
        read_scores(path)
    with pytest.raises(InputError, match=r"gone\.csv: no such file"):
        read_scores(tmp_path / "gone.csv")


def test_scores_by_method_and_material(scores):
    assert by_method(scores, "test") == {"student": {"a": 1.0, "b": 3.0}, "closed_form": {"a": 2.0, "b": 2.5}}
    assert by_material(scores, "test")["net"] == {"student": (3.0, 1), "closed_form": (2.5, 1)}
    assert [*by_material(scores, "test")] == ["hair", "net"]


GROUP = {
    "n": 2,
    "student": {"sad": 2.0},
    "closed_form": {"sad": 2.25, "difference": {"sad": -0.25, "sad_low": -1.0, "sad_high": 0.5}},
    "interpolation": {"sad": 5.0, "difference": {"sad": -3.0, "sad_low": -4.0, "sad_high": -2.0}},
    "knn": {"sad": 6.0},
}


def test_best_baseline_is_never_the_student():
    assert best_baseline(GROUP) == "closed_form"
    assert best_baseline({"n": 2, "student": {"sad": 1.0}}) is None


def test_differences_count_wins_and_leave_out_what_is_not_compared(scores):
    assert differences(GROUP, by_method(scores, "test")) == [
        Difference("closed_form", -0.25, -1.0, 0.5, 1, 2)
    ]


@pytest.mark.parametrize(
    ("low", "high", "word", "says"),
    [
        (-2.0, -0.5, "better", "the student beats closed form, the best baseline."),
        (0.5, 2.0, "worse", "the student loses to closed form, the best baseline."),
        (-2.0, 0.5, "open", "the student and closed form, the best baseline, cannot be told apart."),
        (-2.0, 0.0, "open", "cannot be told apart."),
    ],
)
def test_the_verdict_rests_on_the_interval(low, high, word, says):
    found = verdict(3.0, 4.0, Difference("closed_form", -1.0, low, high, 20, 32), "test composites")
    assert found.word == word
    assert found.lead.startswith("On 32 test composites")
    assert found.lead.endswith(says)
    assert "3.00 against 4.00 (25 % lower)" in found.detail
    assert "better on 20 of 32 images" in found.detail


def test_a_baseline_without_error_gives_no_percentage():
    found = verdict(1.0, 0.0, Difference("knn", 1.0, 0.5, 1.5, 0, 4), "images")
    assert "%)" not in found.detail.replace("95 %", "")


def test_signed():
    assert [signed(1.234), signed(-1.5), signed(0.0)] == ["+1.23", "\N{MINUS SIGN}1.50", "+0.00"]
