import csv
import tomllib

import pytest

from erkd.report.cost_view import published_rows
from erkd.report.published import METRICS, published
from tests.support import ROOT


@pytest.mark.parametrize("data", ["composition1k", "distinctions646"])
def test_every_line_has_a_method_a_source_and_plausible_numbers(data):
    lines = published(data)
    assert len({line.method for line in lines}) == len(lines) >= 4
    for line in lines:
        assert line.method
        assert line.source
        assert 10 < line.values["sad"] < 130
        assert line.params_m is None or 1 < line.params_m < 200
    assert [line.values["sad"] for line in lines] == sorted(line.values["sad"] for line in lines)


def test_other_data_have_none():
    assert published("procedural") == published("alphamatting") == []


def test_the_tables_are_installed_with_the_package():
    build = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    assert "report/published_results/*.csv" in build["tool"]["setuptools"]["package-data"]["erkd"]
    for file in (ROOT / "erkd/report/published_results").iterdir():
        with file.open(newline="", encoding="utf-8") as stream:
            assert csv.DictReader(stream).fieldnames == ["method", *METRICS, "params_m", "source"]


def test_the_student_stands_among_them_in_their_units():
    values = {"sad": 21.0, "mse": 0.0042, "grad": 8.0, "conn": 17.0}
    rows = published_rows({"student": values}, {"parameters": 780_000}, published("distinctions646"))
    names = [row.name for row, _ in rows]
    assert names.index("student") == names.index("ViTMatte-B") + 1
    student = rows[names.index("student")][0]
    assert [cell.value for cell in student.cells] == ["21.00", "4.20", "8.00", "17.00", "0.78"]
