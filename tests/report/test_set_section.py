import csv
import tomllib

import numpy as np
import pandas as pd
import pytest

from erkd.io.files import write_json
from erkd.report.comparison import PairedDifference
from erkd.report.set_section import (
    ScoredSet,
    cost_part,
    difference_table,
    material_table,
    published,
    published_table,
    score_table,
    set_section,
)
from tests.support import ROOT

METHODS = {
    "knn": {"sad": 1.5},
    "student": {"sad": 2.0, "sad_low": 1.0, "sad_high": 4.0, "mse": 0.0125, "boundary_f": 0.9},
    "interpolation": {"sad": 3.0, "sad_low": 2.0, "sad_high": 5.0, "mse": 0.0101, "boundary_f": 0.8},
}
COSTS = {"student": {"seconds": 0.1, "peak_mib": 1000}, "knn": {"seconds": 1.5, "peak_mib": 700}}
NONE = "\N{EN DASH}"


def test_scores_have_units_and_intervals_and_a_best():
    header, knn, student, interpolation = score_table(METHODS)
    assert [title.split(" <")[0] for title in header] == ["method", "SAD", "MSE", "boundary F"]
    assert "10⁻³\nunknown region" in header[2]
    assert [row[0] for row in (knn, student, interpolation)] == ["KNN", "student", "distance interpolation"]
    assert student[1] == f'2.00<span class="interval">1.00 {NONE} 4.00</span>'
    assert knn[1:] == ["<b>1.50</b>", NONE, NONE]
    assert (student[2], interpolation[2]) == ("12.50", "<b>10.10</b>")  # MSE, in thousandths
    assert (student[3], interpolation[3]) == ("<b>0.900</b>", "0.800")  # more is better


def test_a_student_alone_is_not_called_best():
    assert score_table({"student": {"sad": 1.0}})[1] == ["student", "1.00"]


def test_differences_in_words():
    rows = difference_table([PairedDifference("knn", -1, -2, -0.5, 3, 4), PairedDifference("mean", 0, -1, 1, 2, 4)])
    assert [row[-1].striptags() for row in rows[1:]] == ["better", "not told apart"]
    assert rows[1][:4] == ["KNN", "\N{MINUS SIGN}1.00", "\N{MINUS SIGN}2.00 to \N{MINUS SIGN}0.50", "3 of 4"]


def scores_of(*rows):
    return pd.DataFrame(rows, columns=["material", "sample_id", "method", "sad"])


def test_materials_are_averaged_and_mark_the_best():
    rows = material_table(scores_of(
        ("net", "a", "student", 4.0), ("hair", "b", "student", 0.5), ("hair", "c", "student", 1.5),
        ("hair", "b", "knn", 2.0), ("hair", "c", "knn", 2.0),
    ))  # fmt: skip
    assert "0 to 4" in rows[0][2]
    assert rows[0][3:] == ["student", "KNN"]
    assert [row[:2] + row[3:] for row in rows[1:]] == [
        ["hair", "2", "<b>1.00</b>", "2.00"], ["net", "1", "<b>4.00</b>", NONE],
    ]  # fmt: skip
    assert all(style in rows[1][2] for style in ("left:25.0%", "left:50.0%"))
    assert material_table(scores_of(("", "a", "student", 1.0))) == []
    assert material_table(scores_of()) == []


def test_costs_leave_out_what_is_unknown():
    methods = {"a_network": {"sad": 5.0}, "student": {"sad": 6.0}, "knn": {"sad": 7.0}}
    part = cost_part(methods, COSTS, 1.5, published("procedural"))
    assert [name for name, _ in part["charts"]] == ["seconds", "parameters"]
    assert "a network" not in part["charts"][0][1]
    assert part["rows"][1:] == [
        ["a network", "5.00", NONE, NONE, NONE],
        ["student", "6.00", "0.1", "1000", "1.50"],
        ["KNN", "7.00", "1.5", "700", "none"],
    ]
    assert cost_part({"student": {"sad": 1.0}}, COSTS, 1.5, published("procedural")) is None
    assert [name for name, _ in cost_part(methods, {}, np.nan, published("procedural"))["charts"]] == []


def test_published_methods_are_drawn_by_their_parameters():
    lines = pd.DataFrame({"method": ["Net", "No size"], "sad": [30.0, 20.0], "params_m": [25.0, np.nan]})
    chart = dict(cost_part(METHODS, COSTS, 1.5, lines)["charts"])["parameters"]
    assert "Net 30.00 at 25" in chart
    assert "No size" not in chart


@pytest.mark.parametrize("source", ["composition1k", "distinctions646", "aim500"])
def test_every_published_line_has_a_method_a_source_and_plausible_numbers(source):
    lines = published(source)
    assert len(set(lines.method)) == len(lines) >= 3
    assert lines[["method", "source"]].all(axis=None)
    assert lines.sad.between(10, 130).all()
    assert lines.params_m.dropna().between(1, 200).all()


def test_other_data_have_no_published_lines():
    assert published("procedural").empty
    assert published_table({"sad": 1.0}, 1.0, published("alphamatting")) == []


def test_the_published_tables_are_installed_with_the_package():
    build = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    assert "report/published_results/*.csv" in build["tool"]["setuptools"]["package-data"]["erkd"]
    for file in (ROOT / "erkd/report/published_results").iterdir():
        with file.open(newline="", encoding="utf-8") as stream:
            assert csv.DictReader(stream).fieldnames == [*published("nothing")]


def test_the_student_stands_among_published_methods_in_their_units():
    values = {"sad": 21.0, "mse": 0.0042, "grad": 8.0, "conn": 17.0}
    rows = published_table(values, 0.78, published("distinctions646"))
    names = [row[0] for row in rows]
    assert names.index("student") == names.index("ViTMatte-B") + 1
    assert rows[names.index("student")][1:-1] == ["21.00", "4.20", "8.00", "17.00", "0.78"]


def test_the_verdict_is_on_the_baseline_of_the_lowest_error(tmp_path):
    difference = {"sad": -0.5, "sad_low": -1.0, "sad_high": -0.1}
    sads = {"student": 1.0, "closed_form": 3.0, "knn": 2.0}
    methods = {name: {"sad": sad, "difference": difference} for name, sad in sads.items()}
    write_json({"test": {"n": 1, **methods, "student": {"sad": 1.0}}}, tmp_path / "metrics.json")
    lines = [f"test,a,{name},net,{sad}" for name, sad in sads.items()]
    (tmp_path / "per_image.csv").write_text("\n".join(["group,sample_id,method,material,sad", *lines, ""]))
    files = tmp_path / "metrics.json", tmp_path / "per_image.csv", tmp_path / "predictions"
    section = set_section(ScoredSet("Photos", "photographs", (), *files, {}, {}, "procedural"), 1, {})
    (group,) = section["groups"]
    assert [*group["methods"]] == ["student", "knn", "closed_form"]
    assert group["verdict"]["lead"] == "On 1 photographs the student beats KNN, the best baseline."
    assert "KNN on 1 of 1" in group["scatter"]
    assert "<title>a net</title>" in group["scatter"]
