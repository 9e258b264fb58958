"""What a student is registered with."""

from pathlib import Path
from typing import Any

from erkd.params import load_params
from erkd.tracking.candidate import Candidate
from tests.support import ROOT

NAME = "erkd-student"


def training_record(**changes: Any) -> dict[str, Any]:
    """What `student.json` says of its training, by the default parameters."""
    params = load_params(ROOT / "params.yaml")
    sections = {name: getattr(params, name).model_dump() for name in ("data", "student", "kd", "distill")}
    return {"seed": 3, **sections, "init_from_sha256": None, **changes}


RECORD = {"parameters": 1_250_000, "training": training_record()}


def scores(sad: float) -> dict[str, float]:
    return {"sad": sad, "sad_low": sad - 1, "sad_high": sad + 1, "mse": 0.02, "grad": 1.5, "conn": 2.5}


def candidate_of(onnx: Path) -> Candidate:
    """A candidate for the registry whose test and validation scores are made up."""
    metrics = {
        "test": {"n": 2, "student": scores(7.25), "closed_form": scores(8) | {"difference": {"sad": -1.0}}},
        "validation": {"n": 2, "student": scores(5)},
    }
    return Candidate(onnx, "a" * 64, "d" * 64, metrics, ("CC0-1.0", "MIT"), RECORD)
