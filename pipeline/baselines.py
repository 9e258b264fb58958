"""Run the methods without training, once per set. Reads data/composites and data/trimaps, or a set of
`evaluate.sets`; writes data/baselines/<set>."""

from pathlib import Path

from erkd.baselines import run_baselines
from erkd.costs import costs_file
from erkd.files import write_json
from erkd.params import Params
from pipeline.sets import list_set
from pipeline.stage import run_stage


def main(root: Path, params: Params, set: str) -> None:
    """Predict the set by every method of `baselines.methods`."""
    costs = run_baselines(
        list_set(root, params, set), params.baselines.methods, root / "data/baselines" / set
    )
    write_json(costs, costs_file(root / "reports", "baselines", set))


if __name__ == "__main__":
    run_stage("baselines", main, set="test")
