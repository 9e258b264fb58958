"""A chunk of rows on a Dask worker (`cluster.py` sends it): what the worker must have, then the rows one by one."""

import contextlib
import ctypes
import hashlib
import os
import socket
import time
from collections.abc import Mapping, Sequence
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from erkd.io.files import sha256

PACKAGES = ("numpy", "opencv-python-headless", "pillow", "timm", "torch")  # what computes a stage's bytes
M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3  # of malloc.h
KEPT_BYTES = 32 * 2**20  # the most to which glibc raises the threshold by itself


def package_version(name: str) -> str:
    """The version of an installed package, or "absent"."""
    try:
        return version(name)
    except PackageNotFoundError:
        return "absent"


@cache
def code_state() -> dict[str, str]:
    """What must be the same everywhere for the same bytes: erkd's own code, as a hash, and the packages' versions."""
    folder, digest = Path(__file__).parents[1], hashlib.sha256()
    for file in sorted(folder.rglob("*.py")):
        digest.update(f"{file.relative_to(folder).as_posix()} {sha256(file)}\n".encode())
    return {"erkd": digest.hexdigest()[:12]} | {name: package_version(name) for name in PACKAGES}


def run_chunk(call: bytes, terms: Mapping[str, Any], folders: Sequence[str]) -> tuple[list[Any], float] | str:
    """The results of a chunk and the seconds they took, or why this worker cannot do it.

    Args:
        call: The function and its rows, packed.
        terms: The sender's `code`, its working `folder`, and a file `beacon` that it has made on the shared disk.
        folders: Further folders that the rows name, and that the sender sees.
    """
    from distributed import get_worker
    from distributed.protocol.pickle import loads

    worker = get_worker()
    reason = _lack(worker.state.nthreads, terms, folders)
    if reason:
        return f"the worker {worker.address} on {socket.gethostname()} {reason}"
    function, rows = loads(call)
    _set_up_process()
    with contextlib.chdir(terms["folder"]), _one_thread():
        start = time.perf_counter()
        results = [function(row) for row in rows]
        return results, time.perf_counter() - start


def _lack(threads: int, terms: Mapping[str, Any], folders: Sequence[str]) -> str:
    """What this worker has not, and how to mend it; empty if nothing."""
    if threads > 1:
        return f"runs {threads} rows at once in one process; start it with `--nthreads 1 --nworkers {threads}`"
    other = [
        f"{name} {own} there, {terms['code'][name]} here"
        for name, own in code_state().items()
        if own != terms["code"][name]
    ]
    if other:
        return f"has other versions ({'; '.join(other)}); start it anew, from this checkout and environment"
    unseen = next((folder for folder in (terms["folder"], *folders) if not _is_seen(folder)), None)
    if unseen is None and not os.path.exists(terms["beacon"]):
        unseen = str(Path(terms["beacon"]).parent.parent)
    if unseen:
        return f"cannot see {unseen} of this machine; it must be on a disk that both share, at the same path"
    return ""


_SEEN: set[str] = set()


def _is_seen(folder: str) -> bool:
    if folder not in _SEEN and os.path.isdir(folder):
        _SEEN.add(folder)
    return folder in _SEEN


@cache
def _set_up_process() -> None:
    """As a process of this machine has it: OpenCV on one core, and freed memory kept for the next image.

    Dask lets its workers give back every freed 64 KiB at once (`MALLOC_TRIM_THRESHOLD_`), so that the pages of each
    array are asked for anew: a third of the time of drawing layers.
    """
    import cv2

    cv2.setNumThreads(1)
    with contextlib.suppress(AttributeError):  # glibc's
        allocator = ctypes.CDLL(None)
        allocator.mallopt(M_MMAP_THRESHOLD, KEPT_BYTES)
        allocator.mallopt(M_TRIM_THRESHOLD, 2 * KEPT_BYTES)


def _one_thread() -> contextlib.AbstractContextManager[Any]:
    """One core for each worker, as for a process of this machine; what needs more sets it itself."""
    from threadpoolctl import threadpool_limits

    return threadpool_limits(1)
