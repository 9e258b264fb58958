"""One way to map a function over rows: in parallel, in order, with a progress bar; and resumable."""

import hashlib
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import asdict, dataclass, is_dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar

from rich.console import Console
from rich.progress import track

from erkd.io.files import read_json, write_json
from erkd.runtime.cluster import Cluster
from erkd.runtime.project import project_root

Row = TypeVar("Row")
Result = TypeVar("Result")

LOCAL = "local"
_CLUSTER: ContextVar[Cluster | None] = ContextVar("cluster", default=None)


@contextmanager
def rows_on(where: str, root: Path) -> Iterator[None]:
    """Within the block rows are mapped on this machine (`local`), or on the Dask cluster at the address `where`.

    Its workers must see the project that `root` lies in at the same path (`erkd.runtime.cluster`).
    """
    with Cluster(where, project_root(root)) as cluster:
        before = _CLUSTER.set(None if where == LOCAL else cluster)
        try:
            yield
        finally:
            _CLUSTER.reset(before)


def on_cluster() -> bool:
    """Whether rows go to other machines (`rows_on`)."""
    return _CLUSTER.get() is not None


def progress(rows: Iterable[Row], description: str, total: int | None = None) -> Iterable[Row]:
    """Iterate over `rows` behind a progress bar on standard error."""
    return track(rows, description, total=total, console=Console(stderr=True))


@dataclass(frozen=True)
class Once(Generic[Row, Result]):
    """Calls `function` on each row once in the life of the folder `done`, whichever process asks.

    A finished row leaves its result there as JSON, named by the row's `repr`, so files that `function` writes
    must be whole before it returns. `restore` makes a result from its JSON: a dataclass's own name, or None
    for results that JSON holds as they are.
    """

    function: Callable[[Row], Result]
    done: Path
    restore: Callable[..., Result] | None = None

    def __call__(self, row: Row) -> Result:
        """The row's result, new or kept."""
        record = self.done / f"{hashlib.sha256(repr(row).encode()).hexdigest()[:24]}.json"
        if record.is_file():
            kept: Any = read_json(record)
            return self.restore(**kept) if self.restore else kept
        result = self.function(row)
        write_json(asdict(result) if is_dataclass(result) else result, record)  # type: ignore[arg-type]
        return result


def iterate_rows(
    function: Callable[[Row], Result],
    rows: Sequence[Row],
    description: str,
    done: Path | None = None,
    restore: Callable[..., Result] | None = None,
    threads: bool = False,
) -> Iterable[Result]:
    """As `map_rows`, each result as soon as it and all before it are there: for those that need not all be held."""
    from joblib import Parallel, delayed  # `erkd matte` does without it
    from joblib.parallel import get_active_backend

    if done is not None:
        function = Once(function, done, restore)
    cluster = _CLUSTER.get()
    if cluster is not None:
        return progress(cluster.map(function, rows), description, total=len(rows))
    os.environ.setdefault("OPENCV_FOR_THREADS_NUM", "1")  # read by workers as they start: there is one per core
    _, workers = get_active_backend()
    run = Parallel(n_jobs=workers or -1, return_as="generator", prefer="threads" if threads else None)
    return progress(run(delayed(function)(row) for row in rows), description, total=len(rows))


def map_rows(
    function: Callable[[Row], Result],
    rows: Sequence[Row],
    description: str,
    done: Path | None = None,
    restore: Callable[..., Result] | None = None,
    threads: bool = False,
) -> list[Result]:
    """`[function(row) for row in rows]` on all cores, or all of a cluster (`rows_on`), in the order of `rows`.

    `function` must be picklable and depend on its row alone, so that neither the number of workers nor
    their order can change a result; it should write what is large and return what is small. On this machine
    another engine or number is a setting: `with joblib.parallel_config(n_jobs=4): ...` around the call.

    Args:
        function: What is done with each row.
        rows: The rows.
        description: What the progress bar says.
        done: Folder that records finished rows, see `Once`.
        restore: As in `Once`.
        threads: On this machine, use threads: for a function that releases the interpreter's lock.
    """
    return list(iterate_rows(function, rows, description, done, restore, threads))
