"""Engines that run a student on arrays: ONNX Runtime and PyTorch."""

import base64
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from erkd.io.files import InputError, check_hash, read_json
from erkd.io.images import Array
from erkd.students import MARGIN, PRIOR_STRIDE, PRIOR_STRIDES, PROPAGATION

if TYPE_CHECKING:
    from onnxruntime import InferenceSession, RunOptions

MOST_MARGIN = 2048  # pixels; a larger one in an ONNX file is an error
MOST_THREADS = 2  # of the prior, whose thousands of small steps lose by more
LARGE = 1 << 18  # entries of `pooled` (24,000 cells) from which its memory is given back


@dataclass(frozen=True)
class Engine:
    """A student ready to run, thread-safe. All arrays are float32.

    Attributes:
        network: (image 1 x 3 x H x W in [0, 1], trimap 1 x 1 x H x W of 0, 0.5, 1, prior 1 x 12 x H/s x W/s) -> alpha
            1 x 1 x H x W; H and W are multiples of 32.
        spread: Pooled known colours 1 x 11 x h x w -> prior 1 x 12 x h x w (`students.prior.propagation`); h and w
            are multiples of 32 / s.
        margin: Receptive-field radius of `network`, pixels.
        prior_stride: s, pixels.
        name: For messages.
        device: cpu or cuda.
    """

    network: Callable[[Array, Array, Array], Array]
    spread: Callable[[Array], Array]
    margin: int
    prior_stride: int
    name: str
    device: str = "cpu"


def onnx_engine(path: Path, threads: int = 0) -> Engine:
    """Load a `student.onnx` into ONNX Runtime, to run on so many threads; 0: one on each core.

    Raises InputError for an unusable file, and for one whose hash differs from that in an `onnx.json` beside it.
    """
    if not path.is_file():
        raise InputError(f"{path}: no such file")
    record = path.with_name("onnx.json")
    expected = export_hashes(record).get(path.name) if record.is_file() else None
    if expected is not None:
        check_hash(path, expected, "`erkd export` makes it anew, or take both anew from where they came")
    network = _session(path, path, threads)
    anew = "`erkd export` makes the file anew"
    try:
        names = [one.name for one in [*network.get_inputs(), *network.get_overridable_initializers()]]
        if sorted(names) != ["image", "prior", "trimap"]:
            raise InputError(f"{path}: takes {', '.join(names)}; a student takes image, trimap and prior ({anew})")
        metadata = network.get_modelmeta().custom_metadata_map
        lacking = ", ".join(sorted({PROPAGATION, MARGIN, PRIOR_STRIDE} - metadata.keys()))
        if lacking:
            raise InputError(f"{path}: its metadata lacks {lacking}; {anew}")
        model = base64.b64decode(metadata[PROPAGATION], validate=True)
        margin, stride = int(metadata[MARGIN]), int(metadata[PRIOR_STRIDE])
        if not 0 <= margin <= MOST_MARGIN:
            raise ValueError(f"{MARGIN} {margin}")
        if stride not in PRIOR_STRIDES:
            raise ValueError(f"{PRIOR_STRIDE} {stride}")
    except ValueError as error:
        raise InputError(f"{path}: damaged metadata ({error}); {anew}") from None
    propagation, options = _session(model, path, min(MOST_THREADS, threads or os.cpu_count() or 1)), _freeing()

    def run_network(image: Array, trimap: Array, prior: Array) -> Array:
        return network.run(["alpha"], {"image": image, "trimap": trimap, "prior": prior})[0]

    def run_spread(pooled: Array) -> Array:
        return propagation.run(None, {"pooled": pooled}, options if pooled.size > LARGE else None)[0]

    return Engine(run_network, run_spread, margin, stride, f"ONNX Runtime ({path})")


def export_hashes(record: Path) -> dict[str, str]:
    """SHA-256 of the two ONNX files by name, from an export's `onnx.json`. Raises InputError for another record."""
    content = read_json(record)
    try:
        return {"student.onnx": content["sha256"], "student.fp16.onnx": content["fp16"]["sha256"]}
    except (KeyError, TypeError) as error:
        mend = "`erkd export` makes it anew"
        raise InputError(f"{record}: not the record of an export ({error!r}); {mend}") from None


def _freeing() -> "RunOptions":
    """Run options that shrink the memory arena after a run. No arena at all is slower, and so is shrinking always."""
    import onnxruntime

    options = onnxruntime.RunOptions()
    options.add_run_config_entry("memory.enable_memory_arena_shrinkage", "cpu:0")
    return options


def _session(model: Path | bytes, path: Path, threads: int) -> "InferenceSession":
    """A session on so many threads, 0 for one on each core."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.log_severity_level = 3
    options.enable_mem_pattern = False  # memory patterns, one per input size, would double a tile's memory
    options.enable_mem_reuse = False  # planning it took three quarters of a session's start, and saved nothing
    # else idle threads of one session spin on the cores that the other needs
    options.add_session_config_entry("session.force_spinning_stop", "1")
    try:
        return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"], enable_fallback=0)
    except Exception as error:  # ONNX Runtime raises many classes
        raise InputError(f"{path}: not a readable ONNX model ({type(error).__name__})") from None


def torch_engine(folder: Path, device: str) -> Engine:
    """Load a student's folder into PyTorch on `device` (auto, cpu, cuda). Raises InputError."""
    try:
        import torch
    except ImportError:
        raise InputError(
            f"{folder}: PyTorch runs a student folder, and it is not installed; "
            "pip install 'erkd[torch]', or give a student.onnx"
        ) from None
    from erkd.runtime.device import choose_device
    from erkd.students.prior.propagation import spread, steps_of
    from erkd.students.student import load_student, margin

    where = choose_device(device)
    student = load_student(folder).to(where)
    stride = student.config.prior_stride

    def run_network(image: Array, trimap: Array, prior: Array) -> Array:
        with torch.inference_mode():
            inputs = (torch.from_numpy(array).to(where) for array in (image, trimap, prior))
            return student(*inputs).alpha.cpu().numpy()

    def run_spread(pooled: Array) -> Array:
        with torch.inference_mode():
            return spread(torch.from_numpy(pooled).to(where), steps_of(stride)).cpu().numpy()

    return Engine(run_network, run_spread, margin(student), stride, f"PyTorch on {where} ({folder})", where.type)
