import time

import numpy as np
import pytest

from erkd.evaluation.costs import Cost, clock_of, measured, read_costs, together, typical, write_costs


def test_a_cost_counts_work_and_not_waiting():
    def work(waiting, working):
        time.sleep(waiting)
        end = time.process_time() + working
        while time.process_time() < end:
            pass
        return "done"

    result, cost = measured(work, 0.2, 0.05)
    assert result == "done"
    assert 0.05 <= cost.seconds < 0.15
    assert measured(work, 0.2, 0.0, clock=clock_of("cuda"))[1].seconds >= 0.2


def test_the_peak_is_that_of_the_call():
    before = measured(lambda: None)[1].peak_mib
    large = measured(lambda: np.ones(2**24).sum())[1].peak_mib  # 128 MiB
    after = measured(lambda: None)[1].peak_mib
    assert large - before > 100
    assert large - after > 100


def test_typical_and_together_and_those_of_a_set_from_both_stages(tmp_path):
    costs = [Cost(9.0, 10), Cost(1.0, 30), Cost(2.0, 20)]
    assert typical(costs) == {"seconds": 2.0, "peak_mib": 30}
    parts = [{"seconds": 1.0, "peak_mib": 10}, {"seconds": 2.0, "peak_mib": 5}]
    assert together(parts) == {"seconds": pytest.approx(3.0), "peak_mib": 10}
    assert read_costs(tmp_path, "test") == {}
    write_costs({"student": {"seconds": 1.0, "peak_mib": 2}}, tmp_path, "evaluate", "test")
    write_costs({"knn": {"seconds": 3.0, "peak_mib": 4}}, tmp_path, "baselines", "test")
    assert list(read_costs(tmp_path, "test")) == ["student", "knn"]
