"""The settings of params.yaml reach the stages that dvc.yaml names them for."""

from pathlib import Path
from types import SimpleNamespace

import pytest

from erkd.inference.matter import Matter
from erkd.io.files import InputError
from erkd.params import load_params
from erkd.runtime import device
from pipeline import evaluate, robustness
from tests.support import ROOT

STAGES = {"evaluate": lambda *given: evaluate.main(*given, "test"), "robustness": robustness.main}


@pytest.mark.parametrize("stage", STAGES)
@pytest.mark.parametrize("where", ["cuda", "cpu"])
def test_threads_and_determinism_reach_torch_on_cuda_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stage: str, where: str
) -> None:
    told: list[tuple[int, bool]] = []
    monkeypatch.setattr(device, "prepare_torch", lambda *settings: told.append(settings))
    student = SimpleNamespace(engine=SimpleNamespace(device=where))
    monkeypatch.setattr(Matter, "load", lambda *given, **threads: student)
    params = load_params(ROOT / "params.yaml").model_copy(update={"threads": 3, "deterministic": False})
    with pytest.raises(InputError, match=r"trimaps\.csv: no such table"):  # the folder is empty
        STAGES[stage](tmp_path, params)
    assert told == ([(3, False)] if where == "cuda" else [])
