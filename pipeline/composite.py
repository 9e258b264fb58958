"""Composite the layers. Reads data/library/, params `composite`, `seed`; writes data/composites/."""

from pathlib import Path

from erkd.data.composites import write_composites
from erkd.params import Params
from pipeline.common.resume import resumable
from pipeline.common.stage import run_stage


def main(root: Path, params: Params) -> None:
    with resumable(root, "composite", root / "data/composites") as (made, done):
        write_composites(root / "data/library", made, params.composite, params.seed, done)


if __name__ == "__main__":
    run_stage("composite", main)
