import re
from xml.etree import ElementTree

import pytest

from erkd.report.cost_chart import HEIGHT, WIDTH, Point, cost_chart
from erkd.report.cost_view import cost_view
from erkd.report.published import Published

GROUP = {"n": 2, "student": {"sad": 6.0}, "knn": {"sad": 7.0}, "a_network": {"sad": 5.0}}
COSTS = {"student": {"seconds": 0.1, "peak_mib": 1000}, "knn": {"seconds": 1.5, "peak_mib": 700}}


def circles(chart):
    found = re.findall(r'class="point (\w+)" cx="([\d.]+)" cy="([\d.]+)"', chart)
    return {kind: (float(across), float(up)) for kind, across, up in found}


def test_costs_are_powers_of_ten_apart_and_less_error_is_lower():
    points = [
        Point("a", 0.01, 2.0, "student"),
        Point("b", 1.0, 4.0, "other"),
        Point("c", 0.1, 3.0, "published"),
    ]
    places = circles(cost_chart(points, "seconds", "SAD"))
    student, other, published = (places[kind] for kind in ("student", "other", "published"))
    assert published[0] == pytest.approx((student[0] + other[0]) / 2, abs=0.1)
    assert student[1] > published[1] > other[1]


def test_what_costs_nothing_stands_apart_at_the_left():
    points = [Point("free", 0.0, 2.0, "other"), Point("paid", 0.02, 1.0, "student")]
    chart = cost_chart(points, "parameters", "SAD")
    places = circles(chart)
    assert places["other"][0] < places["student"][0] - 20
    assert ">none</text>" in chart


@pytest.mark.parametrize("costs", [[1.0] * 6, [0.0] * 6, [0.001, 0.0011, 1, 1.1, 9, 9.5]])
def test_names_cover_neither_one_another_nor_points_and_stay_inside(costs):
    points = [Point(f"method {n}", cost, 5.0 + n / 50, "other") for n, cost in enumerate(costs)]
    chart = cost_chart(points, "seconds", "SAD")
    ElementTree.fromstring(chart)
    boxes = []
    for across, up, anchor, name in re.findall(
        r'class="name other" x="([\d.-]+)" y="([\d.-]+)" dy="0.32em" text-anchor="(\w+)">(.*?)<', chart
    ):
        start = float(across) - (6.2 * len(name) if anchor == "end" else 0)
        boxes.append((start, start + 6.2 * len(name), float(up)))
    assert len(boxes) == 6
    for number, (start, end, up) in enumerate(boxes):
        assert 0 <= start < end <= WIDTH
        assert 0 <= up <= HEIGHT
        for start2, end2, up2 in boxes[:number]:
            assert end < start2 or start > end2 or abs(up - up2) >= 12.9


def test_names_are_escaped():
    assert "&lt;b&gt;" in cost_chart([Point("<b>", 1.0, 1.0, "other")], "s", "SAD")


def test_the_view_leaves_out_what_is_unknown():
    view = cost_view(GROUP, COSTS, {"parameters": 1_500_000}, [])
    assert [name for name, _ in view.charts] == ["seconds", "parameters"]
    assert "a network" not in view.charts[0][1]
    cells = {row.name: [cell.value for cell in row.cells] for row in view.rows}
    assert cells["student"] == ["6.00", "0.1", "1000", "1.50"]
    assert cells["a network"] == ["5.00", "\N{EN DASH}", "\N{EN DASH}", "\N{EN DASH}"]
    assert cells["KNN"][-1] == "none"
    assert cost_view({"n": 1, "student": {"sad": 1.0}}, COSTS, {}, []) is None


def test_published_methods_stand_beside_by_their_parameters():
    lines = [
        Published("Net", {"sad": 30.0}, 25.0, "a readme"),
        Published("No size", {"sad": 20.0}, None, "x"),
    ]
    chart = dict(cost_view(GROUP, COSTS, {"parameters": 1_500_000}, lines).charts)["parameters"]
    assert "Net 30.00 at 25" in chart
    assert "No size" not in chart
