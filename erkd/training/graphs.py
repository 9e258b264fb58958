"""The student's forward and backward pass as CUDA graphs.

A step has some thousand kernels, most of them the prior's, which work for less time than a processor takes to launch
them. As a graph they are launched together.
"""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from erkd.runtime.distributed import is_distributed
from erkd.students.student import Matte, Student


def graphs_serve(device: torch.device) -> bool:
    """Whether a training on `device` runs as graphs: on CUDA, and in one process, which needs no other in a step."""
    return device.type == "cuda" and not is_distributed()


class _Fields(nn.Module):
    """A student whose output is a dictionary, as graphs return no dataclasses."""

    def __init__(self, student: Student) -> None:
        super().__init__()
        self.student = student

    def forward(self, image: Tensor, trimap: Tensor) -> dict[str, Any]:
        return vars(self.student(image, trimap))


def graphed(student: Student, batch_size: int, crop: int, device: torch.device) -> Callable[[Tensor, Tensor], Matte]:
    """Capture `student`, in training mode and in bfloat16, for batches of crops on CUDA.

    Nothing else may use the device meanwhile. The result takes images and trimaps as the student does, and its
    outputs are overwritten by its next call. BatchNorm's statistics are those of before.
    """
    generator = torch.Generator(device).manual_seed(0)
    image = torch.rand(batch_size, 3, crop, crop, device=device, generator=generator)
    trimap = torch.randint(0, 3, (batch_size, 1, crop, crop), device=device, generator=generator) / 2
    fields, buffers = _Fields(student), [*student.buffers()]
    kept = [buffer.clone() for buffer in buffers]
    with torch.autocast(device.type, torch.bfloat16, cache_enabled=False):
        captured: Any = torch.cuda.make_graphed_callables(fields, (image, trimap), allow_unused_input=True)
    torch._foreach_copy_(buffers, kept)
    # its nodes that add gradients up live on, on the stream of the capture: a wait, which torch would warn of
    torch.autograd.graph.set_warn_on_accumulate_grad_stream_mismatch(False)
    return lambda image, trimap: Matte(**captured(image, trimap))
