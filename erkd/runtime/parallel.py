"""One way to map a function over rows: in parallel, in order, with a progress bar; and resumable."""

import hashlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass, is_dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar

from rich.console import Console
from rich.progress import track

from erkd.io.files import read_json, write_json

Row = TypeVar("Row")
Result = TypeVar("Result")


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


def map_rows(
    function: Callable[[Row], Result],
    rows: Sequence[Row],
    description: str,
    done: Path | None = None,
    restore: Callable[..., Result] | None = None,
) -> list[Result]:
    """`[function(row) for row in rows]` on all cores, in the order of `rows`; with `done`, see `Once`.

    `function` must be picklable and depend on its row alone, so that neither the number of workers nor
    their order can change a result; it should write what is large and return what is small. Another engine
    or number is a setting: `with joblib.parallel_config(backend="dask", n_jobs=64): ...` around the call.
    """
    from joblib import Parallel, delayed  # `erkd matte` does without it
    from joblib.parallel import get_active_backend

    if done is not None:
        function = Once(function, done, restore)
    _, workers = get_active_backend()
    results = Parallel(n_jobs=workers or -1, return_as="generator")(delayed(function)(row) for row in rows)
    return list(progress(results, description, total=len(rows)))
