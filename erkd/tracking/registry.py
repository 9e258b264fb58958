"""Versions of a student in the MLflow model registry, and which of them is the champion."""

import importlib.metadata
import shutil
import warnings
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from erkd.io.files import InputError, sha256
from erkd.params import in_words
from erkd.tracking.candidate import Candidate
from erkd.tracking.fetch import ONNX_HASH, fetch
from erkd.tracking.model_card import model_card
from erkd.tracking.runs import find_runs, log_evaluation
from erkd.tracking.store import connect, locked, reason, store_uri, use_store

if TYPE_CHECKING:
    from mlflow import MlflowClient

# of `served_model`
PACKAGES = ("mlflow", "numpy", "onnxruntime", "opencv-python-headless", "pandas", "pillow")
DESCRIPTION = """Alpha mattes from a photograph and its trimap: students that the pipeline of erkd trained.

A version's description is its card: data and licences, scores, limits. All its settings are parameters of the run
that it came from. `champion` validated best on its data; `candidate` is the last one of an experiment. To use it:
`erkd matte photo.jpg --trimap trimap.png -o alpha.png --model models:/{name}@champion`
"""
ERKD = Path(__file__).parents[1]
CODE = ("__init__.py", "telemetry.py", "io/*.py", "runtime/*.py", "students/__init__.py", "inference/*.py")


def register(start: Path, name: str, candidate: Candidate, experiment: bool, rival: bool) -> str:
    """Make a version of the model `name` unless one has these weights, and give it the alias it deserves.

    `start` says which project's store. The alias `champion` moves to a student that validates better than
    the present one on the same data. An `experiment` of DVC gets the alias `candidate` instead, and so does
    one that is no `rival` (trained on photographs meant for judging). Returns a sentence for people.
    Raises InputError when the store cannot be reached.
    """
    try:
        with locked(start, "registry"):
            client, experiment_id = connect(start)
            version, is_new = _find_or_create(client, start, name, candidate, experiment_id)
            if experiment or not rival:
                client.set_registered_model_alias(name, "candidate", version)
                why = "an experiment" if experiment else "this data source"
                verdict = f"it is the candidate ({why} never makes the champion)"
            else:
                verdict = _contend(client, start, name, version, candidate)
            card = model_card(name, candidate.record, candidate.metrics, candidate.licences)
            client.update_model_version(name, version, card)
            for run in find_runs(client, experiment_id, candidate.student_sha256):
                log_evaluation(client, run, candidate.metrics)
    except InputError:
        raise
    except Exception as error:
        raise InputError(
            f"the MLflow store {store_uri(start)} does not answer ({reason(error)}); mend it or set "
            "MLFLOW_TRACKING_URI, then run `dvc repro register`"
        ) from error
    return f"{name} version {version}{'' if is_new else ' has these weights already'}: {verdict}"


def _contend(client: "MlflowClient", start: Path, name: str, version: str, candidate: Candidate) -> str:
    """Compare with the champion and move the alias if the candidate wins, or the champion's file is not whole."""
    champion = _champion(client, name)
    if champion is None:
        client.set_registered_model_alias(name, "champion", version)
        return f"it is the first champion (validation SAD {candidate.sad:.3f})"
    if str(champion.version) == version:
        return f"it stays the champion (validation SAD {candidate.sad:.3f})"
    if not _is_whole(start, champion):
        client.set_registered_model_alias(name, "champion", version)
        return f"it is the champion now: the file of version {champion.version} is lost or damaged"
    if champion.tags.get("data_sha256") != candidate.data_sha256:
        return (
            f"version {champion.version} stays the champion: it was measured on other data, so the two "
            "cannot be compared (to move the alias by hand: make ui, Models)"
        )
    best = float(champion.tags["validation_sad"])
    if candidate.sad < best:
        client.set_registered_model_alias(name, "champion", version)
        return f"it is the champion now (validation SAD {candidate.sad:.3f} against {best:.3f})"
    return f"version {champion.version} stays the champion (validation SAD {best:.3f}, this {candidate.sad:.3f})"


def _champion(client: "MlflowClient", name: str) -> Any:
    """The champion's version, or None where there is none yet."""
    from mlflow.exceptions import MlflowException

    try:
        return client.get_model_version_by_alias(name, "champion")
    except MlflowException as error:
        if error.error_code in ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE"):
            return None
        raise


def _is_whole(start: Path, version: Any) -> bool:
    """Whether the ONNX file of a version is where the store says, as it was registered."""
    try:
        fetch(f"models:/{version.name}/{version.version}", start)
    except InputError:
        return False
    return True


def _find_or_create(
    client: "MlflowClient", start: Path, name: str, candidate: Candidate, experiment_id: str
) -> tuple[str, bool]:
    """The version with these weights, and whether it is new. Its tags come with it: none is half made."""
    for version in client.search_model_versions(f"name = '{name}'"):
        if version.tags.get("student_sha256") == candidate.student_sha256 and _is_whole(start, version):
            return str(version.version), False
    runs = find_runs(client, experiment_id, candidate.student_sha256)
    run_id = runs[0].info.run_id if runs else None
    logged = client.create_logged_model(experiment_id, name, run_id)
    with warnings.catch_warnings(), ExitStack() as stack:
        warnings.simplefilter("ignore")  # MLflow warns of its own type annotations
        import mlflow

        use_store(start)
        code = stack.enter_context(TemporaryDirectory())
        mlflow.pyfunc.log_model(
            name=name,
            model_id=logged.model_id,
            python_model=str(ERKD / "inference/served_model.py"),
            code_paths=[str(copy_code(Path(code)))],
            artifacts={"onnx": str(candidate.onnx)},
            model_config={ONNX_HASH: sha256(candidate.onnx)},
            signature=_signature(),
            pip_requirements=[f"{package}=={importlib.metadata.version(package)}" for package in PACKAGES],
        )
    found = client.search_registered_models(f"name = '{name}'")
    if not found:
        client.create_registered_model(name, description=DESCRIPTION.format(name=name))
    elif not found[0].description:
        client.update_registered_model(name, DESCRIPTION.format(name=name))
    made = client.create_model_version(
        name, f"models:/{logged.model_id}", run_id, _tags(candidate), model_id=logged.model_id
    )
    return str(made.version), True


def copy_code(folder: Path) -> Path:
    """Copy what runs a student from a file (`CODE`) into `folder`/erkd, and return that."""
    for source in (file for pattern in CODE for file in ERKD.glob(pattern)):
        target = folder / "erkd" / source.relative_to(ERKD)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, target)
    return folder / "erkd"


def _signature() -> Any:
    from mlflow.models import ModelSignature
    from mlflow.types.schema import ColSpec, DataType, Schema

    text = DataType.string
    hints = [ColSpec(text, name, required=False) for name in ("trimap", "mask")]  # one of the two in each row
    inputs = Schema([ColSpec(text, "image"), *hints])
    outputs = Schema([ColSpec(text, "alpha"), ColSpec(text, "warning", required=False)])
    return ModelSignature(inputs, outputs)


def _tags(candidate: Candidate) -> dict[str, str]:
    """What a version is found, compared and told apart by; its settings are on its card and in its run."""
    training = candidate.record["training"]
    scores = {
        f"{group}_{metric}": candidate.metrics.get(group, {}).get("student", {}).get(metric)
        for group, metric in (("validation", "sad"), ("test", "sad"), ("test", "mse"))
    }
    return {
        "student_sha256": candidate.student_sha256,
        "data_sha256": candidate.data_sha256,
        "onnx_sha256": sha256(candidate.onnx),
        "data_licences": "; ".join(candidate.licences),
        "data_source": training["data"]["source"],
        "student_size": training["student"]["size"],
        "student_parameters": str(candidate.record["parameters"]),
        "kd_methods": in_words(training["kd"]["methods"]),
        **{name: f"{value:.6g}" for name, value in scores.items() if value is not None},
    }
