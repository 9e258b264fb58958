"""Where the MLflow store lies, and how it comes to be: SQLite beside the project, or `MLFLOW_TRACKING_URI`.

With `inference/served_model.py` this folder is the only importer of mlflow.
"""

import contextlib
import logging
import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from erkd.runtime.project import project_root

if TYPE_CHECKING:
    from mlflow import MlflowClient

EXPERIMENT = "erkd"


def store_uri(start: Path) -> str:
    """The tracking address: `MLFLOW_TRACKING_URI` when set, else `mlflow.db` in the project's folder."""
    return os.environ.get("MLFLOW_TRACKING_URI") or _own_uri(start)


def _own_uri(start: Path) -> str:
    return f"sqlite:///{project_root(start) / 'mlflow.db'}"


@contextmanager
def locked(start: Path, name: str) -> Iterator[None]:
    """Hold the project's lock `name`; waits a minute at most, then raises `filelock.Timeout`."""
    from filelock import FileLock

    scratch = project_root(start) / ".erkd"
    scratch.mkdir(exist_ok=True)
    with FileLock(scratch / f"{name}.lock", timeout=60):
        yield


def connect(start: Path) -> tuple["MlflowClient", str]:
    """A client of the store and the id of the experiment `erkd`; both are made where they are missing.

    A SQLite store is made under a lock, since two processes that migrate it at once break it. Artifacts lie
    in `mlartifacts` beside it, as an absolute address; a copied or moved project, whose `erkd` has the address of
    the old place, gets an experiment of its own. Raises whatever MLflow does when it cannot be reached.
    """
    os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")  # small files, in no time
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "2")  # a dead server must not hold anybody up
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", "20")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # MLflow's own tables, by SQLAlchemy 2.1
        from mlflow import MlflowClient
        from mlflow.store.tracking import sqlalchemy_store  # noqa: F401

    for name in ("mlflow", "alembic"):
        logging.getLogger(name).setLevel(logging.CRITICAL)  # what fails is raised; no traces beside it
    uri = store_uri(start)
    own = uri == _own_uri(start)
    with locked(start, "store") if own else contextlib.nullcontext():
        client = MlflowClient(tracking_uri=uri, registry_uri=os.environ.get("MLFLOW_REGISTRY_URI", uri))
        artifacts = artifacts_folder(start) if own else None
        name = EXPERIMENT
        experiment = client.get_experiment_by_name(name)
        if experiment and artifacts and not is_at(experiment.artifact_location, artifacts):
            name = f"{EXPERIMENT} in {project_root(start)}"
            experiment = client.get_experiment_by_name(name)
        if experiment is not None:
            return client, experiment.experiment_id
        return client, client.create_experiment(name, str(artifacts) if artifacts else None)


def use_store(start: Path) -> str:
    """Let MLflow's functions, which take no client, speak to the store too; returns its address.

    MLflow would leave the address in the environment, where it would count as the user's.
    """
    import mlflow

    uri, given = store_uri(start), os.environ.get("MLFLOW_TRACKING_URI")
    mlflow.set_tracking_uri(uri)
    if given is None:
        os.environ.pop("MLFLOW_TRACKING_URI", None)
    return uri


def artifacts_folder(start: Path) -> Path:
    """The project's own folder of artifacts."""
    return project_root(start) / "mlartifacts"


def is_at(location: str, folder: Path) -> bool:
    """Whether MLflow's address of an experiment's artifacts is this folder, by whatever link."""
    return Path(location.removeprefix("file://")).resolve() == folder.resolve()


def reason(error: Exception) -> str:
    """The line of an error that says most; a database's error comes wrapped in others."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()] or [type(error).__name__]
    return next((line for line in lines if "Error) " in line), lines[0])[:200]
