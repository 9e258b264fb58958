"""Prediction by a student in training, for validation; a saved one runs in `Matter`."""

import numpy as np
import torch

from erkd.io.images import Array
from erkd.students import MULTIPLE
from erkd.students.student import Student


@torch.inference_mode()
def predict_alpha(student: Student, image: Array, trimap: Array) -> Array:
    """Predict alpha H x W in [0, 1] for `image` H x W x 3 and `trimap` H x W, on the student's device.

    Inputs are padded by reflection to multiples of 32.
    """
    device = next(student.parameters()).device
    height, width = trimap.shape
    padding = (0, -height % MULTIPLE), (0, -width % MULTIPLE)
    image = np.pad(image, (*padding, (0, 0)), "symmetric")
    trimap = np.pad(trimap, padding, "symmetric")
    image_batch = torch.from_numpy(image).permute(2, 0, 1)[None].to(device)
    matte = student(image_batch, torch.from_numpy(trimap)[None, None].to(device))
    return matte.alpha[0, 0, :height, :width].cpu().numpy()
