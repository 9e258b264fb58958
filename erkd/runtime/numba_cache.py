"""Where numba keeps compiled kernels, PyMatting's, when it cannot keep them beside their source."""

import os
from importlib.util import find_spec
from pathlib import Path

from erkd.runtime.project import project_root


def keep_kernels(start: Path) -> None:
    """Let numba keep kernels in the project around `start` where nobody may write beside PyMatting's source.

    So it is in a container with read-only packages; without a home too, numba finds no place and PyMatting cannot be
    imported. To be called before that; a user's own NUMBA_CACHE_DIR stays as it is.
    """
    pymatting = find_spec("pymatting")
    if pymatting and pymatting.origin and not os.access(Path(pymatting.origin).parent, os.W_OK):
        os.environ.setdefault("NUMBA_CACHE_DIR", str(project_root(start) / ".erkd/numba"))
