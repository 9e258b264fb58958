"""Render the layers. Reads params `data`, `seed`; writes data/library/."""

from pathlib import Path

from erkd.library import write_library
from erkd.params import Params
from pipeline.stage import run_stage


def main(root: Path, params: Params) -> None:
    write_library(params.data, params.seed, root / "data/library")


if __name__ == "__main__":
    run_stage("library", main)
