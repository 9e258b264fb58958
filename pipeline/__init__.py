"""One DVC stage per module: read params, call `erkd`, write outputs."""

import contextlib
import ctypes
import os
import signal

import erkd  # noqa: F401 - before torch: it sets variables of the environment that tools read when they are imported

PR_SET_PDEATHSIG = 1  # of Linux' prctl

# DVC that is killed takes its stage along, here before the slow imports: the next run would meet it otherwise
if "DVC_STAGE" in os.environ:
    with contextlib.suppress(AttributeError, OSError):
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
