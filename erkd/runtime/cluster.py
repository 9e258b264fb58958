"""Rows on a Dask cluster: chunks of rows travel to its workers, which read and write files of a shared disk.

A worker needs this very erkd and the project at the same path; both are checked with every chunk
(`cluster_worker.py`), so workers may come and go. A chunk whose worker dies is done again by another.
"""

import contextlib
import logging
import math
import os
import socket
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from concurrent.futures import CancelledError
from dataclasses import dataclass, fields, is_dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from erkd.io.files import InputError, read_json
from erkd.runtime.cluster_worker import code_state

if TYPE_CHECKING:
    from distributed import Client, Future

Row = TypeVar("Row")
Result = TypeVar("Result")

SECONDS = 1.0  # that a chunk should take: long beside its way, which takes milliseconds, and little to do again
MOST_ROWS = 1000  # of a chunk
GROWTH = 4  # by which a chunk may be larger than one that is finished
AHEAD = 3  # chunks under way for each worker, so that none waits for the next
CONNECT = 10.0  # seconds for the scheduler to answer
PATIENCE = 60.0  # seconds without any worker
ATTEMPTS = 4  # of a chunk; the scheduler gives one up after four dead workers


@dataclass(frozen=True)
class _Chunk:
    start: int
    stop: int
    attempt: int = 1


class Cluster:
    """The workers of the scheduler at `address`, reached when rows are first mapped.

    `address` is as tcp://host:8786, or the file that `dask scheduler --scheduler-file` writes; `folder` is the
    project's, on the disk that all share. A context manager.
    """

    def __init__(self, address: str, folder: Path) -> None:
        self.address = address
        self.folder = folder
        self._resources = contextlib.ExitStack()
        self._client: Client | None = None
        self._terms: dict[str, Any] = {}
        self._workers = 1

    def __enter__(self) -> "Cluster":
        return self

    def __exit__(self, *_: object) -> None:
        self._resources.close()

    def map(self, function: Callable[[Row], Result], rows: Sequence[Row]) -> Iterator[Result]:
        """`function` of each row, in order; what it raises is raised here.

        Raises InputError without a scheduler or workers, and for a worker that lacks what it needs.
        """
        if not rows:
            return
        client = self._client or self._connect()
        from distributed.client import ClosedClientError
        from distributed.comm import CommClosedError

        try:
            yield from self._map(client, function, rows)
        except (CancelledError, ClosedClientError, CommClosedError):
            raise InputError(
                f"launch.rows {self.address}: the scheduler has gone; start it and its workers again, and the same "
                "command goes on with what is finished"
            ) from None

    def _map(self, client: "Client", function: Callable[[Row], Result], rows: Sequence[Row]) -> Iterator[Result]:
        flying: dict[Future[Any], _Chunk] = {}
        finished: dict[int, list[Result]] = {}
        sent = given = 0
        pace = _Pace()
        try:
            while given < len(rows):
                while sent < len(rows) and len(flying) < AHEAD * self._workers:
                    size = pace.rows(len(rows) - sent, self._workers)
                    chunk = _Chunk(sent, min(sent + size, len(rows)))
                    flying[self._send(client, function, rows, chunk)] = chunk
                    sent = chunk.stop
                for future in self._wait(client, flying):
                    chunk = flying.pop(future)
                    answer = self._answer(future, rows, chunk)
                    if answer is None:
                        again = _Chunk(chunk.start, chunk.stop, chunk.attempt + 1)
                        flying[self._send(client, function, rows, again)] = again
                    else:
                        finished[chunk.start], seconds = answer
                        pace.note(chunk.stop - chunk.start, seconds)
                while given in finished:
                    results = finished.pop(given)
                    given += len(results)
                    yield from results
        finally:
            if client.status == "running":
                client.cancel([*flying])

    def _send(
        self, client: "Client", function: Callable[[Row], Result], rows: Sequence[Row], chunk: _Chunk
    ) -> "Future[Any]":
        """Submit a chunk. Neither the scheduler nor a worker without erkd has to understand what is in it."""
        from distributed.protocol.pickle import dumps

        part = rows[chunk.start : chunk.stop]
        folders = sorted({str(path.parent.absolute()) for path in _paths((function, part))})
        needed = [folder for folder in folders if Path(folder).is_dir()]
        return client.submit(_by_value(), dumps((function, part)), self._terms, needed, pure=False)

    def _wait(self, client: "Client", flying: Collection["Future[Any]"]) -> Iterable["Future[Any]"]:
        """The futures that are done, as soon as one is. Raises InputError when no worker comes."""
        from distributed import wait

        alone_since = time.monotonic()
        while True:
            with contextlib.suppress(TimeoutError):
                return wait([*flying], timeout=min(5.0, PATIENCE), return_when="FIRST_COMPLETED").done
            self._workers = max(1, len(client.nthreads()))
            if client.nthreads():
                alone_since = time.monotonic()
            elif time.monotonic() - alone_since > PATIENCE:
                raise InputError(
                    f"launch.rows {self.address}: no worker for {PATIENCE:g} seconds; start some with `dask worker "
                    f"{self.address} --nthreads 1`, and the same command goes on with what is finished"
                )

    def _answer(self, future: "Future[Any]", rows: Sequence[Row], chunk: _Chunk) -> tuple[list[Any], float] | None:
        """Results and seconds of a chunk; None if it is to be sent again."""
        from distributed import KilledWorker

        try:
            answer = future.result()
        except KilledWorker:
            if chunk.attempt < ATTEMPTS:
                return None
            first = f"{rows[chunk.start]!r:.200}"
            raise InputError(
                f"launch.rows {self.address}: every worker that was given these {chunk.stop - chunk.start} rows "
                f"died, perhaps for want of memory (`dask worker --memory-limit`); the first is {first}"
            ) from None
        if isinstance(answer, str):
            raise InputError(f"launch.rows {self.address}: {answer}")
        return answer

    def _connect(self) -> "Client":
        try:
            from distributed import Client
        except ImportError:
            raise InputError(
                f"launch.rows {self.address}: this needs Dask; pip install 'erkd[cluster]', or set it to local"
            ) from None
        for noisy in ("distributed", "tornado"):  # what they have to say of a lost connection is said in one line
            logging.getLogger(noisy).setLevel(logging.CRITICAL)
        file = self.address.endswith(".json")
        address = read_json(Path(self.address))["address"] if file else self.address
        try:
            client = Client(address, timeout=CONNECT, name="erkd")
        except (OSError, ValueError) as error:
            raise InputError(
                f"launch.rows {self.address}: no scheduler answers ({str(error).splitlines()[0]}); start one with "
                "`dask scheduler`, or set launch.rows to local in params.yaml"
            ) from None
        self._client = self._resources.enter_context(client)
        self._workers = max(1, len(client.nthreads()))
        beacon = self._resources.enter_context(_beacon(self.folder / ".erkd"))
        self._terms = {"code": code_state(), "folder": str(Path.cwd()), "beacon": str(beacon)}
        return client


class _Pace:
    """How many rows make a chunk of `SECONDS`, from the chunks so far."""

    def __init__(self) -> None:
        self._seconds = 0.0  # of a row, lately
        self._most = 1

    def note(self, rows: int, seconds: float) -> None:
        """A chunk is finished."""
        self._seconds = (self._seconds or seconds / rows) / 2 + seconds / rows / 2
        self._most = max(self._most, GROWTH * rows)

    def rows(self, left: int, workers: int) -> int:
        """The size of the next chunk; towards the end smaller ones, so that all workers end together."""
        wanted = math.ceil(SECONDS / self._seconds) if self._seconds else 1
        return max(1, min(wanted, self._most, MOST_ROWS, math.ceil(left / (2 * workers))))


@contextlib.contextmanager
def _beacon(folder: Path) -> Iterator[Path]:
    """An empty file by which workers know that they see this folder, not one of their own with its name."""
    import psutil

    host = socket.gethostname()
    folder.mkdir(parents=True, exist_ok=True)
    for old in folder.glob(f"rows.{host}.*"):  # of runs that were killed
        if not psutil.pid_exists(int(old.suffix[1:])):
            old.unlink(missing_ok=True)
    beacon = folder / f"rows.{host}.{os.urandom(4).hex()}.{os.getpid()}"
    beacon.touch()
    try:
        yield beacon.absolute()
    finally:
        beacon.unlink(missing_ok=True)


def _paths(value: object) -> Iterator[Path]:
    """The paths in a function and its rows."""
    if isinstance(value, Path):
        yield value
    elif isinstance(value, partial):
        yield from _paths((value.func, value.args, [*value.keywords.values()]))
    elif is_dataclass(value) and not isinstance(value, type):
        for field in fields(value):
            yield from _paths(getattr(value, field.name))
    elif isinstance(value, tuple | list):
        for item in value:
            yield from _paths(item)


def _by_value() -> Callable[..., Any]:
    """A function within a function is sent as it is, not by the name of a module that the worker may lack."""

    def answer(call, terms, folders):  # type: ignore[no-untyped-def]
        try:
            from erkd.runtime import cluster_worker
        except ImportError as error:
            from distributed import get_worker

            return (
                f"the worker {get_worker().address} lacks this erkd ({error}); start it in this environment, "
                "from this checkout or with it in PYTHONPATH"
            )
        return cluster_worker.run_chunk(call, terms, folders)

    return answer
