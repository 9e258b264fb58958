"""The ONNX file of a registered model, for use without MLflow's server."""

import os
from pathlib import Path

from erkd.io.files import InputError, check_hash
from erkd.tracking.store import reason, store_uri, use_store

ONNX_HASH = "onnx_sha256"  # the key of the file's hash in a registered model's settings
ANEW = "`dvc repro -sf register` registers the last student anew"


def fetch(address: str, start: Path) -> Path:
    """The ONNX file of a registered model such as `models:/erkd-student@champion`, fetched where it is remote.

    `start` says which project's store. Nothing that lies beside it in the registry is run. Raises InputError
    when MLflow or the model is missing, or the file is not the one that was registered.
    """
    os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
    try:
        import mlflow
    except ImportError:
        raise InputError(f"{address}: MLflow is not installed; pip install 'erkd[pipeline]'") from None
    uri = store_uri(start)
    if uri.startswith("sqlite:///") and not Path(uri.removeprefix("sqlite:///")).is_file():  # MLflow would make one
        raise InputError(f"{address}: no MLflow store here ({uri}); run in the project, or set MLFLOW_TRACKING_URI")
    use_store(start)  # a version's source is looked up there, whatever a call says
    try:
        folder = Path(mlflow.artifacts.download_artifacts(address, tracking_uri=uri, registry_uri=uri))
    except Exception as error:  # whatever the store's client raises
        if "No such artifact" in str(error):
            raise InputError(f"{address}: {uri} knows it, and its files are gone; {ANEW}") from None
        raise InputError(f"{address}: not to be had from {uri} ({reason(error)})") from None
    found = sorted(folder.rglob("*.onnx"))
    if not found:
        raise InputError(f"{address}: no ONNX file in this model; it was not registered by erkd")
    file = next((path for path in found if path.name == "student.onnx"), found[0])
    try:
        settings = mlflow.models.Model.load(folder).flavors["python_function"].get("config") or {}
    except Exception as error:
        raise InputError(f"{folder / 'MLmodel'}: not a model's description ({reason(error)})") from None
    if ONNX_HASH in settings:
        check_hash(file, settings[ONNX_HASH], ANEW)
    return file
