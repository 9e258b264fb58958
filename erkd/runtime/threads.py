"""Map a function over rows on threads, in order, a few rows ahead."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

Row = TypeVar("Row")
Result = TypeVar("Result")


def map_threads(function: Callable[[Row], Result], rows: Iterable[Row], at_once: int) -> Iterator[Result]:
    """Yield `function(row)` of every row, in order, running `at_once` calls at a time.

    At most twice as many rows are taken ahead. What a call raises is raised in its place, and then no row is taken.
    """
    running: deque[Future[Result]] = deque()
    with ThreadPoolExecutor(at_once) as pool:
        for row in rows:
            running.append(pool.submit(function, row))
            if len(running) == 2 * at_once:
                yield running.popleft().result()
        while running:
            yield running.popleft().result()
