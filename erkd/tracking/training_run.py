"""Training runs in MLflow. Git and DVC hold the truth; MLflow mirrors it, and training never dies of it.

`python -m erkd.tracking.training_run create | sync | ui` makes the store, logs a finished training run that the store
missed, and serves the pages.
"""

import argparse
import contextlib
import os
import socket
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from erkd.io.files import InputError, read_json, sha256
from erkd.params import Params, load_params
from erkd.tracking.runs import create_run, find_runs, log_metrics, log_outputs, read_history
from erkd.tracking.store import EXPERIMENT, artifacts_folder, connect, reason, store_uri

Log = Callable[[int, Mapping[str, float]], None]
FLUSH_SECONDS = 10


@contextmanager
def track_training(root: Path, params: Params) -> Iterator[Log]:
    """Log the training that happens in the block as one MLflow run, and what it wrote under `root`.

    Yields `log(step, values)`. When the block ends well, `models/student/` and `reports/history.csv` are
    logged too. No failure of MLflow, nor its absence, reaches the block: one warning on standard error says
    so, and `python -m erkd.tracking.training_run sync` logs the run afterwards.
    """
    run = _TrainingRun(root, params)
    run.start()
    try:
        yield run.log
    except BaseException as error:
        run.end("KILLED" if isinstance(error, KeyboardInterrupt | SystemExit) else "FAILED")
        raise
    run.finish()


class _TrainingRun:
    """One run; after the first failure it warns once and does nothing more."""

    def __init__(self, root: Path, params: Params) -> None:
        self._root, self._params = root, params
        self._broken = False
        self._waiting: list[tuple[int, float, Mapping[str, float]]] = []
        self._flushed = time.monotonic()
        self._first_step: int | None = None
        self._monitor: Any = None

    def _try(self, action: Callable[[], None]) -> None:
        if self._broken:
            return
        try:
            action()
        except Exception as error:  # whatever it is: MLflow must not cost a training run
            self._broken = True
            print(
                f"warning: MLflow does not log this training run ({reason(error)}); training goes on, and "
                "`make mlflow-sync` logs it when it is done",
                file=sys.stderr,
            )

    def start(self) -> None:
        self._try(self._start)

    def _start(self) -> None:
        self._client, experiment = connect(self._root)
        self._run_id = create_run(self._client, experiment, self._root, self._params)
        from mlflow.system_metrics.system_metrics_monitor import SystemMetricsMonitor

        self._monitor = SystemMetricsMonitor(self._run_id, 5, tracking_uri=store_uri(self._root))
        self._monitor.start()

    def log(self, step: int, values: Mapping[str, float]) -> None:
        """Keep the values of one step; hand them to MLflow every ten seconds at most."""
        if self._first_step is None:
            self._first_step = step
        self._waiting.append((step, time.time(), dict(values)))
        if time.monotonic() - self._flushed > FLUSH_SECONDS:
            self._try(self._flush)
            self._flushed = time.monotonic()

    def _flush(self) -> None:
        waiting, self._waiting = self._waiting, []
        log_metrics(self._client, self._run_id, waiting)

    def finish(self) -> None:
        """Log what is left and what training wrote, and close the run."""
        self._try(self._flush)
        self._try(self._log_resumed)
        self._try(lambda: log_outputs(self._client, self._run_id, self._root))
        self.end("FINISHED")

    def _log_resumed(self) -> None:
        """The steps of an earlier, interrupted process that this one went on from."""
        history = read_history(self._root / "reports/history.csv")
        earlier = [(step, values) for step, values in history if step < (self._first_step or sys.maxsize)]
        now = time.time()
        log_metrics(self._client, self._run_id, [(step, now, values) for step, values in earlier])

    def end(self, status: str) -> None:
        if self._monitor is not None:
            with contextlib.suppress(Exception):
                self._monitor.finish()
        if status != "FINISHED":
            self._try(self._flush)
        self._try(lambda: self._client.set_terminated(self._run_id, status))


def sync(root: Path, params: Params) -> str:
    """Log the finished training run under `root` unless a finished run holds these weights already, files and all.

    Returns a sentence that says what was done. Raises InputError where nothing was trained.
    """
    weights = root / "models/student/student.safetensors"
    if not weights.is_file():
        raise InputError(f"{weights}: no such file; `dvc repro` trains a student, `dvc pull` fetches one")
    history = read_history(root / "reports/history.csv")
    client, experiment = connect(root)
    found = find_runs(client, experiment, sha256(weights))
    found = [run for run in found if client.list_artifacts(run.info.run_id, "student")]
    if found:
        return f"nothing to do: the run {found[0].info.run_name!r} holds these weights"
    end = weights.stat().st_mtime
    timing = root / "reports/timings/distill.json"
    start = end - (read_json(timing)["seconds"] if timing.is_file() else 0)
    run_id = create_run(client, experiment, root, params, start)
    share = (end - start) / max(len(history), 1)
    log_metrics(
        client, run_id, [(step, start + share * index, values) for index, (step, values) in enumerate(history)]
    )
    log_outputs(client, run_id, root)
    client.set_tag(run_id, "logged_afterwards", "true")
    client.set_terminated(run_id, "FINISHED", round(end * 1000))
    return f"logged the run {client.get_run(run_id).info.run_name!r} to {store_uri(root)}"


def serve(root: Path, port_text: str) -> None:
    """Become the MLflow server on 127.0.0.1. Raises InputError when the port is taken or is none."""
    if not port_text.isdecimal() or not 0 < int(port_text) < 65535:
        raise InputError(f"PORT: expected a number from 1 to 65534; found {port_text!r}")
    port, uri = int(port_text), store_uri(root)
    if uri.startswith(("http://", "https://")):
        print(f"MLFLOW_TRACKING_URI names a server, which serves its own pages: {uri}")
        return
    connect(root)
    with socket.socket() as probe:
        if probe.connect_ex(("127.0.0.1", port)) == 0:
            raise InputError(f"port {port} is taken; choose another: PORT={port + 1} make ui")
    os.environ.setdefault("MLFLOW_SERVER_ENABLE_JOB_EXECUTION", "false")  # nothing here needs its job workers
    print(f"MLflow: http://127.0.0.1:{port} (experiment {EXPERIMENT}; ctrl-c ends it)", flush=True)
    artifacts = str(artifacts_folder(root))
    command = ["-m", "mlflow", "ui", "--backend-store-uri", uri, "--default-artifact-root", artifacts]
    os.execv(sys.executable, [sys.executable, *command, "--host", "127.0.0.1", "--port", str(port)])


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m erkd.tracking.training_run", description=__doc__)
    parser.add_argument("command", choices=["create", "sync", "ui"])
    parser.add_argument("--root", type=Path, default=Path("."), help="folder of params.yaml")
    arguments = parser.parse_args()
    try:
        if arguments.command == "create":
            connect(arguments.root)
            print(f"MLflow store: {store_uri(arguments.root)}")
        elif arguments.command == "sync":
            print(sync(arguments.root, load_params(arguments.root / "params.yaml")))
        else:
            serve(arguments.root, os.environ.get("PORT", "5000"))
    except InputError as error:
        print(error, file=sys.stderr)
        sys.exit(2)


if __name__ == "__main__":
    main()
