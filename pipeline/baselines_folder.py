"""Take in predictions made elsewhere. Reads the folder `baselines.folders` gives for a name; writes
data/baselines_folders/<method>."""

from pathlib import Path

from erkd.evaluation.baselines import take_in
from erkd.io.files import InputError
from erkd.params import Params
from pipeline.common.stage import run_stage


def main(root: Path, params: Params, method: str) -> None:
    """Copy the predictions of every set that there is."""
    folders = params.baselines.folders
    if method not in folders:
        known = ", ".join(folders) or "none"
        raise InputError(f"--method {method}: not in params.yaml, baselines.folders, which has {known}")
    sets = ("test", *params.evaluate.sets)
    take_in(root / folders[method], method, sets, root / "data/baselines_folders" / method)


if __name__ == "__main__":
    run_stage("baselines_folder", main, method="")
