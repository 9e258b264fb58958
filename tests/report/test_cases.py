import pytest

from erkd.io.tables import list_composites
from erkd.report.cases import build_cases, choose_cases
from erkd.report.set_section import KEYS
from erkd.report.tables import read_numbers
from tests.support.report_tree import make_tree


def test_choose_cases_by_hand():
    values = {name: number for number, name in enumerate("abcdefghi")}
    assert choose_cases(values, 2) == {"best": ["a", "b"], "median": ["d", "e"], "worst": ["i", "h"]}
    assert choose_cases(values, 1)["median"] == ["e"]


@pytest.mark.parametrize("count", [1, 2, 5])
@pytest.mark.parametrize("images", range(12))
def test_no_image_is_chosen_twice(images, count):
    chosen = choose_cases({f"s{number}": float(number % 3) for number in range(images)}, count)
    names = [name for kind in chosen.values() for name in kind]
    assert len(names) == len(set(names)) <= 3 * count
    assert bool(chosen["worst"]) == bool(images)


@pytest.fixture(scope="module")
def tree(tmp_path_factory):
    return make_tree(tmp_path_factory.mktemp("cases"))


def cases_of(tree, baselines="data/baselines/test"):
    samples = list_composites(tree / "data/composites", tree / "data/trimaps", "test")
    scores = read_numbers(tree / "reports/per_image.csv", KEYS, KEYS)
    methods = {"closed_form": tree / baselines / "closed_form"} if baselines else {}
    return build_cases(samples, scores, tree / "data/predictions/test", methods, 1)


def test_a_case_shows_truth_student_and_best_baseline(tree):
    cases = cases_of(tree)
    assert [case.kind for case in cases] == ["best", "median", "worst"]
    best = cases[0]
    assert [row.name for row in best.rows] == ["truth", "student", "closed form"]
    assert {len(row.images) for row in best.rows} == {5}
    assert best.subtitle == "hair · test"
    sad = [float(dict(case.rows[1].scores)["SAD, 10³ px"]) for case in cases]
    assert sad == sorted(sad)
    alts = [image.alt for case in cases for row in case.rows for image in row.images]
    assert all(alts)
    assert len(set(alts)) == len(alts)


def test_a_case_without_baselines_shows_the_student_alone(tree):
    assert [row.name for row in cases_of(tree, None)[0].rows] == ["truth", "student"]
    assert [row.name for row in cases_of(tree, "nothing")[0].rows] == ["truth", "student"]
