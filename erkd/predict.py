"""From an image and a trimap to an alpha, at any size."""

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch

from erkd.files import InputError
from erkd.images import Array
from erkd.students import MULTIPLE
from erkd.students.student import Student, load_student

Predictor = Callable[[Array, Array], Array]


def prepare_torch(threads: int, deterministic: bool) -> None:
    """Let torch use so many threads; 0 leaves it all cores. Sums depend on the number in their last bits.

    With `deterministic` CUDA takes kernels whose sums are the same every time, and warns where it has none; the
    CPU's are anyway.
    """
    if threads:
        torch.set_num_threads(threads)
    if deterministic and torch.cuda.is_available():
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # read when CUDA starts
        torch.use_deterministic_algorithms(True, warn_only=True)


def choose_device(device: str) -> torch.device:
    """`auto` is CUDA where there is one, else the CPU. Raises InputError for CUDA that is not there."""
    if device == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    if device == "cuda" and not torch.cuda.is_available():
        raise InputError("device: cuda was asked for, and torch finds none; use auto or cpu")
    return torch.device(device)


@torch.inference_mode()
def predict_alpha(student: Student, image: Array, trimap: Array) -> Array:
    """Alpha H x W in [0, 1] of `image` H x W x 3 and `trimap` H x W; runs where the student's weights are.

    The image is mirrored at its borders up to a multiple of 32.
    """
    device = next(student.parameters()).device
    height, width = trimap.shape
    padding = (0, -height % MULTIPLE), (0, -width % MULTIPLE)
    image = np.pad(image, (*padding, (0, 0)), "symmetric")
    trimap = np.pad(trimap, padding, "symmetric")
    image_batch = torch.from_numpy(image).permute(2, 0, 1)[None].to(device)
    matte = student(image_batch, torch.from_numpy(trimap)[None, None].to(device))
    return matte.alpha[0, 0, :height, :width].cpu().numpy()


def load_predictor(folder: Path, device: str = "cpu") -> Predictor:
    """A function (image, trimap) -> alpha from a saved student's folder."""
    student = load_student(folder).to(choose_device(device)).to(memory_format=torch.channels_last)
    return lambda image, trimap: predict_alpha(student, image, trimap)
