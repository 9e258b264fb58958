"""Render the layers. Reads params `data`, `seed`; writes data/library/."""

from pathlib import Path

from erkd.data.library import list_layers, source_files, write_library
from erkd.params import Params
from pipeline.common.resume import file_states, resumable
from pipeline.common.stage import run_stage


def main(root: Path, params: Params) -> None:
    layers = list_layers(params.data, params.seed)
    sources = file_states(source_files(layers))
    with resumable(root, "library", root / "data/library", sources) as (made, done):
        write_library(layers, made, done)


if __name__ == "__main__":
    run_stage("library", main)
