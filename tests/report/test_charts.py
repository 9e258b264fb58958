"""Charts are read back from their SVG: what is drawn where, in which of the page's colours."""

import re
from itertools import pairwise
from xml.etree import ElementTree

import pandas as pd
import pytest

from erkd.report.charts import bar_chart, cost_chart, line_chart, scatter_chart


def parsed(chart):
    return ElementTree.fromstring(chart.replace("xlink:href", "href"))


def points(chart):
    """Places, right and down, of the marked points by title, each with its colour."""
    found = {}
    for group in parsed(chart).iter("g"):
        title, use = group.find("title"), next(group.iter("use"), None)
        if title is not None:
            colour = re.search(r"fill: var\(--(\w+)\)", use.get("style")).group(1)
            found[title.text] = float(use.get("x")), float(use.get("y")), colour
    return found


def texts(chart):
    """Places of texts, right and down, by what they say."""
    return {text.text: (float(text.get("x")), float(text.get("y"))) for text in parsed(chart).iter("text")}


CHARTS = {
    "line": lambda: line_chart(pd.Series([1e9, 2, 1, 0.5], [1, 2, 3, 4]), "loss <x>"),
    "dots": lambda: line_chart(pd.Series([3.0, 1.0], [10, 20]), "SAD", dots=True),
    "bars": lambda: bar_chart({"student": 2.0, "knn": 4.0}, "SAD", "{:.2f}", [(1.0, 3.0), (4.0, 4.0)]),
    "scatter": lambda: scatter_chart(pd.DataFrame({"student": [1.0], "knn": [2.0]}, ["<a>"]), "knn"),
    "cost": lambda: cost_chart(pd.DataFrame({"cost": [1.0], "sad": [2.0]}, ["<a>"]), ["<a>"], "seconds"),
    "constant": lambda: line_chart(pd.Series([0.0], [1]), "zero"),
    "constant dots": lambda: line_chart(pd.Series([0.0], [1]), "nil", dots=True),
    "zeros": lambda: scatter_chart(pd.DataFrame({"student": [0.0], "knn": [0.0]}, ["both exact"]), "knn"),
}


@pytest.mark.parametrize("name", CHARTS)
def test_a_chart_is_sound_svg_in_the_pages_colours_and_always_the_same(name):
    chart = CHARTS[name]()
    assert parsed(chart).get("role") == "img"
    assert chart == CHARTS[name]()
    assert "var(--student)" in chart or name in ("cost", "zeros")
    assert not re.findall("#[0-9a-f]{6}", chart)  # every colour follows the light or dark page
    assert "http" not in chart
    assert "<metadata" not in chart


def test_charts_of_one_page_share_no_ids():
    ids = [found for make in CHARTS.values() for found in re.findall(r'id="([^"]*)"', make())]
    assert len(ids) == len(set(ids))


def test_a_line_is_summed_up_and_a_first_peak_does_not_flatten_it():
    values = pd.Series([1000.0, *[2.0, 1.0] * 100], range(1, 202))
    chart = line_chart(values, "loss <x>")
    assert parsed(chart).get("aria-label") == "loss <x>: 1000 at step 1, 1 at step 201"
    assert max(float(text) for text in texts(chart) if re.fullmatch(r"[\d.]+", text)) == 200  # the steps
    curves = [path for path in parsed(chart).iter("path") if "stroke: var(--student)" in path.get("style")]
    heights = [[float(y) for y in re.findall(r"[\d.]+ ([\d.]+)", path.get("d"))] for path in curves]
    assert max(heights[0]) - min(heights[0][-50:]) > 50  # 1 and 2 are far apart
    assert max(heights[1][-50:]) - min(heights[1][-50:]) < 15  # and in between the running mean


def test_dots_mark_single_measurements():
    uses = [use for use in parsed(CHARTS["dots"]()).iter("use") if "var(--student)" in use.get("style", "")]
    assert len(uses) == 2
    assert float(uses[0].get("y")) < float(uses[1].get("y"))  # more is higher up


def test_bars_are_as_long_as_their_values_and_the_student_stands_out():
    chart = CHARTS["bars"]()
    bars = {}
    for path in parsed(chart).iter("path"):
        colour = re.fullmatch(r"fill: var\(--(student|other)\)", path.get("style", ""))
        if colour:
            across = [float(x) for x in re.findall(r"[ML] ([\d.]+)", path.get("d"))]
            bars[colour.group(1)] = max(across) - min(across)
    assert bars["other"] == pytest.approx(2 * bars["student"], rel=1e-3)
    assert parsed(chart).get("aria-label") == "SAD: student 2.00, knn 4.00"
    assert texts(chart)["student"][1] < texts(chart)["knn"][1]


def test_scatter_marks_points_below_the_diagonal():
    pairs = pd.DataFrame({"student": [1.0, 2, 1], "knn": [2.0, 1, 1]}, ["won & named", "lost", "tie"])
    chart = scatter_chart(pairs, "knn")
    assert {name: colour for name, (_, _, colour) in points(chart).items()} == {
        "won & named": "student", "lost": "other", "tie": "other",
    }  # fmt: skip
    assert "the student is below knn on 1 of 3" in chart
    assert points(chart)["lost"][1] < points(chart)["won & named"][1]


def test_costs_are_powers_of_ten_apart_and_less_error_is_lower():
    table = pd.DataFrame({"cost": [0.01, 1.0, 0.1], "sad": [2.0, 4.0, 3.0]}, ["student", "knn", "paper"])
    chart = cost_chart(table, ["student", "knn"], "seconds")
    student, paper, knn = points(chart).values()
    assert paper[0] == pytest.approx((student[0] + knn[0]) / 2, abs=0.1)
    assert student[1] > paper[1] > knn[1]
    assert (student[2], knn[2]) == ("student", "other")
    assert {"student", "knn"} <= set(texts(chart))
    assert "paper" not in texts(chart)  # it shows on pointing
    assert "paper 3.00 at 0.1" in chart


def test_what_costs_nothing_stands_apart_at_the_left():
    table = pd.DataFrame({"cost": [0.0, 0.02], "sad": [2.0, 1.0]}, ["free", "paid"])
    chart = cost_chart(table, ["free", "paid"], "parameters")
    free, paid = points(chart)["free 2.00 at 0"], points(chart)["paid 1.00 at 0.02"]
    assert free[0] < paid[0] - 20
    assert texts(chart)["none"][0] == pytest.approx(free[0], abs=0.1)


@pytest.mark.parametrize("costs", [[1.0] * 6, [0.0] * 6, [0.001, 0.0011, 1, 1.1, 9, 9.5]])
def test_names_cover_neither_one_another_nor_points_and_stay_inside(costs):
    names = [f"method {number}" for number in range(6)]
    table = pd.DataFrame({"cost": costs, "sad": [5 + number / 50 for number in range(6)]}, names)
    chart = cost_chart(table, names, "seconds")
    places = [texts(chart)[name] for name in names]
    heights = sorted(up for _, up in places)
    assert all(low - high >= 11 for high, low in pairwise(heights))  # the font's size
    assert max(across for across, _, _ in points(chart).values()) + 4 < min(across for across, _ in places)
    width, height = map(float, parsed(chart).get("viewBox").split()[2:])
    assert all(across > 0 and across + 6.2 * len("method 0") <= width + 1 for across, _ in places)
    assert 0 < heights[0] < heights[-1] < height
