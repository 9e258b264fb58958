"""The ONNX file of a registered model, for use without MLflow's server."""

import os
from pathlib import Path

from erkd.files import InputError
from erkd.store import reason, store_uri


def fetch(address: str, start: Path) -> Path:
    """The ONNX file of a registered model such as `models:/erkd-student@champion`, fetched where it is remote.

    `start` says which project's store. Raises InputError when MLflow or the model is missing.
    """
    os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
    try:
        import mlflow
    except ImportError:
        raise InputError(f"{address}: MLflow is not installed; pip install 'erkd[pipeline]'") from None
    uri = store_uri(start)
    try:
        folder = Path(mlflow.artifacts.download_artifacts(address, tracking_uri=uri, registry_uri=uri))
    except Exception as error:  # whatever the store's client raises
        raise InputError(f"{address}: not to be had from {uri} ({reason(error)})") from None
    found = sorted(folder.rglob("*.onnx"))
    if not found:
        raise InputError(f"{address}: no ONNX file in this model; it was not registered by erkd")
    return next((path for path in found if path.name == "student.onnx"), found[0])
