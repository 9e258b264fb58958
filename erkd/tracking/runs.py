"""What a training run in MLflow holds: name, tags, parameters, data, metrics, the student's files."""

import csv
import json
import os
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from erkd.io.files import InputError, sha256
from erkd.params import Params, flatten

if TYPE_CHECKING:
    from mlflow import MlflowClient

BATCH = 1000  # metrics that MLflow takes in one call; of parameters it takes a tenth


def find_runs(client: "MlflowClient", experiment: str, student_sha256: str) -> list[Any]:
    """Finished runs that hold these weights, latest first."""
    found = client.search_runs([experiment], f"tags.student_sha256 = '{student_sha256}' and status = 'FINISHED'")
    return list(found)


def read_history(path: Path) -> list[tuple[int, dict[str, float]]]:
    """Steps of `history.csv` with the values measured there. Raises InputError when it is damaged."""
    try:
        with path.open(newline="", encoding="utf-8") as stream:
            rows = [{name: float(cell) for name, cell in row.items() if cell} for row in csv.DictReader(stream)]
        return [(int(row.pop("step")), row) for row in rows]
    except FileNotFoundError:
        raise InputError(f"{path}: no such file; training writes it") from None
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(f"{path}: not a history of training ({error!r})") from None


def as_text(settings: Mapping[str, Any]) -> dict[str, str]:
    """Nested settings as MLflow keeps them, `kd.erkd.weight` -> text: JSON for whatever is not text."""
    return {key: value if isinstance(value, str) else json.dumps(value) for key, value in flatten(settings).items()}


def create_run(
    client: "MlflowClient", experiment: str, root: Path, params: Params, start: float | None = None
) -> str:
    """A run with its name, tags, parameters and data; `start` in seconds since 1970, default now."""
    from mlflow.entities import Dataset, DatasetInput, InputTag, Param

    revision = git(root, "rev-parse", "--verify", "-q", "HEAD")
    # parameters are logged whole, and what the pipeline rewrites is no change of the code
    rewritten = (":!params.yaml", ":!dvc.lock", ":!reports")
    changes = revision and git(root, "status", "--porcelain", "-uno", "--", ".", *rewritten)
    suffix = "+changes" if changes else ""
    tags = {
        "mlflow.source.name": "pipeline.distill",
        "mlflow.source.type": "LOCAL",
        "mlflow.source.git.commit": revision,
        "git_revision": revision + suffix,
        **{name: os.environ.get(name, "") for name in ("DVC_EXP_NAME", "DVC_EXP_BASELINE_REV", "DVC_STAGE")},
    }
    tags = {name: value for name, value in tags.items() if value}
    name = tags.get("DVC_EXP_NAME") or revision[:9] + suffix or "training"
    run = client.create_run(experiment, round((start or time.time()) * 1000), tags, name)
    settings = as_text(params.model_dump(by_alias=True))
    entries = [Param(key, value[:6000]) for key, value in settings.items()]
    for first in range(0, len(entries), BATCH // 10):
        client.log_batch(run.info.run_id, params=entries[first : first + BATCH // 10])
    manifest = root / "data/composites/manifest.csv"
    if manifest.is_file():
        profile = json.dumps({"num_rows": manifest.read_text(encoding="utf-8").count("\n") - 1})
        source = json.dumps({"uri": "data/composites/manifest.csv"})
        name, digest = f"composites-{params.data.source}", sha256(manifest)[:32]
        data = Dataset(name, digest, "local", source, profile=profile)
        context = [InputTag("mlflow.data.context", "training")]
        client.log_inputs(run.info.run_id, [DatasetInput(data, context)])
    return str(run.info.run_id)


def log_metrics(client: "MlflowClient", run_id: str, entries: list[tuple[int, float, Mapping[str, float]]]) -> None:
    """Each entry is a step, seconds since 1970, and named values."""
    from mlflow.entities import Metric

    metrics = [
        Metric(name, float(value), round(seconds * 1000), step)
        for step, seconds, values in entries
        for name, value in values.items()
    ]
    for first in range(0, len(metrics), BATCH):
        client.log_batch(run_id, metrics[first : first + BATCH])


def log_outputs(client: "MlflowClient", run_id: str, root: Path) -> None:
    """The student, its history, and the hash that tells which weights these are."""
    client.log_artifacts(run_id, str(root / "models/student"), "student")
    client.log_artifact(run_id, str(root / "reports/history.csv"))
    client.set_tag(run_id, "student_sha256", sha256(root / "models/student/student.safetensors"))


def git(root: Path, *arguments: str) -> str:
    """What git prints, or nothing where there is no git or no repository."""
    try:
        done = subprocess.run(["git", *arguments], cwd=root, capture_output=True, text=True, check=False)
    except OSError:
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""


def log_evaluation(client: "MlflowClient", run: Any, metrics: Mapping[str, Any]) -> None:
    """Add what `evaluate` measured to the training run, as `test/student/sad`; once for the same values."""
    values = {
        f"{group}/{method}/{metric}": float(value)
        for group, content in metrics.items()
        for method, scores in content.items()
        if isinstance(scores, Mapping)
        for metric, value in scores.items()
        if isinstance(value, int | float)  # no empty cells, no paired differences
    }
    new = {name: value for name, value in values.items() if run.data.metrics.get(name) != value}
    log_metrics(client, run.info.run_id, [(0, time.time(), new)])
