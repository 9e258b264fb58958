"""A denser output grid for convolutional towers: the last strides become dilations."""

import torch
from open_clip.modified_resnet import ModifiedResNet
from open_clip.timm_model import TimmModel
from open_clip.transformer import VisionTransformer
from torch import Tensor, nn

from erkd.io.files import InputError


def set_output_stride(tower: nn.Module, stride: int, probe: int = 256) -> None:
    """Make a convolutional tower's map denser in place: one cell per `stride` pixels instead of 32.

    Layers that leave `stride` behind (convolutions, and the average pools of ModifiedResNet) get stride 1,
    and kernels behind them are dilated by as much, so that every weight still meets the pixels it was trained
    for (DeepLab, arXiv:1412.7062). Which layers these are is read off one run on a `probe`-pixel image. A ViT
    has the stride of its patches and is left as it is. Raises InputError where a trunk cannot run so, as with
    kernels as wide as their stride.
    """
    if isinstance(tower, VisionTransformer):
        return
    trunk = tower.trunk if isinstance(tower, TimmModel) else tower
    layers: list[tuple[nn.Conv2d | nn.AvgPool2d, int, int]] = []

    def record(layer: nn.Conv2d | nn.AvgPool2d, inputs: tuple[Tensor], output: Tensor) -> None:
        layers.append((layer, inputs[0].shape[-1], output.shape[-1]))

    hooks = [
        layer.register_forward_hook(record)
        for layer in trunk.modules()
        if isinstance(layer, nn.Conv2d | nn.AvgPool2d)
    ]
    first_map = _map_size(trunk, probe)
    for hook in hooks:
        hook.remove()
    dense = probe // stride
    for layer, size_in, size_out in layers:
        if size_in <= dense and size_out < size_in:
            _remove_stride(layer)
        if size_in < dense and isinstance(layer, nn.Conv2d) and max(layer.kernel_size) > 1 and size_in > 1:
            _dilate(layer, dense // size_in)
    last_map = _map_size(trunk, probe)
    if last_map != max(dense, first_map):
        raise InputError(
            f"{type(trunk).__name__} cannot run at output stride {stride}: its grid for {probe} pixels is "
            f"{last_map}, not {dense}; set teacher.output_stride to {probe // first_map}"
        )


def _map_size(trunk: nn.Module, probe: int) -> int:
    """The side of the map that a trunk gives for a square image of `probe` pixels."""
    image = torch.zeros(1, 3, probe, probe, device=next(trunk.parameters()).device)
    with torch.no_grad():
        if isinstance(trunk, ModifiedResNet):
            found = trunk.forward_intermediates(image, indices=1, intermediates_only=True)
            return int(found["image_intermediates"][0].shape[-1])
        return int(trunk.forward_features(image).shape[-1])  # type: ignore[operator]


def _remove_stride(layer: nn.Conv2d | nn.AvgPool2d) -> None:
    if isinstance(layer, nn.AvgPool2d):
        layer.kernel_size = 1
        layer.stride = 1
    else:
        layer.stride = (1, 1)


def _dilate(layer: nn.Conv2d, factor: int) -> None:
    layer.dilation = (layer.dilation[0] * factor, layer.dilation[1] * factor)
    if not isinstance(layer.padding, str):  # zero in timm's Conv2dSame, which pads by itself
        layer.padding = tuple(side * factor for side in layer.padding)
        layer._reversed_padding_repeated_twice = [side for side in layer.padding[::-1] for _ in range(2)]
