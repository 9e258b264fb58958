import numpy as np
import pytest

from erkd.data.wrong_trimaps import VARIANTS, list_variant, spread, vary_trimap, write_variant
from erkd.io.files import sha256
from erkd.io.images import load_alpha, load_trimap
from erkd.io.tables import list_composites
from tests.support.small_set import write_small_set


def ramp():
    """Alpha rises over 40 of 400 columns; the trimap is right and a little wider."""
    columns = np.arange(400)
    alpha = np.tile(np.clip((columns - 180) / 40, 0, 1), (60, 1)).astype(np.float32)
    trimap = np.select([columns < 170, columns > 230], [0.0, 1.0], 0.5).astype(np.float32)
    return alpha, np.tile(trimap, (60, 1))


def test_a_right_trimap_made_narrow_wide_and_wrong(rng):
    alpha, trimap = ramp()
    narrow, wide, wrong = (vary_trimap(variant, alpha, trimap, rng) for variant in ("narrow", "wide", "wrong"))
    # narrow cuts off what is faint
    assert (narrow[0, 180:184] == 0).all()
    assert (narrow[0, 186:214] == 0.5).all()
    assert (narrow[0, 217:] == 1).all()
    unknown = np.flatnonzero(wide[30] == 0.5)
    assert (unknown[0], unknown[-1]) == (161, 239)  # 20 pixels, of a longer side of 400
    # wrong turns a hundredth of the known pixels round
    changed = wrong != trimap
    assert changed.sum() == round((trimap != 0.5).sum() / 100)
    assert (wrong[changed] == 1 - trimap[changed]).all()
    assert (trimap[changed] != 0.5).all()


def test_wide_leaves_something_known_and_narrow_something_unknown(rng):
    alpha = np.zeros((50, 800), np.float32)
    alpha[:, ::50] = 1
    alpha[:, 1::50] = 0.5
    wide = vary_trimap("wide", alpha, np.full_like(alpha, 0.5), rng)
    assert 0 < (wide == 0.5).mean() < 0.9
    hard = np.repeat(np.float32([[0, 1]]), 4, axis=0)
    trimap = np.full_like(hard, 0.5)
    assert (vary_trimap("narrow", hard, trimap, rng) == trimap).all()


@pytest.mark.parametrize(("count", "expected"), [(2, [0, 9]), (3, [0, 4, 9]), (99, [*range(10)]), (0, [])])
def test_spread(count, expected):
    assert spread(range(10), count) == expected


def test_a_variant_is_a_set_of_its_own_that_any_order_gives_again(tmp_path):
    write_small_set(tmp_path)
    samples = list_composites(tmp_path / "data/composites", tmp_path / "data/trimaps", "test")
    for variant in VARIANTS:
        varied = write_variant(samples[:2], variant, tmp_path / variant, 0)
        assert varied == list_variant(samples, variant, tmp_path / variant)
        assert [(sample.sample_id, sample.group) for sample in varied] == [("s0", variant), ("s1", variant)]
        assert varied[0].image == samples[0].image
        assert load_trimap(varied[0].trimap).shape == load_alpha(varied[0].alpha).shape
        before = sha256(tmp_path / variant)
        write_variant(samples[1::-1], variant, tmp_path / variant, 0)
        assert sha256(tmp_path / variant) == before
    write_variant(samples[:2], "wrong", tmp_path / "other", 1)
    assert sha256(tmp_path / "other") != sha256(tmp_path / "wrong")
