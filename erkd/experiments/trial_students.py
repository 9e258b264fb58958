"""The students of trials: the machine that they are trained on, and how they are published."""

import platform
from pathlib import Path

import torch
from safetensors.torch import load_file, save

from erkd.io.files import atomic, read_json, sha256, write_json
from erkd.params import Params
from erkd.runtime.device import choose_device


def hardware(params: Params) -> str:
    """The kind of machine that a training runs on, in words."""
    if choose_device(params.device).type == "cuda":
        return torch.cuda.get_device_name()
    return f"{platform.machine()} CPU, {params.threads} thread(s)"


def publish_half(source: Path, folder: Path) -> None:
    """Publish a trained student with its weights in float16, which `load_student` takes as it does float32."""
    tensors = load_file(source / "student.safetensors")
    halves = {name: value.half() if value.is_floating_point() else value for name, value in tensors.items()}
    with atomic(folder / "student.safetensors") as temporary:
        temporary.write_bytes(save(halves))
    record = read_json(source / "student.json")
    write_json(record | {"sha256": sha256(folder / "student.safetensors")}, folder / "student.json")
