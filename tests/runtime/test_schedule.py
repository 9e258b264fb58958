"""How learning rates and distillation's weight rise and fall, by hand."""

import math

import pytest

from erkd.runtime.schedule import envelope, gaussian_rise, learning_rate_factor


def test_the_learning_rate_warms_up_and_falls_to_zero():
    factors = [learning_rate_factor(step, 100, 0.1) for step in range(101)]
    assert [factors[step] for step in (0, 9, 55, 100)] == pytest.approx([0.1, 1.0, 0.5, 0], abs=1e-9)
    assert max(factors) == pytest.approx(1.0)


def test_the_envelope_rises_linearly_stays_and_falls_linearly():
    progress = [0, 0.05, 0.1, 0.5, 0.7, 0.85, 1]
    assert [envelope(p, 0.1, 0.3) for p in progress] == pytest.approx([0, 0.5, 1, 1, 1, 0.5, 0])
    assert [envelope(p, 0, 0) for p in (0, 0.5, 1)] == [1, 1, 1]  # without ramps
    assert [envelope(p, 1, 1) for p in (0.5, 0.75)] == pytest.approx([0.5, 0.25])  # the lower one counts


def test_the_gaussian_rise_is_nothing_before_its_start_and_full_after_its_end():
    rise = [gaussian_rise(progress, 0.2, 0.6) for progress in (0.1, 0.2, 0.4, 0.6, 1.0)]
    assert rise[1:3] == pytest.approx([math.exp(-5), math.exp(-1.25)])
    assert (rise[0], *rise[3:]) == (0, 1, 1)
    assert gaussian_rise(0.0, 0.0, 0.0) == 1
