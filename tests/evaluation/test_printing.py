from erkd.evaluation.baselines import MEAN, METHODS
from erkd.evaluation.folders import Grid, latex
from erkd.evaluation.printing import METHOD_NAMES, METRICS, OFFICIAL, method_name, signed
from erkd.evaluation.scores import NAMES, STUDENT


def test_every_score_and_every_method_has_an_entry():
    assert tuple(METRICS) == NAMES
    assert set(METHOD_NAMES) == {STUDENT, *METHODS, MEAN}
    assert [metric.key for metric in OFFICIAL] == ["sad", "mse", "grad", "conn"]


def test_values_are_printed_in_their_unit_with_names_and_signs():
    assert METRICS["mse"].text(0.01234) == "12.34"
    assert METRICS["sad"].text(1.5, 4) == "1.5000"
    assert METRICS["boundary_f"].text(0.87654) == "0.877"
    assert [key for key, metric in METRICS.items() if metric.more_is_better] == ["boundary_f"]
    assert (method_name("knn"), method_name("a_network")) == ("KNN", "a network")
    assert [signed(1.234), signed(-1.5), signed(0.0, 1)] == ["+1.23", "\N{MINUS SIGN}1.50", "+0.0"]


def test_latex_cells_hold_no_signs_of_their_own():
    table = latex(Grid("100 % of a_b", 1, ["a_b", "MSE, 10⁻³"], [["95 %", "10³ px"]]))
    assert r"a\_b & MSE, $10^{-3}$ \\" in table
    assert r"95 \% & $10^3$ px \\" in table
