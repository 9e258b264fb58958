"""How learning rates and distillation's weight rise and fall, by hand."""

import math

import pytest

from erkd.runtime.schedule import envelope, gaussian_rise, learning_rate_factor


def test_the_learning_rate_warms_up_and_falls_to_zero():
    factors = [learning_rate_factor(step, 100, 0.1) for step in range(101)]
    assert factors[0] == pytest.approx(0.1)
    assert factors[9] == pytest.approx(1.0)
    assert factors[55] == pytest.approx(0.5)
    assert factors[100] == pytest.approx(0, abs=1e-9)
    assert max(factors) == pytest.approx(1.0)


def test_the_envelope_rises_linearly_stays_and_falls_linearly():
    progress = [0, 0.05, 0.1, 0.5, 0.7, 0.85, 1]
    assert [envelope(p, 0.1, 0.3) for p in progress] == pytest.approx([0, 0.5, 1, 1, 1, 0.5, 0])


def test_without_ramps_distillation_always_weighs_the_same():
    assert [envelope(p, 0, 0) for p in (0, 0.5, 1)] == [1, 1, 1]


def test_where_rise_and_fall_meet_the_lower_one_counts():
    assert envelope(0.5, 1, 1) == pytest.approx(0.5)
    assert envelope(0.75, 1, 1) == pytest.approx(0.25)


def test_the_gaussian_rise_is_nothing_before_its_start_and_full_after_its_end():
    assert gaussian_rise(0.1, 0.2, 0.6) == 0
    assert gaussian_rise(0.2, 0.2, 0.6) == pytest.approx(math.exp(-5))
    assert gaussian_rise(0.4, 0.2, 0.6) == pytest.approx(math.exp(-1.25))
    assert gaussian_rise(0.6, 0.2, 0.6) == 1
    assert gaussian_rise(1.0, 0.2, 0.6) == 1
    assert gaussian_rise(0.0, 0.0, 0.0) == 1
