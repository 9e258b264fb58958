"""A lens out of focus: a point becomes the aperture, light is kept, what was clipped outshines the rest."""

import numpy as np
import pytest

from erkd.data.lens import Lens, defocus, draw_lens


def point(value):
    image = np.zeros((65, 65, 3), np.float32)
    image[32, 32] = value
    return image


@pytest.mark.parametrize("blades", [0, 5, 8])
def test_a_point_becomes_the_aperture_and_its_light_is_kept(blades):
    lens = Lens(6.0, blades, 0.4, 0.0)
    light = defocus(point(0.7), lens)[:, :, 1] ** 2
    assert light.sum() == pytest.approx(0.49, rel=1e-3)
    sides = blades or 1000
    area = sides / 2 * np.sin(2 * np.pi / sides) * 36
    assert light.max() == pytest.approx(0.49 / area, rel=0.05)
    assert (light > 0.5 * light.max()).sum() == pytest.approx(area, rel=0.05)  # even light up to its edge


def test_what_is_flat_stays_and_clipped_light_was_brighter_than_white():
    lens = Lens(10.0, 0, 0.0, 20.0)
    flat = np.full((64, 48, 3), 0.6, np.float32)
    np.testing.assert_allclose(defocus(flat, lens), flat, atol=1e-5)
    wide, white = Lens(6.0, 0, 0.0, 20.0), point(1.0)
    ratio = defocus(white, wide)[32, 32] ** 2 / defocus(white, Lens(6.0, 0, 0.0, 0.0))[32, 32] ** 2
    np.testing.assert_allclose(ratio, 21, rtol=1e-3)


def test_lenses_are_drawn_up_to_the_widest(rng):
    lenses = [draw_lens(rng, 24) for _ in range(200)]
    assert 1.5 <= min(lens.radius for lens in lenses) < 2
    assert 20 < max(lens.radius for lens in lenses) <= 24
    assert {lens.blades for lens in lenses} == {0, 5, 6, 7, 8, 9}
    for lens in lenses[:20]:
        kernel = lens.kernel()
        assert kernel.sum() == pytest.approx(1, abs=1e-5)
        assert kernel.shape[0] in range(3, 19, 2)
