"""The two ways to run a student, as functions of arrays: ONNX Runtime and PyTorch."""

import base64
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from erkd.files import InputError
from erkd.images import Array
from erkd.students import MARGIN, PROPAGATION

if TYPE_CHECKING:
    from onnxruntime import InferenceSession


@dataclass(frozen=True)
class Engine:
    """A student that can be run; safe to use from several threads. All arrays are float32.

    `network(image, trimap, layers)`: 1 x 3 x H x W in [0, 1], 1 x 1 x H x W of 0, 0.5, 1 and 1 x 8 x H/4 x
    W/4 give alpha 1 x 1 x H x W; H and W are multiples of 32. `fill(known)`: mean known colours and the share
    of known pixels, 1 x 4 x h x w, give the colours everywhere and a distance, 1 x 4 x h x w; h and w are
    multiples of 8. `margin`: pixels around it that an alpha depends on. `name` is for people.
    """

    network: Callable[[Array, Array, Array], Array]
    fill: Callable[[Array], Array]
    margin: int
    name: str


def onnx_engine(path: Path) -> Engine:
    """Run a `student.onnx` in ONNX Runtime. Raises InputError when the file is none."""
    if not path.is_file():
        raise InputError(f"{path}: no such file")
    network = _session(path, path)
    names = [one.name for one in [*network.get_inputs(), *network.get_overridable_initializers()]]
    if sorted(names) != ["image", "layers", "trimap"]:
        raise InputError(
            f"{path}: takes {', '.join(names)}; a student takes image, trimap and "
            "layers (`erkd export` makes the file anew)"
        )
    metadata = network.get_modelmeta().custom_metadata_map
    if not {PROPAGATION, MARGIN} <= metadata.keys():
        raise InputError(
            f"{path}: its metadata lacks {PROPAGATION} or {MARGIN}; `erkd export` makes the file anew"
        )
    propagation = _session(base64.b64decode(metadata[PROPAGATION]), path, keep_memory=False)

    def run_network(image: Array, trimap: Array, layers: Array) -> Array:
        return network.run(["alpha"], {"image": image, "trimap": trimap, "layers": layers})[0]

    def run_fill(known: Array) -> Array:
        return propagation.run(None, {"known": known})[0]

    return Engine(run_network, run_fill, int(metadata[MARGIN]), f"ONNX Runtime ({path})")


def _session(model: Path | bytes, path: Path, keep_memory: bool = True) -> "InferenceSession":
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    options.enable_mem_pattern = False  # patterns, one for each size, would double a tile's memory
    options.enable_cpu_mem_arena = keep_memory
    try:
        return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # ONNX Runtime has a class of its own for every way to be no model
        raise InputError(f"{path}: not a readable ONNX model ({type(error).__name__})") from None


def torch_engine(folder: Path, device: str) -> Engine:
    """Run a saved student's folder in PyTorch on `device` (auto, cpu, cuda). Raises InputError."""
    try:
        import torch
    except ImportError:
        raise InputError(
            f"{folder}: PyTorch runs a student folder, and it is not installed; "
            "pip install 'erkd[torch]', or give a student.onnx"
        ) from None
    from erkd.predict import choose_device
    from erkd.students.propagation import fill
    from erkd.students.student import load_student, margin

    where = choose_device(device)
    student = load_student(folder).to(where)

    def run_network(image: Array, trimap: Array, layers: Array) -> Array:
        with torch.inference_mode():
            inputs = (torch.from_numpy(array).to(where) for array in (image, trimap, layers))
            return student(*inputs).alpha.cpu().numpy()

    def run_fill(known: Array) -> Array:
        with torch.inference_mode():
            tensor = torch.from_numpy(known).to(where)
            return torch.cat(fill(tensor[:, :3], tensor[:, 3:]), dim=1).cpu().numpy()

    return Engine(run_network, run_fill, margin(student), f"PyTorch on {where} ({folder})")


def flipping(engine: Engine) -> Engine:
    """The same engine, averaging over the image and its mirror images (test-time augmentation)."""

    def run_network(image: Array, trimap: Array, layers: Array) -> Array:
        alphas = []
        for axes in ((), (3,), (2,), (2, 3)):
            inputs = (np.ascontiguousarray(np.flip(array, axes)) for array in (image, trimap, layers))
            alphas.append(np.flip(engine.network(*inputs), axes))
        return np.mean(alphas, axis=0)

    return replace(engine, network=run_network, name=f"{engine.name}, four mirror images")
