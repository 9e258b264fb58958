"""Draw the trimaps. Reads data/composites/, params `trimap`, `seed`; writes data/trimaps/."""

from pathlib import Path

from erkd.params import Params
from erkd.trimap import write_trimaps
from pipeline.stage import run_stage


def main(root: Path, params: Params) -> None:
    write_trimaps(root / "data/composites", root / "data/trimaps", params.trimap, params.seed)


if __name__ == "__main__":
    run_stage("trimap", main)
