"""The experiment's statistics by hand, and what its table, sentence and figure say of them."""

import math

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from erkd.experiments.ablation_figures import draw_contrasts
from erkd.experiments.ablation_table import NO_VERDICT, report, trial_table, verdict
from erkd.experiments.contrasts import contrast, crossed_interval, holm, log_ratios
from erkd.experiments.trials import Run, Trial

RUN = Run("2026-11-26T17:00:00Z", "0123abc", 1600, 900.5, "x86_64 CPU, 1 thread(s)", 294_380)
LISTED = {
    "seeds": {"plain": [1, 2, 3], "erkd": [1, 2, 3]},
    "contrasts": [["erkd", "plain"], ["erkd", "exchanged"]],
    "titles": {"plain": "plain training", "erkd": "ERKD", "exchanged": "exchanged codes"},
}


def plain_minus(text):
    return text.replace("\N{MINUS SIGN}", "-")


def scores_of(arm, seed, factors, set="photographs", base=(2.0, 3.0)):
    """A row per image and trimap: SAD is `base` of the image times the factor of the seed, or of the image."""
    rows = []
    for place, sad in enumerate(base):
        factor = factors[place] if isinstance(factors, tuple) else factors
        for trimap in ("Trimap1", "Trimap2"):
            rows.append({"arm": arm, "seed": seed, "set": set, "image": f"GT{place}", "trimap": trimap,
                         "sad": sad * factor, "mse": 0.01 * factor**2, "grad": 4 * factor, "conn": 3.0})  # fmt: skip
    return rows


def frame(erkd, others=(), set="photographs"):
    """Plain training and ERKD, whose log ratios are given by seed."""
    rows = [row for seed in erkd for row in scores_of("plain", seed, 1.0, set)]
    rows += [row for seed, ratio in erkd.items() for row in scores_of("erkd", seed, math.exp(ratio), set)]
    return pd.DataFrame([*rows, *others])


def test_an_interval_over_seeds_by_hand():
    found = contrast(frame({1: -0.1, 2: -0.2, 3: -0.3}), "erkd", "plain", "photographs")
    assert found.mean == pytest.approx(-0.2)
    assert found.by_seed == pytest.approx((-0.1, -0.2, -0.3))
    reach = 4.302653 * 0.1 / math.sqrt(3)  # t for 2 degrees of freedom, s = 0.1
    assert (found.low, found.high) == pytest.approx((-0.2 - reach, -0.2 + reach), rel=1e-6)
    assert found.p == pytest.approx(0.0741799, rel=1e-5)  # two-sided, t = -2 * sqrt(3)
    assert (found.seeds, found.images) == ((1, 2, 3), 2)
    squared = contrast(frame({1: -0.1, 2: -0.2, 3: -0.3}), "erkd", "plain", "photographs", "mse")
    assert squared.mean == pytest.approx(-0.4)


def test_a_photograph_weighs_the_same_whatever_its_trimaps():
    scores = frame({1: 0.0}).query("arm == 'plain'")
    erkd = pd.DataFrame(scores_of("erkd", 1, (math.e, 1.0)))
    both = pd.concat([scores, erkd])
    one_trimap_less = both[~((both["image"] == "GT0") & (both["trimap"] == "Trimap2"))]
    for table in (both, one_trimap_less):
        assert log_ratios(table, "erkd", "plain", "photographs", "sad").loc[1].to_dict() == pytest.approx(
            {"GT0": 1.0, "GT1": 0.0}
        )
        assert contrast(table, "erkd", "plain", "photographs").mean == pytest.approx(0.5)


def test_only_common_seeds_count_and_one_has_no_interval():
    scores = frame({1: -0.1, 2: -0.3}, scores_of("erkd", 7, 9.0))
    assert contrast(scores, "erkd", "plain", "photographs").mean == pytest.approx(-0.2)
    single = contrast(scores[scores["seed"] == 1], "erkd", "plain", "photographs")
    assert (single.seeds, single.mean) == ((1,), pytest.approx(-0.1))
    assert math.isnan(single.low)
    assert math.isnan(single.p)
    assert contrast(scores, "erkd", "exchanged", "photographs").seeds == ()


def test_the_crossed_bootstrap_draws_seeds_and_images_each_apart():
    """Of two values, 0 and 1, by seed or by image, a quarter of the samples has a mean of 0, a quarter of 1."""
    for values in ([[0.0, 0.0], [1.0, 1.0]], [[0.0, 1.0], [0.0, 1.0]]):
        assert crossed_interval(np.array(values)) == (0.0, 1.0)
    seeds = np.array([-0.1, -0.2, -0.3])[:, None]
    generator = np.random.default_rng(3)
    drawn = [np.mean(seeds[generator.integers(0, 3, 3)]) for _ in range(20_000)]
    assert crossed_interval(np.repeat(seeds, 4, axis=1)) == pytest.approx(
        np.percentile(drawn, [2.5, 97.5]), abs=0.011
    )
    assert crossed_interval(np.full((3, 9), -0.25)) == pytest.approx((-0.25, -0.25))


def test_holm_by_hand():
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.02, math.nan, 0.5]) == pytest.approx([0.06, 1.0, 1.0])


@pytest.mark.parametrize(
    ("erkd", "said"),
    [
        ({1: -0.10, 2: -0.11, 3: -0.12}, "the gain is proven."),
        ({1: -0.020, 2: -0.021, 3: -0.022}, "the gain is denied, since it is below 3 %."),
        ({1: -0.30, 2: -0.10, 3: 0.02}, "the gain is denied, since the interval holds 0."),
        ({1: 0.10, 2: 0.11, 3: 0.12}, "the gain is denied, ERKD is worse."),
        ({1: -0.10, 2: -0.11}, "nothing is decided yet."),
    ],
)
def test_the_verdict_keeps_to_the_rules(erkd, said):
    assert verdict(frame(erkd), [1, 2, 3]).endswith(said)


def test_the_verdict_states_both_intervals_and_the_codes():
    exchanged = [row for seed in (1, 2, 3) for row in scores_of("exchanged", seed, math.exp(-0.05))]
    text = plain_minus(verdict(frame({1: -0.10, 2: -0.11, 3: -0.12}, exchanged), [1, 2, 3]))
    assert text.startswith("On 2 photographs ERKD changes SAD by -10.4 % (-12.6 to -8.2 %) against plain training")
    assert "over 3 seeds" in text
    assert "and by -5.8 % (" in text
    assert verdict(frame({1: -0.10, 2: -0.11}), [1, 2, 3]).startswith("After 2 of 3 seeds, on 2 photographs")
    assert verdict(frame({1: -0.10}), [1, 2, 3]) == NO_VERDICT
    assert verdict(frame({1: -0.10})[:0], [1, 2, 3]) == NO_VERDICT


def test_table_and_figure_of_unfinished_trials(tmp_path):
    """Exchanged codes have one seed: a mean, and no interval."""
    scores = frame({1: -0.10, 2: -0.11, 3: -0.12}, scores_of("exchanged", 2, 0.9))
    scores = pd.concat([scores, frame({1: 0.0, 2: 0.1, 3: 0.2}, set="test")])
    runs = {
        Trial(tmp_path, arm, seed): RUN
        for arm, seeds in (("plain", (1, 2, 3)), ("erkd", (1, 2, 3)), ("exchanged", (2,)))
        for seed in seeds
    }
    trials = trial_table(scores, runs)
    assert len(trials) == 3 + 3 + 1 + 3 + 3
    row = trials.query("arm == 'erkd' and seed == 2 and set == 'photographs'").iloc[0]
    assert row["sad"] == pytest.approx(2.5 * math.exp(-0.11))
    assert row["log_ratio_to_plain"] == pytest.approx(-0.11)
    assert (row["images"], row["started"], row["commit"], row["steps"]) == (2, RUN.started, RUN.commit, 1600)
    text = plain_minus(report(scores, trials, LISTED))
    assert text.startswith(plain_minus(verdict(scores, [1, 2, 3])))
    assert "| ERKD / plain training | 3 | -10.4 % (-12.6 to -8.2 %) |" in text
    assert "| ERKD / exchanged codes | 1 | -0.5 % |  |  |  |" in text
    assert "| ERKD / plain training | -19.7 % (-23.6 to -15.7 %) | -10.4 % (-12.6 to -8.2 %) | +10.5 %" in text
    assert "| exchanged codes | photographs | 1 | 2.25 |" in text
    assert "nan" not in text
    for name in ("a.png", "b.png"):
        draw_contrasts(scores, LISTED, tmp_path / name)
    with Image.open(tmp_path / "a.png") as image:
        assert len(image.convert("RGB").getcolors(1 << 20)) > 20
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()
