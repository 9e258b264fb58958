"""Judge the tables. Reads data/{library,composites,trimaps}; writes reports/validation.json and HTML."""

from pathlib import Path

from erkd.expectations import failures, validate_tables
from erkd.files import InputError, write_json
from erkd.params import Params
from pipeline.stage import run_stage


def main(root: Path, params: Params) -> None:
    paths = {
        "library": root / "data/library/library.csv",
        "composites": root / "data/composites/manifest.csv",
        "trimaps": root / "data/trimaps/trimaps.csv",
    }
    layers = {
        "foregrounds": params.data.foregrounds.model_dump(),
        "backgrounds": params.data.backgrounds.model_dump(),
    }
    expected = layers if params.data.source == "procedural" else {}  # other sources hold what they hold
    per_foreground = params.composite.per_foreground.model_dump()
    report = validate_tables(paths, params.validate_, expected, per_foreground, root / "reports/validation")
    write_json(report, root / "reports/validation.json")
    if not report["success"]:
        raise InputError(
            "\n".join([f"{root / 'reports/validation.json'}: the data is not sound", *failures(report)])
        )


if __name__ == "__main__":
    run_stage("validate", main)
