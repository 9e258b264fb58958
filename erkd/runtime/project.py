"""The folder of the project that a path lies in."""

import os
from pathlib import Path


def project_root(start: Path) -> Path:
    """The project's own folder, absolute: `DVC_ROOT`, else the nearest folder above with `.dvc` or `.git`.

    DVC sets `DVC_ROOT` to the original repository in temporary and queued experiments too, so all share one
    scratch and one store. Without any of these it is `start`.
    """
    if os.environ.get("DVC_ROOT"):
        return Path(os.environ["DVC_ROOT"]).resolve()
    start = start.resolve()
    marked = (folder for folder in (start, *start.parents) if any((folder / n).exists() for n in (".dvc", ".git")))
    return next(marked, start)
