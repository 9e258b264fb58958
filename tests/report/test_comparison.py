import pandas as pd
import pytest

from erkd.report.comparison import PairedDifference, paired_differences, verdict

METHODS = {
    "student": {"sad": 2.0},
    "closed_form": {"sad": 2.25, "difference": {"sad": -0.25, "sad_low": -1.0, "sad_high": 0.5}},
    "interpolation": {"sad": 5.0, "difference": {"sad": -3.0, "sad_low": -4.0, "sad_high": -2.0}},
    "knn": {"sad": 6.0},
}
SAD = pd.DataFrame({"student": [1.0, 3.0], "closed_form": [2.0, 2.5], "knn": [9.0, 9.0]})


def test_differences_count_wins_and_leave_out_what_is_not_compared():
    assert paired_differences(METHODS, SAD) == [PairedDifference("closed_form", -0.25, -1.0, 0.5, 1, 2)]
    both = SAD.assign(interpolation=[0.5, float("nan")])
    assert [found.n for found in paired_differences(METHODS, both)] == [2, 1]  # the largest first


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
    difference = PairedDifference("closed_form", -1.0, low, high, 20, 32)
    found = verdict(3.0, 4.0, difference, "test composites")
    assert found["word"] == word
    assert found["lead"].startswith("On 32 test composites")
    assert found["lead"].endswith(says)
    assert "3.00 against 4.00 (25 % lower)" in found["detail"]
    assert "better on 20 of 32 images" in found["detail"]
    assert found["detail"].endswith("it includes 0.") == (word == "open")


def test_a_baseline_without_error_gives_no_percentage():
    found = verdict(1.0, 0.0, PairedDifference("knn", 1.0, 0.5, 1.5, 0, 4), "images")
    assert "%)" not in found["detail"].replace("95 %", "")
