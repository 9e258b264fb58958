"""One DVC stage per module: read params, call `erkd`, write outputs."""

import contextlib
import ctypes
import os
import signal
from pathlib import Path

# before torch and numba: importing erkd sets variables of the environment that tools read when they are imported
from erkd.runtime.numba_cache import keep_kernels

PR_SET_PDEATHSIG = 1  # of Linux' prctl

# DVC that is killed takes its stage along, here before the slow imports: the next run would meet it otherwise
if "DVC_STAGE" in os.environ:
    with contextlib.suppress(AttributeError, OSError):
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)

keep_kernels(Path.cwd())
