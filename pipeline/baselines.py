"""Run the methods without training, once per set. Reads data/composites and data/trimaps, or a set of
`evaluate.sets`; writes data/baselines/<set>."""

from pathlib import Path

from erkd.evaluation.baselines import run_baselines
from erkd.evaluation.costs import write_costs
from erkd.params import Params
from pipeline.common.sets import list_set, resumable_set
from pipeline.common.stage import run_stage


def main(root: Path, params: Params, set: str) -> None:
    """Predict the set by every method of `baselines.methods`."""
    samples, out_dir = list_set(root, params, set), root / "data/baselines" / set
    with resumable_set(root, "baselines", set, out_dir) as (made, done):
        costs = run_baselines(samples, params.baselines.methods, made, done)
    write_costs(costs, root / "reports", "baselines", set)


if __name__ == "__main__":
    run_stage("baselines", main, set="test")
