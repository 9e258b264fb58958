"""Composite the layers. Reads data/library/, params `composite`, `seed`; writes data/composites/."""

from pathlib import Path

from erkd.composite import write_composites
from erkd.params import Params
from pipeline.stage import run_stage


def main(root: Path, params: Params) -> None:
    write_composites(root / "data/library", root / "data/composites", params.composite, params.seed)


if __name__ == "__main__":
    run_stage("composite", main)
