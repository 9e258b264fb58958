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
        torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]  # none is read


def choose_device(device: str) -> torch.device:
    """`auto` is CUDA where there is one, else the CPU. Raises InputError for CUDA that is not there.

    There float32 stays float32: cuDNN would convolve in TF32, of 10 bits, which the prior's ratios do not bear.
    """
    there = torch.cuda.is_available()
    if device == "cuda" and not there:
        raise InputError("device: cuda was asked for, and torch finds none; use auto or cpu")
    chosen = torch.device("cuda" if device == "auto" and there else "cpu" if device == "auto" else device)
    if chosen.type == "cuda":
        torch.backends.cudnn.allow_tf32 = False
    return chosen
