from erkd.report.comparison import Difference
from erkd.report.score_tables import difference_rows, material_table, score_table

GROUP = {
    "n": 4,
    "student": {"sad": 2.0, "sad_low": 1.0, "sad_high": 4.0, "mse": 0.0125, "boundary_f": 0.9},
    "interpolation": {"sad": 3.0, "sad_low": 2.0, "sad_high": 5.0, "mse": 0.0101, "boundary_f": 0.8},
    "knn": {"sad": 1.5},
}


def test_rows_come_by_sad_with_units_and_intervals():
    table = score_table(GROUP)
    assert [row.name for row in table.rows] == ["KNN", "student", "distance interpolation"]
    assert table.n == 4
    assert table.regions == (("unknown region", 2), ("boundary", 1))
    student = table.rows[1]
    assert student.is_student
    assert (student.cells[0].value, student.cells[0].interval) == ("2.00", "1.00 \N{EN DASH} 4.00")
    assert student.cells[1].value == "12.50"  # MSE, in thousandths
    assert table.rows[0].cells[1].value == "\N{EN DASH}"


def test_the_best_is_the_least_but_for_the_f_score():
    best = [[cell.best for cell in row.cells] for row in score_table(GROUP).rows]
    assert best == [[True, False, False], [False, False, True], [False, True, False]]


def test_bars_share_one_axis():
    bars = {bar.name: bar for bar in score_table(GROUP).bars}
    assert (bars["student"].at, bars["distance interpolation"].at) == (39.2, 58.8)  # 2 and 3 of 5.1
    assert bars["KNN"].low == bars["KNN"].high == bars["KNN"].at
    assert all(0 <= bar.low <= bar.at <= bar.high <= 100 for bar in bars.values())


def test_a_student_alone_is_not_called_best():
    (row,) = score_table({"n": 1, "student": {"sad": 1.0}}).rows
    assert not row.cells[0].best


def test_differences_in_words():
    rows = difference_rows([Difference("knn", -1, -2, -0.5, 3, 4), Difference("mean", 0, -1, 1, 2, 4)])
    assert [row.cells[-1].value for row in rows] == ["better", "not told apart"]
    assert rows[0].cells[2].value == "3 of 4"


def test_materials_mark_the_best_and_draw_the_student_last():
    materials = {"hair": {"student": (1.0, 2), "knn": (2.0, 2)}, "net": {"student": (4.0, 3)}}
    table = material_table(materials, ["student", "knn"])
    assert table.end == "4"
    hair, net = table.rows
    assert hair.dots == ((50.0, False), (25.0, True))
    assert [cell.best for cell in hair.cells] == [True, False]
    assert (net.images, net.cells[1].value) == (3, "\N{EN DASH}")


def test_materials_without_names_need_no_table():
    assert material_table({"": {"student": (1.0, 9)}}, ["student"]) is None
    assert material_table({}, []) is None
