"""Train in as many processes as `torchrun` started and save what came of it: OUT METHOD ...

In double precision, where rounding is too small for Adam and for ReLU's kink to make much of it.
"""

import os
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save_file
from torch.utils.data import Dataset

from erkd.runtime.distributed import is_main_process, process_group
from erkd.students.encoder import load_imagenet
from erkd.training.loop import fit
from erkd.training.train import write_history
from tests.support.students import random_cache, small_methods, small_student
from tests.support.training_set import CPU, live_batches

SETTINGS = {"steps": 8, "batch_size": 4, "validate_every": 8}


class Doubles(Dataset):
    """Batches in double precision."""

    def __init__(self, batches):
        self.batches = batches

    def __len__(self):
        return len(self.batches)

    def __getitem__(self, step):
        batch = self.batches[step]
        doubles = {name: value.double() for name, value in vars(batch).items() if isinstance(value, torch.Tensor)}
        crops = tuple(replace(view, share=view.share.double()) for view in batch.crops)
        return replace(batch, **doubles, crops=crops)


def train(batches, *names, double=True):
    """A small student taught by all the methods at once."""
    torch.manual_seed(0)
    cache = random_cache()
    cache = replace(cache, features=np.concatenate([cache.features] * 2))
    student = small_student()
    load_imagenet(student.encoder, student.config.backbone)
    methods = small_methods(student, *names, cache=cache)
    settings = batches.distill
    if double:
        batches = Doubles(batches)
        student.double()
        methods.double()
    return fit(student, methods, batches, settings, lambda _: 1.0, lambda _: {"sad": 1.0}, CPU, 0)


def main(out: Path, *names: str) -> None:
    torch.set_num_threads(1)
    with process_group(CPU):
        fitted = train(live_batches(out / f"data{os.environ['RANK']}", **SETTINGS), *names)
        if is_main_process():
            weights = {name: value.contiguous() for name, value in fitted.student.state_dict().items()}
            save_file(weights, out / "student.safetensors")
            write_history(fitted.history, out / "history.csv")


if __name__ == "__main__":
    main(Path(sys.argv[1]), *sys.argv[2:])
