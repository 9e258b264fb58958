"""Paired differences by hand, and what the table and the figures say of them."""

import math

import pytest
from PIL import Image

from erkd.experiments.ablation_figures import draw_differences, draw_trade_off
from erkd.experiments.ablation_table import report, verdict
from erkd.experiments.paired import as_long, by_trial, paired_difference
from erkd.experiments.trials import TrialRow


def row(method, seed, sad, variant="full", set="test", steps=10, seconds=10.0, params=290_000):
    return TrialRow(method, variant, seed, set, sad, 0.01, 2.0, 3.0, params, steps, seconds)


def trial(*sads, **settings):
    return {seed: row("none", seed, sad, **settings) for seed, sad in enumerate(sads, 1)}


def test_an_interval_by_hand():
    found = paired_difference(trial(4.0, 5.0, 9.0), trial(3.0, 3.0, 6.0))  # differences 1, 2, 3
    assert found.mean == pytest.approx(2)
    assert found.high - found.mean == pytest.approx(4.302653 / math.sqrt(3), rel=1e-6)  # t for 2 degrees, s = 1
    assert found.low == pytest.approx(4 - found.high)
    assert (found.n, found.sign) == (3, 0)
    assert paired_difference(trial(4.0, 5.0, 9.1), trial(3.0, 4.0, 8.0)).sign == 1
    assert paired_difference(trial(3.0, 4.0, 8.0), trial(4.0, 5.0, 9.1)).sign == -1


def test_only_seeds_that_both_have_are_paired():
    second = trial(3.0, 3.0)
    assert paired_difference(trial(4.0, 5.0, 900.0), second).n == 2
    assert paired_difference(trial(4.0), second).high == math.inf
    with pytest.raises(ValueError, match="no seed"):
        paired_difference({7: row("none", 7, 1.0)}, second)


def test_plain_training_of_as_many_seconds():
    trials = {
        "none-full": trial(4.0),
        "none-longer": trial(4.0, seconds=13.0),
        "none-longest": trial(4.0, seconds=20.0),
        "none-base": trial(4.0, seconds=11.5),  # another student is no control
    }
    for seconds, name in (
        (10.0, "none-full"),
        (10.4, "none-full"),
        (11.0, "none-longer"),
        (15.0, "none-longest"),
        (30.0, None),
    ):
        assert as_long(trials, trial(3.0, seconds=seconds)) == name


def rows_with(erkd):
    return [
        row(method, seed, base + seed + wobble * (seed % 2), set=set, seconds=seconds)
        for set in ("test", "photographs")
        for method, base, wobble, seconds in (
            ("none", 5.0, 0.0, 10.0), ("erkd", 5.0 - erkd, 0.01, 12.0), ("fb", 5.5, 0.02, 11.0),
            ("bcd", 4.0, 0.02, 11.0),
        )
        for seed in (1, 2, 3)
    ]  # fmt: skip


def test_the_verdict_says_how_erkd_stands_to_every_method_and_part():
    rows = rows_with(0.5)
    rows += [row("erkd", seed, 5.2 + seed, variant="no_erm") for seed in (1, 2, 3)]
    rows += [row("erkd", seed, 4.5 + seed + 0.3 * (seed - 2), variant="no_mffm") for seed in (1, 2, 3)]
    last = verdict(by_trial(rows, "test"), "test").split(". ")[-1]
    assert last.startswith("ERKD is better than ")
    better, worse, alike = last.removesuffix(".").split("; ")
    assert "ERKD (ERM off)" in better
    assert worse.startswith("worse than ")
    assert "ERKD (MFFM off)" in alike.removeprefix("not told apart from ")


@pytest.mark.parametrize(("erkd", "said"), [(0.5, "lowers SAD"), (-0.5, "raises SAD"), (0.0, "makes no difference")])
def test_the_first_line_says_what_came_out(erkd, said):
    rows = rows_with(erkd)
    text = report(rows, {"closed_form": 6.5})
    first = text.splitlines()[0]
    assert first.startswith(f"On the test composites, distillation by ERKD {said}")
    assert f"On photographs, distillation by ERKD {said}" in first
    assert "lower than plain training of the other methods: BCD; higher" in first
    assert "higher than plain training of the other methods: colours of F and B" in first
    assert "closed form 6.500" in text
    assert text.count("| BCD | 6.013 |") == 4  # twice for each set
    assert verdict(by_trial(rows, "test"), "test") in first


def test_a_single_seed_has_no_interval(tmp_path):
    rows = [row(method, 1, sad) for method, sad in (("none", 5.0), ("erkd", 4.5))]
    text = report(rows, {})
    assert "makes no difference that can be told from 0" in text
    assert "+0.500 (one seed)" in text
    assert "inf" not in text
    draw_differences(rows, tmp_path / "differences.png")


def test_both_figures_are_drawn_and_the_same_every_time(tmp_path):
    rows = [
        *rows_with(0.3),
        row("none", 1, 4.0, "small", params=780_000),
        row("none", 1, 3.5, "base", params=3_240_000),
    ]
    for name in ("a.png", "b.png"):
        draw_differences(rows, tmp_path / f"differences-{name}")
        draw_trade_off(rows, {"none-full": 90.0, "none-small": 150.0}, {"knn": 4.2}, tmp_path / f"cost-{name}")
    for figure in ("differences", "cost"):
        with Image.open(tmp_path / f"{figure}-a.png") as image:
            assert len(image.convert("RGB").getcolors(1 << 20)) > 20
        assert (tmp_path / f"{figure}-a.png").read_bytes() == (tmp_path / f"{figure}-b.png").read_bytes()
