"""Batches made ahead of the training: drawn by processes, rendered by a thread in a CUDA stream of its own."""

from collections.abc import Iterable, Iterator

import torch
from torch import Tensor
from torch.utils.data import Dataset

from erkd.batches.batch import Batch, loader
from erkd.batches.live import LiveBatches
from erkd.batches.plan import Plan
from erkd.runtime.threads import map_threads


class Plans(Dataset[Plan]):
    """What is drawn for each step."""

    def __init__(self, batches: LiveBatches) -> None:
        self.batches = batches

    def __getitem__(self, step: int) -> Plan:
        return self.batches.plan(step)


def training_batches(batches: Dataset[Batch], steps: range, workers: int) -> Iterator[Batch]:
    """Iterate over the batches of `steps`, made ahead by `workers` processes.

    Live batches of a GPU are drawn by them, and rendered by a thread: neither draws nor what the CPU waits for in
    rendering (JPEG, rounds of trimaps) keep the training waiting. Layers are decoded before the first batch.
    """
    if not isinstance(batches, LiveBatches):
        return iter(loader(batches, steps, workers))
    batches.prepare()
    if batches.device.type == "cpu":
        return iter(loader(batches, steps, workers))
    return render_ahead(batches, loader(Plans(batches), steps, workers))


def render_ahead(batches: LiveBatches, plans: Iterable[Plan]) -> Iterator[Batch]:
    """Render `plans`, two ahead of the one that is asked for."""
    stream = torch.cuda.Stream(batches.device) if batches.device.type == "cuda" else None

    def render(plan: Plan) -> tuple[Batch, torch.cuda.Event | None]:
        with torch.cuda.stream(stream):  # None: no stream
            return batches.render(plan), None if stream is None else stream.record_event()

    for batch, done in map_threads(render, plans, at_once=1):
        if done is not None:
            consumer = torch.cuda.current_stream(batches.device)
            consumer.wait_event(done)
            for tensor in _on_device(batch, batches.device):
                tensor.record_stream(consumer)  # its memory is not taken up before the training has read it
        yield batch


def _on_device(batch: object, device: torch.device) -> Iterator[Tensor]:
    """All tensors of a batch that lie on `device`."""
    for part in vars(batch).values():
        if isinstance(part, Tensor):
            if part.device.type == device.type:
                yield part
        elif isinstance(part, tuple):
            for one in part:
                yield from _on_device(one, device)
        elif part is not None:
            yield from _on_device(part, device)
