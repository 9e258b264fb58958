"""Draw the trimaps. Reads data/composites/, params `trimap`, `seed`, `data`; writes data/trimaps/."""

from collections.abc import Mapping
from pathlib import Path

from erkd.data.sources import composition1k, distinctions646
from erkd.data.trimaps import Given, set_hash, write_trimaps
from erkd.params import DataParams, Params
from pipeline.common.resume import file_states, resumable
from pipeline.common.stage import run_stage


def given_trimaps(data: DataParams) -> Mapping[str, Given]:
    """What a benchmark says of its test trimaps."""
    sources = {"composition1k": composition1k, "distinctions646": distinctions646}
    return sources[data.source].given_trimaps(data) if data.source in sources else {}


def main(root: Path, params: Params) -> None:
    given, out_dir = given_trimaps(params.data), root / "data/trimaps"
    files = file_states(value for value in given.values() if isinstance(value, Path))
    with resumable(root, "trimap", out_dir, files) as (made, done):
        write_trimaps(root / "data/composites", made, params.trimap, params.seed, given, done)
    print(f"hash of the test trimaps: {set_hash(out_dir, 'test')}")


if __name__ == "__main__":
    run_stage("trimap", main)
