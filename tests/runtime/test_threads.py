"""Rows on threads: in order, so many at once, and what fails."""

import threading

import pytest

from erkd.runtime.threads import map_threads


def test_results_come_in_order_two_at_once_and_few_rows_ahead():
    meeting, taken = threading.Barrier(2), []
    rows = (taken.append(row) or row for row in range(20))

    def meet(row):
        meeting.wait(timeout=10)
        return 10 * row

    for index, result in enumerate(map_threads(meet, rows, at_once=2)):
        assert result == 10 * index
        assert len(taken) <= index + 4
    assert len(taken) == 20


def test_an_error_is_raised_in_its_place_and_ends_it():
    taken = []
    rows = (taken.append(row) or row for row in range(20))
    results = map_threads(lambda row: 1 / (3 - row), rows, at_once=2)
    assert [next(results) for _ in range(3)] == [1 / 3, 1 / 2, 1]
    with pytest.raises(ZeroDivisionError):
        next(results)
    assert len(taken) < 10
