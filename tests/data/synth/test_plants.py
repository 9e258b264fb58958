"""Plants in space: branches thin out and spread; leaves turn their breadth to the viewer; light passes them."""

import numpy as np

from erkd.data.synth.plants import Blades, branch_off, light_blades
from erkd.data.synth.tresses import Lights


def blade(normal):
    """One blade, 20 pixels long and 4 broad, along x."""
    spine = np.stack([np.linspace(0, 20, 12), np.full(12, 5.0), np.zeros(12)], axis=1)
    return Blades(spine[None], np.asarray([normal], np.float64), np.full((1, 12), 2.0))


def test_a_leaf_is_as_broad_as_it_is_turned_to_the_viewer():
    left, spine, right = blade((0, 0, 1)).edges()
    np.testing.assert_allclose(np.abs(left - right)[..., 1], 4)
    np.testing.assert_allclose((left + right) / 2, spine)
    left, _, right = blade((0, 1, 0)).edges()  # seen from the side
    np.testing.assert_allclose(left, right, atol=1e-9)


def test_leaves_have_two_sides_and_pass_light_from_behind_yellower(rng):
    green, pale = np.asarray([[0.2, 0.5, 0.3]], np.float32), np.asarray([[0.6, 0.6, 0.7]], np.float32)
    front = Lights(np.asarray([[0.0, 0.0, 1.0]]), np.ones((1, 3)))
    back = Lights(np.asarray([[0.0, 0.0, -1.0]]), np.ones((1, 3)))

    def hue(normal, lights):
        seen = light_blades(rng, blade(normal), green, pale, lights)[0, :, 6].mean(axis=0)
        return seen / seen.sum()

    above, below, through = hue((0, 0, 1), front), hue((0, 0, -1), front), hue((0, 0, 1), back)
    assert above[1] > 0.4
    assert np.ptp(below) < 0.15
    assert through[0] / through[2] > 1.2 * above[0] / above[2]


def test_branches_start_on_their_parent_and_are_thinner_and_shorter(rng):
    parent = np.stack([np.zeros(13), np.linspace(100, 0, 13), np.zeros(13)], axis=1)[None]
    paths, widths, lengths = branch_off(rng, parent, np.asarray([6.0]), np.asarray([100.0]), flat=True)
    assert 4 <= len(paths) <= 8
    np.testing.assert_allclose(paths[:, 0, [0, 2]], 0, atol=1e-9)
    assert (widths < 6 * 0.62).all()
    assert (lengths < 75).all()
    assert set(np.sign(paths[:, -1, 0])) == {-1, 1}  # to either side
