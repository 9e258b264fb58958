"""Data-parallel training in several processes, as `accelerate launch` starts them.

Each process makes its own positions of every batch. Sums are divided by counts over all processes (unknown pixels, a
BatchNorm's cells), so that the mean of the gradients is the gradient of the whole batch. DistributedDataParallel,
in which Accelerate's `prepare` wraps a model, averages gradients alone, and torch's SyncBatchNorm needs CUDA. With
one process every function here is the identity.
"""

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, distributed, nn

from erkd.io.files import InputError


def process_count() -> int:
    """How many processes train together; 1 alone."""
    return distributed.get_world_size() if is_distributed() else 1


def is_distributed() -> bool:
    """Whether this process is one of several that train together (`process_group`)."""
    return distributed.is_available() and distributed.is_initialized()


def process_index() -> int:
    """Which of them this is, from 0."""
    return distributed.get_rank() if is_distributed() else 0


def is_main_process() -> bool:
    """Whether this is the process that writes: the only one, or the first of those that train together."""
    return process_index() == 0


@contextmanager
def process_group(device: torch.device) -> Iterator[None]:
    """Within the block the processes that were launched together are joined: by gloo on the CPU, by NCCL on CUDA."""
    if int(os.environ.get("WORLD_SIZE", "1")) == 1:
        yield
        return
    from accelerate import PartialState  # slow to import, and needed for this alone

    state = PartialState(cpu=device.type == "cpu")
    yield
    state.destroy_process_group()  # after an error, which the others cannot know of, there is nobody to wait for


def own_positions(batch_size: int, setting: str = "distill.batch_size") -> range:
    """The positions of a batch that this process makes. Raises InputError for a size that cannot be shared out."""
    count = process_count()
    if batch_size % count:
        raise InputError(
            f"{setting} {batch_size}: it cannot be shared out among {count} processes; give a multiple of {count}"
        )
    share, index = batch_size // count, process_index()
    return range(index * share, (index + 1) * share)


class _Sum(torch.autograd.Function):
    """The sum over all processes; so is its gradient, since each value is part of every process's result."""

    @staticmethod
    def forward(ctx: Any, value: Tensor) -> Tensor:
        total = value.clone()
        distributed.all_reduce(total)
        return total

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        return _Sum.forward(ctx, gradients[0].contiguous())


def mean_over_processes(value: Tensor) -> Tensor:
    """The mean of the processes' values, of one shape; gradients flow through it to every process."""
    if not is_distributed():
        return value
    total: Tensor = _Sum.apply(value)
    return total / process_count()


def wait_for_all() -> None:
    """Return when every process has come here."""
    if is_distributed():
        distributed.barrier()


@torch.no_grad()
def average_gradients(parameters: Iterable[nn.Parameter]) -> None:
    """Replace each gradient by the mean of all processes'. Those without a gradient have none anywhere."""
    if not is_distributed():
        return
    gradients = [parameter.grad for parameter in parameters if parameter.grad is not None]
    if not gradients:
        return
    means = mean_over_processes(torch.cat([gradient.flatten() for gradient in gradients]))
    for gradient, mean in zip(gradients, means.split([g.numel() for g in gradients]), strict=True):
        gradient.copy_(mean.view(gradient.shape))


def largest_of_processes(device: torch.device, *values: int) -> list[int]:
    """Each value as large as it is in any process, so that all of them decide alike."""
    if not is_distributed():
        return [*values]
    together = torch.tensor(values, device=device)
    distributed.all_reduce(together, distributed.ReduceOp.MAX)
    return [int(value) for value in together]
