"""SIGINT and SIGTERM end work in one line; what is finished stays."""

import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

SIGNALS = (signal.SIGINT, signal.SIGTERM)
Handler = Callable[[int, FrameType | None], None]


class Stopped(KeyboardInterrupt):
    """A signal ended the work; `signal` says which one, `where` how far the work came."""

    def __init__(self, number: int, where: str) -> None:
        self.signal = signal.Signals(number)
        super().__init__(f"{self.signal.name}: {where}")


class OutOfTime(Exception):
    """The minutes given to the work have passed; it is saved and goes on another time."""


@contextmanager
def _handled(handler: Handler) -> Iterator[None]:
    """Let `handler` have the signals within the block; only the main thread of a process can."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    owner = os.getpid()

    def here(number: int, frame: FrameType | None) -> None:
        if os.getpid() == owner:
            handler(number, frame)
        elif number == signal.SIGTERM:  # a forked worker; ctrl-c reaches it too, and its parent ends it then
            os._exit(128 + number)

    before = {number: signal.signal(number, here) for number in SIGNALS}
    try:
        yield
    finally:
        for number, previous in before.items():
            signal.signal(number, previous)


@contextmanager
def signals_raise() -> Iterator[None]:
    """Within the block a signal raises `Stopped`, so that half-written files are removed on the way out."""

    def end(number: int, _: FrameType | None) -> None:
        raise Stopped(number, "stopped; the same command goes on with what is finished")

    with _handled(end):
        yield


@contextmanager
def signals_noted() -> Iterator[list[int]]:
    """Within the block a first signal is only added to the list that is yielded; a second one acts as before it."""
    noted: list[int] = []
    before = {number: signal.getsignal(number) for number in SIGNALS}

    def note(number: int, frame: FrameType | None) -> None:
        previous = before[signal.Signals(number)]
        if not noted:
            noted.append(number)
        elif callable(previous):
            previous(number, frame)

    with _handled(note):
        yield noted
