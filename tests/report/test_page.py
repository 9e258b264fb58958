import re
import shutil
from dataclasses import replace

import numpy as np
import pytest

from erkd.evaluation.costs import read_costs
from erkd.io.files import InputError, read_json, write_json
from erkd.io.tables import list_composites
from erkd.params import load_params
from erkd.report.page import write_report
from erkd.report.set_section import ScoredSet
from erkd.report.teacher_maps import save_maps
from pipeline.common.sets import list_methods
from tests.support import ROOT
from tests.support.browser import look_at
from tests.support.report_tree import IMAGES, make_tree


@pytest.fixture(scope="module")
def tree(tmp_path_factory):
    return make_tree(tmp_path_factory.mktemp("tree"))


def page_of(root, **changes):
    """The page that the files under `root` give; `changes` are fields of the test set."""
    there = (root / "data/composites/manifest.csv").is_file()
    samples = list_composites(root / "data/composites", root / "data/trimaps", "test") if there else ()
    files = root / "reports/metrics.json", root / "reports/per_image.csv", root / "data/predictions/test"
    measured = list_methods(root, "test"), read_costs(root / "reports", "test")
    scored = ScoredSet("Test composites", "test composites", tuple(samples), *files, *measured, "procedural")
    write_report(root, [replace(scored, **changes)], load_params(ROOT / "params.yaml"))
    return (root / "reports/index.html").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def page(tree):
    return page_of(tree)


def test_the_page_holds_everything(page):
    for text in (
        "beats closed form", "1.23 M", "Patch-text AUC", "0.810", "validation SAD", "erkd.unknown_gain", "CC0-1.0",
        "1 of 2 expectations are met", "composites: split is one of &lt;three&gt;: not so in test-01",
        "a &lt;b&gt;bold&lt;/b&gt; &amp; &#34;quoted&#34;",
    ):  # fmt: skip
        assert text in page, text
    assert page.count('class="kind') == 6  # of eight images two best, two median, two worst
    for text in ("Left out", "<b>bold", "Published numbers"):
        assert text not in page, text


def test_costs_of_every_method_are_drawn_and_listed(page):
    assert "SAD against processor seconds per image: student" in page
    assert "SAD against million parameters: student" in page
    rows = re.findall(
        r'<th scope="row">([\w ]+)</th><td>[\d.]+</td><td>(.*?)</td><td>(.*?)</td><td>(.*?)</td></tr>',
        page[page.index('aria-label="Costs"') :],
    )
    assert rows == [("student", "0.125", "200", "1.23"), ("closed form", "2.5", "300", "none")]


def test_costs_that_were_not_measured_are_left_out(tree):
    page = page_of(tree, costs={})
    assert "against processor seconds" not in page
    assert "SAD against million parameters" in page
    assert "predictions came from the cache" in page


def test_wrong_trimaps_are_compared_and_shown(page, tree):
    section = page[page.index('id="trimaps"') : page.index('id="training"')]
    assert "The same 2 test images" in section
    assert all(f"<b>{name}</b>" in section for name in ("given", "narrow", "wide", "wrong"))
    assert section.count("<img") == 4 * 3
    change = read_json(tree / "reports/robustness.json")
    wide = change["wide"]["student"]["sad_whole"] - change["given"]["student"]["sad_whole"]
    row = section[section.index('<th scope="row">wide') :].split("</tr>")[0]
    assert f'<td> <span class="unit">{wide:+.2f}</span> <b>'.replace("-", "\N{MINUS SIGN}") in row


@pytest.mark.parametrize(("source", "sad"), [("composition1k", "17.53"), ("distinctions646", "17.05")])
def test_published_numbers_stand_only_beside_results_on_their_data(tree, source, sad):
    page = page_of(tree, source=source)
    table = page[page.index("Published numbers") :]
    assert f"<td>{sad}</td>" in table
    assert "readme" in table
    assert '<tr class=student><th scope="row">student</th>' in table  # among them, by SAD


def test_nothing_outside_the_page_is_named(page, tree):
    assert not re.search(r"""(src|href)="(?!data:|#)""", page)
    assert "http" not in re.sub(r"http-equiv", "", re.sub(r"base64,[^\"]*", "", page))
    assert str(tree) not in page


def test_the_same_inputs_give_the_same_page_anywhere(page, tree, tmp_path):
    assert page_of(shutil.copytree(tree, tmp_path / "elsewhere")) == page


def test_without_inputs_every_section_says_what_is_missing(tmp_path):
    page = page_of(tmp_path)
    assert page.count("Left out") >= 9
    assert "No verdict yet." in page
    assert "erkd.unknown_gain" in page


@pytest.mark.parametrize(
    "absent",
    [
        *(f"reports/{name}.json" for name in ("metrics", "teacher", "validation", "robustness")),
        *("reports/per_image.csv", "reports/history.csv", "reports/timings", "models"),
        *(f"data/{name}" for name in ("wrong_trimaps", "predictions", "baselines", "library")),
    ],
)
def test_one_absent_input_leaves_a_line_or_less(tree, tmp_path, absent):
    shutil.copytree(tree, tmp_path / "tree")
    (tmp_path / "tree" / absent).rename(tmp_path / "away")
    page = page_of(tmp_path / "tree")
    assert "Left out" in page or absent in ("data/baselines", "data/wrong_trimaps")
    assert len(page) > 20_000


def test_a_damaged_input_is_named(tree, tmp_path):
    shutil.copytree(tree, tmp_path / "tree")
    (tmp_path / "tree/reports/per_image.csv").write_text("group,sample_id\n")
    with pytest.raises(InputError, match=r"per_image\.csv: .* method, material, sad are missing"):
        page_of(tmp_path / "tree")


def test_a_set_of_several_groups_names_each(tree):
    metrics = read_json(tree / "reports/metrics.json")["test"]
    header, *lines = (tree / "reports/per_image.csv").read_text().splitlines()
    folder = tree / "reports/sets/photos"
    write_json(dict.fromkeys(("Trimap1", "Trimap2"), metrics), folder / "metrics.json")
    both = [line.replace("test", group, 1) for group in ("Trimap1", "Trimap2") for line in lines]
    (folder / "per_image.csv").write_text("\n".join([header, *both, ""]))
    files = {"metrics": folder / "metrics.json", "per_image": folder / "per_image.csv"}
    page = page_of(tree, images="photographs", **files)
    assert f"On {IMAGES} photographs (Trimap1) the student beats" in page
    assert f"On {IMAGES} photographs (Trimap2) the student beats" in page


@pytest.mark.slow
@pytest.mark.parametrize("width", [1280, 390])
def test_the_page_in_a_browser(tree, browser, width):
    page_of(tree)
    seen = look_at(browser, tree / "reports/index.html", width)
    assert (seen.errors, seen.requests, seen.overflow, seen.broken, seen.nameless) == ([], [], 0, [], 0)
    # six cases of 1 given and 3 rows of 5; wrong trimaps; foregrounds; composites with trimaps; the strip
    assert seen.pictures == 6 * 16 + 4 * 3 + IMAGES + 2 * IMAGES + 1


@pytest.mark.slow
def test_the_browser_sees_what_is_wrong(browser, tmp_path):
    page = tmp_path / "page.html"
    page.write_text(
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        '<img src="missing.png" alt="gone">'
        '<img src="data:image/gif;base64,R0lGODlhAQABAAAAACH5BAEKAAEALAAAAAABAAEAAAICTAEAOw==">'
        '<div style="width:2000px">wide</div><script>console.error("one"); undefined.two</script>'
    )
    seen = look_at(browser, page, 390)
    assert len(seen.errors) >= 2
    assert [request.rsplit("/")[-1] for request in seen.requests] == ["missing.png"]
    assert seen.overflow > 1500
    assert seen.broken == ["gone"]
    assert (seen.pictures, seen.nameless) == (2, 1)


def test_similarity_maps_stand_in_the_teachers_section(page, tree, tmp_path):
    shutil.copytree(tree, tmp_path / "tree")
    folder, image = tmp_path / "tree/reports/similarity/test", np.full((24, 32, 3), 0.5, np.float32)
    maps = np.float32([[[1, 0]], [[0, 1]]])
    save_maps([("s1", image, ["a net", "a wall"], maps)], folder)
    section = page_of(tmp_path / "tree").split('id="teacher"')[1].split("</section>")[0]
    assert "a net · a wall" in section
    assert 'alt="Similarity to: a wall"' in section
    assert "a net · a wall" not in page
