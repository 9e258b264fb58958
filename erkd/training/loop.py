"""The training loop: alpha losses plus the losses of any distillation methods. Progress goes to a callback."""

import copy
import math
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path

import torch
from rich.console import Console
from rich.progress import Progress
from torch import nn
from torch.utils.data import Dataset

from erkd.batches.ahead import training_batches
from erkd.batches.batch import Batch
from erkd.distill.erkd import Erkd
from erkd.io.files import InputError
from erkd.params import DistillParams
from erkd.runtime.distributed import average_gradients, is_main_process, mean_over_processes
from erkd.runtime.schedule import learning_rate_factor
from erkd.runtime.signals import signals_noted
from erkd.students.losses import alpha_l1, laplacian
from erkd.students.student import Matte, Student
from erkd.training.checkpoint import Saver, Trained, load_checkpoint
from erkd.training.graphs import graphed, graphs_serve

Record = dict[str, float]


@dataclass
class Fitted:
    """The result of training: the student that validated best, its record, and one record per step."""

    student: Student
    history: list[Record] = field(default_factory=list)
    best: Record = field(default_factory=dict)


def silent(step: int, record: Record) -> None:
    """A `log` callback that does nothing."""


@torch.no_grad()
def update_average(average: nn.Module, model: nn.Module, decay: float, step: int) -> None:
    """Update the exponential moving average (EMA) of weights: decay min(`decay`, (step + 1) / (step + 10)).

    Buffers are copied, as BatchNorm's statistics are averages already.
    """
    decay = min(decay, (step + 1) / (step + 10))
    torch._foreach_lerp_([*average.parameters()], [*model.parameters()], 1 - decay)
    if kept := [*average.buffers()]:
        torch._foreach_copy_(kept, [*model.buffers()])


def total_loss(
    matte: Matte,
    student: Student,
    methods: nn.ModuleDict,
    batch: Batch,
    params: DistillParams,
    kd_weight: float,
    progress: float,
) -> dict[str, torch.Tensor]:
    """Compute the losses of one batch by name; training minimises their sum.

    A crop of a photograph weighs in ERKD's feature and text losses as much as a composite's.

    Args:
        matte: The student's output for the batch.
        student: The student.
        methods: Distillation methods by name.
        batch: The batch, on the student's device.
        params: `laplacian` is the weight of the Laplacian loss.
        kd_weight: Weight of all methods.
        progress: step / steps in [0, 1].
    """
    losses = {
        "alpha": alpha_l1(matte.alpha, batch.alpha, batch.unknown),
        "laplacian": params.laplacian * laplacian(matte.alpha, batch.alpha, batch.unknown),
    }
    for name, method in methods.items():
        parts = method(matte, batch, progress)
        if batch.photographs is not None and isinstance(method, Erkd):
            described = student.describe(batch.photographs.image, batch.photographs.trimap)
            share = len(batch.photographs.image) / len(batch.image)
            without_alpha = method.clip_losses(described, batch.photographs)
            parts |= {f"photographs_{part}": share * loss for part, loss in without_alpha.items()}
        for part, loss in parts.items():
            losses[f"{name}_{part}"] = kd_weight * loss
    return losses


def fit(
    student: Student,
    methods: nn.ModuleDict,
    batches: Dataset[Batch],
    params: DistillParams,
    kd_weight: Callable[[float], float],
    validate: Callable[[Student], Record],
    device: torch.device,
    workers: int,
    log: Callable[[int, Record], None] = silent,
    unfinished: Path | None = None,
    minutes: float | None = None,
) -> Fitted:
    """Train for `params.steps` steps and return the exponential moving average of weights with the lowest `sad`.

    The forward pass runs in bfloat16 on CUDA, and as a graph (`graphs`). Of several processes
    (`runtime.distributed`) the main one validates, and its result is the one to keep.

    Args:
        student: The student, trained in place.
        methods: Distillation methods by name, trained along.
        batches: Item `step` is the batch of that step.
        params: The section `distill`.
        kd_weight: Weight of all methods as a function of step / steps.
        validate: Maps a student to named values, `sad` among them; runs every `params.validate_every` steps and at
            the end.
        device: Where to train.
        workers: Processes that make batches ahead.
        log: Called with each step (from 1) and its record.
        unfinished: Folder of checkpoints. A killed training resumes from the last one, to the same weights; SIGINT
            and SIGTERM save one first.
        minutes: Time limit, after which a checkpoint is saved.

    Raises:
        Stopped: After a signal, with `unfinished`.
        OutOfTime: When `minutes` have passed.
        InputError: For an unusable checkpoint, and when a loss is not finite.
    """
    student.to(device).to(memory_format=torch.channels_last)  # faster on the CPU, too
    student.train()
    methods.to(device).to(memory_format=torch.channels_last).train()
    average = copy.deepcopy(student).eval()
    trained = [p for p in [*student.parameters(), *methods.parameters()] if p.requires_grad]
    optimiser = torch.optim.AdamW(
        trained, params.learning_rate, weight_decay=params.weight_decay, fused=device.type == "cuda"
    )
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimiser, lambda step: learning_rate_factor(step, params.steps, params.warmup)
    )
    fitted = Fitted(copy.deepcopy(average))
    modules = {"student": student, "methods": methods, "average": average, "best": fitted.student}
    state, start = Trained(modules, optimiser, schedule), 0
    if unfinished is not None:
        start, earlier = load_checkpoint(unfinished, state, params.model_dump())
        fitted.history, fitted.best = earlier or ([], {})
    saver = Saver(unfinished, state, params.model_dump(), minutes, device)
    noting: AbstractContextManager[list[int]] = nullcontext([]) if unfinished is None else signals_noted()
    forward = graphed(student, params.batch_size, params.crop, device) if graphs_serve(device) else student
    with noting as signals, Progress(console=Console(stderr=True), disable=not is_main_process()) as bar:
        task = bar.add_task("distill", total=params.steps, completed=start)
        steps = range(start, params.steps)
        for step, batch in zip(steps, training_batches(batches, steps, workers), strict=True):
            with torch.autocast(device.type, torch.bfloat16, enabled=device.type == "cuda"):
                progress, batch = step / params.steps, batch.to(device)
                matte = forward(batch.image, batch.trimap)
                losses = total_loss(matte, student, methods, batch, params, kd_weight(progress), progress)
            loss = torch.stack([*losses.values()]).sum()
            optimiser.zero_grad()
            loss.backward()
            average_gradients(trained)
            for part in (student, methods):  # separately: methods' gradients must not scale the student's
                nn.utils.clip_grad_norm_([*part.parameters()], 1.0)
            optimiser.step()
            schedule.step()
            update_average(average, student, params.ema_decay, step)
            values = mean_over_processes(torch.stack([loss.detach(), *(v.detach() for v in losses.values())]))
            record = dict(zip(["loss", *losses], values.tolist(), strict=True))
            if not math.isfinite(record["loss"]):
                bad = ", ".join(name for name, value in record.items() if not math.isfinite(value))
                raise InputError(f"step {step + 1}: not finite: {bad}; try a lower distill.learning_rate")
            if is_main_process() and ((step + 1) % params.validate_every == 0 or step + 1 == params.steps):
                validation = validate(average)
                record |= {f"validation_{name}": value for name, value in validation.items()}
                if not fitted.best or validation["sad"] < fitted.best["sad"]:
                    fitted.best = {"step": step + 1, **validation}
                    fitted.student.load_state_dict(average.state_dict())
            fitted.history.append({"step": step + 1, **record})
            log(step + 1, record)
            bar.update(task, advance=1, description=f"distill  loss {record['loss']:.4f}")
            saver.after(step + 1, params.steps, signals, [fitted.history, fitted.best])
    return fitted
