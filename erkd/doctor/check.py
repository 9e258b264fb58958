"""One finding of `erkd doctor`."""

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Check:
    """One line: what was looked at, what was found, and, where something is wrong, how to mend it.

    `bad` says whether `erkd matte` cannot do without it, or a file is not what it was: the command's exit code
    tells. `fix` mends it; findings without one are mended by hand, as `mend` says.
    """

    name: str
    found: str
    mend: str = ""
    bad: bool = False
    fix: Callable[[], None] | None = None
