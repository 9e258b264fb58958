"""Draw wrong trimaps for some test images and predict with them by methods without training. Reads
data/composites and data/trimaps; writes data/wrong_trimaps/<variant>."""

from pathlib import Path

from erkd.data.wrong_trimaps import VARIANTS, spread, write_variant
from erkd.evaluation.baselines import run_baselines
from erkd.params import Params
from pipeline.common.resume import resumable
from pipeline.common.sets import list_set
from pipeline.common.stage import run_stage


def main(root: Path, params: Params) -> None:
    """Once per data set: the student's part is the stage robustness."""
    samples = spread(list_set(root, params, "test"), params.wrong_trimaps.images)
    with resumable(root, "wrong_trimaps", root / "data/wrong_trimaps") as (made, done):
        for variant in VARIANTS if samples else ():
            varied = write_variant(samples, variant, made / variant, params.seed)
            run_baselines(varied, params.wrong_trimaps.methods, made / variant, done / variant)


if __name__ == "__main__":
    run_stage("wrong_trimaps", main)
