"""An unfinished training on disk: all that decides its next step, as safetensors and JSON.

`latest.json` names the step and the hashes of `<step>.safetensors` and `<step>.json`. It is replaced after both are
whole, and before those of an earlier step go, so that a kill at any moment leaves a checkpoint that can be read.
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
from erkd.runtime.distributed import first, largest_of_processes
from erkd.runtime.signals import OutOfTime, Stopped

LATEST = "latest.json"
SECONDS = 60  # between checkpoints


@dataclass(frozen=True)
class Trained:
    """What training changes. The batches are fixed by the step, so the step is their whole state."""

    modules: Mapping[str, nn.Module]
    optimiser: torch.optim.Optimizer
    schedule: torch.optim.lr_scheduler.LRScheduler


class Saver:
    """Saves a training to `folder` once a minute, at a signal, and when `minutes` have passed; None never."""

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
        """Save if it is time to, `step` being the steps done; then raise Stopped at a signal, or OutOfTime.

        Of several processes the first one saves, and all stop after the same step.
        """
        if self._folder is None:
            return
        now = time.monotonic()
        over = self._minutes is not None and now - self._begun > 60 * self._minutes and step < steps
        signal, late = largest_of_processes(self._device, max(signals, default=0), int(over))
        if first() and (signal or late or now - self._saved > SECONDS):
            save_checkpoint(self._folder, step, self._trained, self._settings, record)
            self._saved = time.monotonic()
        where = f"stopped after step {step} of {steps}; the same command goes on from there"
        if signal:
            raise Stopped(signal, where)
        if late:
            raise OutOfTime(f"{self._minutes:g} minutes: {where}")


def save_checkpoint(folder: Path, step: int, trained: Trained, settings: dict[str, Any], record: Any) -> None:
    """Write the state after `step` steps, with `settings` and `record` (both JSON); an earlier one is removed."""
    optimiser = trained.optimiser.state_dict()
    tensors, states = _random_state()
    for name, module in trained.modules.items():
        tensors |= {f"{name}.{key}": value for key, value in module.state_dict().items()}
    for index, values in optimiser["state"].items():
        tensors |= {f"optimiser.{index}.{key}": value for key, value in values.items()}
    plain = {  # shared memory and layouts are no matter of the file's
        name: value.detach().cpu().clone(memory_format=torch.contiguous_format)
        for name, value in tensors.items()
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
        temporary.write_bytes(save(plain))  # the library's own writer hides that a disk is full
    write_text(json.dumps(content), files[1])  # a loss may be NaN
    write_json({"step": step, "sha256": {file.name: sha256(file) for file in files}}, folder / LATEST)
    for file in {*folder.glob("[0-9]*.safetensors"), *folder.glob("[0-9]*.json")} - {*files}:
        file.unlink()


def load_checkpoint(folder: Path, trained: Trained, settings: dict[str, Any]) -> tuple[int, Any]:
    """Put `trained` and all random generators back; the number of steps done and the record; (0, None) without any.

    Raises InputError that names the file that is missing or damaged, or the folder where it is of another
    training.
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
    """Each state in its weight's own layout: another order of sums would give other bits."""
    weights = [weight for group in optimiser.param_groups for weight in group["params"]]
    state: dict[int, dict[str, Tensor]] = {}
    for key, value in tensors.items():
        index, name = key.split(".")
        weight = weights[int(index)]
        alike = torch.empty_like(weight).copy_(value) if value.shape == weight.shape else value
        state.setdefault(int(index), {})[name] = alike
    optimiser.load_state_dict({"state": state, "param_groups": groups})


def _random_state() -> tuple[dict[str, Tensor], dict[str, Any]]:
    """The global generators of torch, numpy and Python; batches have their own, seeded by the step."""
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
