"""Register the student in MLflow. Reads models/, reports/metrics.json, the tables; writes registered.json."""

import os
from pathlib import Path

from erkd.io.files import sha256, write_json
from erkd.params import Params
from erkd.tracking.candidate import read_candidate
from erkd.tracking.registry import register
from pipeline.common.stage import run_stage


def main(root: Path, params: Params) -> None:
    candidate = read_candidate(root)
    name = params.register_.name
    experiment = bool(os.environ.get("DVC_EXP_NAME"))
    print(register(root, name, candidate, experiment, rival=params.data.source != "alphamatting"))
    record = {
        "name": name,
        "student_sha256": candidate.student_sha256,
        "data_sha256": candidate.data_sha256,
        "onnx_sha256": sha256(candidate.onnx),
    }
    write_json(record, root / "reports/registered.json")


if __name__ == "__main__":
    run_stage("register", main)
