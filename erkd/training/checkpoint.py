"""Checkpoints of an unfinished training (weights, optimiser, schedule, random states) as safetensors and JSON.

`latest.json` names the step and the hashes of `<step>.safetensors` and `<step>.json`. It is replaced after both are
written and before older ones are removed, so that a kill at any moment leaves a readable checkpoint.
"""

import json
import random
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import load, save
from torch import Tensor, nn

from erkd.io.files import InputError, atomic, check_hash, read_json, sha256, write_json, write_text
from erkd.runtime.distributed import is_main_process, largest_of_processes
from erkd.runtime.signals import OutOfTime, Stopped

LATEST = "latest.json"
SECONDS = 60  # between checkpoints


@dataclass(frozen=True)
class Trained:
    """The state that training changes; batches are a function of the step and have none."""

    modules: Mapping[str, nn.Module]
    optimiser: torch.optim.Optimizer
    schedule: torch.optim.lr_scheduler.LRScheduler


class Saver:
    """Saves checkpoints every `SECONDS`, at a signal, and when the time is up.

    Args:
        folder: Where checkpoints go; None saves nothing.
        trained: The state to save.
        settings: Parameters that a later training must share, JSON.
        minutes: Time limit; None for none.
        device: Device for the exchange between processes.
    """

    def __init__(
        self,
        folder: Path | None,
        trained: Trained,
        settings: dict[str, Any],
        minutes: float | None,
        device: torch.device,
    ) -> None:
        self._device = device
        self._folder, self._trained, self._settings, self._minutes = folder, trained, settings, minutes
        self._begun = self._saved = time.monotonic()

    def after(self, step: int, steps: int, signals: Sequence[int], record: Any) -> None:
        """Save if due after `step` of `steps` steps, with `record` (JSON); raise Stopped at a signal, or OutOfTime.

        Of several processes the main one saves, and all stop after the same step.
        """
        if self._folder is None:
            return
        now = time.monotonic()
        over = self._minutes is not None and now - self._begun > 60 * self._minutes and step < steps
        signal, late = largest_of_processes(self._device, max(signals, default=0), int(over))
        if is_main_process() and (signal or late or now - self._saved > SECONDS):
            save_checkpoint(self._folder, step, self._trained, self._settings, record)
            self._saved = time.monotonic()
        where = f"stopped after step {step} of {steps}; the same command goes on from there"
        if signal:
            raise Stopped(signal, where)
        if late:
            raise OutOfTime(f"{self._minutes:g} minutes: {where}")


def save_checkpoint(folder: Path, step: int, trained: Trained, settings: dict[str, Any], record: Any) -> None:
    """Write the state after `step` steps, with `settings` and `record` (both JSON), and remove earlier ones."""
    optimiser = trained.optimiser.state_dict()
    tensors, states = _random_state()
    for name, module in trained.modules.items():
        tensors |= {f"{name}.{key}": value for key, value in module.state_dict().items()}
    for index, values in optimiser["state"].items():
        tensors |= {f"optimiser.{index}.{key}": value for key, value in values.items()}
    plain = {  # safetensors takes contiguous tensors that share no memory
        name: value.detach().cpu().clone(memory_format=torch.contiguous_format) for name, value in tensors.items()
    }
    content = {
        "settings": settings,
        "record": record,
        "random": states,
        "schedule": trained.schedule.state_dict(),
        "groups": optimiser["param_groups"],
    }
    files = folder / f"{step}.safetensors", folder / f"{step}.json"
    with atomic(files[0]) as temporary:
        temporary.write_bytes(save(plain))  # safetensors' `save_file` does not report a full disk
    write_text(json.dumps(content), files[1])  # not `write_json`, since a loss may be NaN
    write_json({"step": step, "sha256": {file.name: sha256(file) for file in files}}, folder / LATEST)
    for file in {*folder.glob("[0-9]*.safetensors"), *folder.glob("[0-9]*.json")} - {*files}:
        file.unlink()


def load_checkpoint(folder: Path, trained: Trained, settings: dict[str, Any]) -> tuple[int, Any]:
    """Restore `trained` and the global random states.

    Returns the number of steps done and the record; (0, None) without a checkpoint. Raises InputError for files that
    are missing or damaged, and for a checkpoint of other `settings`.
    """
    if not (folder / LATEST).is_file():
        return 0, None
    latest = read_json(folder / LATEST)
    mend = f"remove {folder} to begin at the first step"
    try:
        step, hashes = int(latest["step"]), dict(latest["sha256"])
        for name, expected in hashes.items():
            check_hash(folder / name, expected, mend)
        content = read_json(folder / f"{step}.json")
        if content["settings"] != settings:
            raise ValueError("other settings")
        tensors = load((folder / f"{step}.safetensors").read_bytes())
        for name, module in trained.modules.items():
            module.load_state_dict(_below(tensors, name))
        _load_optimiser(trained.optimiser, _below(tensors, "optimiser"), content["groups"])
        trained.schedule.load_state_dict(content["schedule"])
        _set_random_state(tensors, content["random"])
    except (KeyError, TypeError, ValueError, RuntimeError) as error:
        reason = str(error).splitlines()[0]
        raise InputError(f"{folder}: the checkpoint of another training ({reason}); {mend}") from None
    return step, content["record"]


def _below(tensors: Mapping[str, Tensor], name: str) -> dict[str, Tensor]:
    prefix = f"{name}."
    return {key.removeprefix(prefix): value for key, value in tensors.items() if key.startswith(prefix)}


def _load_optimiser(optimiser: torch.optim.Optimizer, tensors: dict[str, Tensor], groups: Any) -> None:
    """Restore optimiser states in their parameters' memory formats, which decide the order of sums."""
    weights = [weight for group in optimiser.param_groups for weight in group["params"]]
    state: dict[int, dict[str, Tensor]] = {}
    for key, value in tensors.items():
        index, name = key.split(".")
        weight = weights[int(index)]
        alike = torch.empty_like(weight).copy_(value) if value.shape == weight.shape else value
        state.setdefault(int(index), {})[name] = alike
    optimiser.load_state_dict({"state": state, "param_groups": groups})


def _random_state() -> tuple[dict[str, Tensor], dict[str, Any]]:
    """States of the global generators of torch, numpy and Python (batches seed their own)."""
    tensors = {"random.torch": torch.get_rng_state()}
    if torch.cuda.is_available():
        tensors |= {f"random.cuda.{i}": state for i, state in enumerate(torch.cuda.get_rng_state_all())}
    _, words, *rest = np.random.get_state(legacy=True)  # noqa: NPY002
    tensors["random.numpy"] = torch.from_numpy(np.asarray(words).astype(np.int64))
    return tensors, {"numpy": rest, "python": random.getstate()}


def _set_random_state(tensors: Mapping[str, Tensor], states: Mapping[str, Any]) -> None:
    torch.set_rng_state(tensors["random.torch"])
    if torch.cuda.is_available() and "random.cuda.0" in tensors:
        torch.cuda.set_rng_state_all([*_below(tensors, "random.cuda").values()])
    words = tensors["random.numpy"].numpy().astype(np.uint32)
    np.random.set_state(("MT19937", words, *states["numpy"]))  # noqa: NPY002
    version, numbers, gauss = states["python"]
    random.setstate((version, tuple(numbers), gauss))
