"""The device and threads that torch uses."""

import os

import torch

from erkd.io.files import InputError


def prepare_torch(threads: int, deterministic: bool) -> None:
    """Let torch use so many threads; 0 leaves it all cores. Sums depend on the number in their last bits.

    With `deterministic` CUDA takes kernels whose sums are the same every time, and warns where it has none; the
    CPU's are anyway.
    """
    if threads:
        torch.set_num_threads(threads)
    if deterministic and torch.cuda.is_available():
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # read when CUDA starts
        torch.use_deterministic_algorithms(True, warn_only=True)


def choose_device(device: str) -> torch.device:
    """`auto` is CUDA where there is one, else the CPU. Raises InputError for CUDA that is not there."""
    if device == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    if device == "cuda" and not torch.cuda.is_available():
        raise InputError("device: cuda was asked for, and torch finds none; use auto or cpu")
    return torch.device(device)
