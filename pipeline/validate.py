"""Judge the tables. Reads data/{library,composites,trimaps}; writes reports/validation.json and HTML."""

from pathlib import Path

from erkd.data.validation.suite import failures, validate_tables
from erkd.io.files import InputError, write_json
from erkd.params import Params
from pipeline.common.stage import run_stage


def main(root: Path, params: Params) -> None:
    data = root / "data"
    paths = {
        "library": data / "library/library.csv",
        "composites": data / "composites/manifest.csv",
        "trimaps": data / "trimaps/trimaps.csv",
    }
    procedural = params.data.source == "procedural"  # other sources hold what they hold
    layers = params.data.model_dump(include={"foregrounds", "backgrounds"}) if procedural else {}
    composites = params.composite.per_foreground.model_dump()
    report = validate_tables(paths, params.validate_, layers, composites, root / "reports/validation")
    write_json(report, root / "reports/validation.json")
    if not report["success"]:
        raise InputError("\n".join(["the data is not sound (reports/validation.json):", *failures(report)]))


if __name__ == "__main__":
    run_stage("validate", main)
