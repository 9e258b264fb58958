"""One way to map a function over rows: in parallel, in order, with a progress bar."""

from collections.abc import Callable, Iterable, Sequence
from typing import TypeVar

from rich.console import Console
from rich.progress import track

Row = TypeVar("Row")
Result = TypeVar("Result")


def progress(rows: Iterable[Row], description: str, total: int | None = None) -> Iterable[Row]:
    """Iterate over `rows` behind a progress bar on standard error."""
    return track(rows, description, total=total, console=Console(stderr=True))


def map_rows(function: Callable[[Row], Result], rows: Sequence[Row], description: str) -> list[Result]:
    """`[function(row) for row in rows]` on all cores, in the order of `rows`.

    `function` must be picklable and depend on its row alone, so that neither the number of workers nor
    their order can change a result. Another engine is a setting:
    `with joblib.parallel_config(backend="dask"): ...` around the call.
    """
    from joblib import Parallel, delayed  # `erkd matte` does without it

    results = Parallel(n_jobs=-1, return_as="generator")(delayed(function)(row) for row in rows)
    return list(progress(results, description, total=len(rows)))
