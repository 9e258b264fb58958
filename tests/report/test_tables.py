import numpy as np
import pytest

from erkd.evaluation.printing import METRICS
from erkd.io.files import InputError
from erkd.report.tables import dots_cell, marked, noted, number, read_numbers, value_cell

CSV = """group,sample_id,sad,boundary_f
test,a,1.0,0.9
test,b,3.0,
"""
TEXT = ["group", "sample_id"]


def test_numbers_of_any_column_and_empty_cells(tmp_path):
    (tmp_path / "scores.csv").write_text(CSV)
    table = read_numbers(tmp_path / "scores.csv", TEXT, TEXT)
    assert table.to_dict("list") == {
        "group": ["test", "test"], "sample_id": ["a", "b"], "sad": [1.0, 3.0],
        "boundary_f": [0.9, pytest.approx(np.nan, nan_ok=True)],
    }  # fmt: skip


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("group\n", r"the column\(s\) sample_id are missing; found group"),
        ("", "not the table"),
        (CSV.replace("3.0", "many"), "many"),
        (CSV + "test,c\n", "'test,c' has too few"),
        (CSV.replace("3.0", "3.0,1.0,1.0"), "too many cells"),
    ],
)
def test_damage_is_named(tmp_path, text, message):
    (tmp_path / "scores.csv").write_text(text)
    with pytest.raises(InputError, match=rf"scores\.csv: .*{message}"):
        read_numbers(tmp_path / "scores.csv", TEXT, TEXT)


def test_cells():
    values = {"mse": 0.0125, "mse_low": 0.01, "mse_high": 0.02}
    cell = value_cell(METRICS["mse"], values, best=True)
    assert cell == '<b>12.50</b><span class="interval">10.00 \N{EN DASH} 20.00</span>'
    assert value_cell(METRICS["sad"], {"sad": 1.0}) == "1.00"
    assert value_cell(METRICS["sad"], values) == number(np.nan) == "\N{EN DASH}"
    assert marked("<1>", best=True) == "<b>&lt;1&gt;</b>"
    assert noted("<a>", "b") == '&lt;a&gt; <span class="unit">b</span>'


def test_dots_lie_by_their_value_and_the_student_on_top():
    student, knn = '<i class="student" style="left:25.0%"></i>', '<i style="left:50.0%"></i>'
    assert dots_cell({"student": 1.0, "knn": 2.0}, 4.0) == f'<span class="track">{knn}{student}</span>'
