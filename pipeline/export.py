"""Export the student to ONNX. Reads models/student; writes models/onnx."""

from pathlib import Path

from erkd.export.onnx import export_student
from erkd.io.files import sha256
from erkd.params import Params
from erkd.runtime.device import prepare_torch
from erkd.students.student import load_student
from pipeline.common.stage import run_stage


def main(root: Path, params: Params) -> None:
    prepare_torch(params.threads, params.deterministic)
    folder = root / "models/student"
    weights = sha256(folder / "student.safetensors")
    difference = export_student(load_student(folder), root / "models/onnx", params.export, weights)
    print(f"ONNX Runtime and PyTorch differ by {difference:.2g} at most")


if __name__ == "__main__":
    run_stage("export", main)
