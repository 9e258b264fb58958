"""A Dask scheduler and workers as processes of their own, as a user starts them, each in a folder of its own."""

import json
import os
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from tests.support import ROOT
from tests.support.project import command_environment


@dataclass
class DaskCluster:
    """Its scheduler's address, and the folder with the working folders and logs."""

    folder: Path
    processes: dict[str, subprocess.Popen] = field(default_factory=dict)

    @property
    def address(self) -> str:
        return json.loads((self.folder / "scheduler.json").read_text())["address"]

    def start(self, name: str, command: str, path: Path = ROOT, before: tuple[str, ...] = ()) -> None:
        """`dask COMMAND` as `name`, with `path` as PYTHONPATH; `before` is what runs it in other surroundings."""
        cwd = self.folder / name
        cwd.mkdir()
        with (self.folder / f"{name}.log").open("w") as log:
            self.processes[name] = subprocess.Popen(
                [*before, "dask", *command.split()], cwd=cwd, stdout=log, stderr=log, start_new_session=True,
                env=command_environment() | {"PYTHONPATH": str(path)},
            )  # fmt: skip

    def start_worker(self, name: str, options: str = "--nthreads 1", **settings) -> None:
        self.start(name, f"worker {self.address} --no-dashboard --name {name} {options}", **settings)

    def worker_process(self, name: str) -> psutil.Process | None:
        """The process below the nanny that does the work, once it is there."""
        with suppress(psutil.NoSuchProcess):
            for child in psutil.Process(self.processes[name].pid).children(recursive=True):
                if "resource_tracker" not in " ".join(child.cmdline()):
                    return child
        return None

    def stop(self, name: str) -> None:
        """End a process and all below it."""
        process = self.processes.pop(name)
        process.send_signal(signal.SIGTERM)
        with suppress(subprocess.TimeoutExpired):
            process.wait(20)
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()

    def wait_for_workers(self, count: int) -> None:
        from distributed import Client

        with Client(self.address, timeout=60, set_as_default=False) as client:
            client.wait_for_workers(count, timeout=120)


@contextmanager
def dask_cluster(folder: Path, workers: int) -> Iterator[DaskCluster]:
    """A scheduler and so many workers; all have ended when the block has."""
    cluster = DaskCluster(folder)
    try:
        options = "--host 127.0.0.1 --port 0 --no-dashboard"
        cluster.start("scheduler", f"scheduler {options} --scheduler-file {folder / 'scheduler.json'}", folder)
        deadline = time.monotonic() + 60
        while not (folder / "scheduler.json").is_file() or not (folder / "scheduler.json").read_text().endswith("}"):
            assert time.monotonic() < deadline, (folder / "scheduler.log").read_text()
            time.sleep(0.05)
        for number in range(workers):
            cluster.start_worker(f"worker-{number}")
        if workers:
            cluster.wait_for_workers(workers)
        yield cluster
    finally:
        for name in reversed([*cluster.processes]):
            cluster.stop(name)
