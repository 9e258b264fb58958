"""What a camera and the light do to a batch of pictures, in torch: on whatever device the pictures are.

Pictures are B x 3 x S x S in [0, 1]; strengths are one number per picture, drawn by the caller.
"""

from functools import lru_cache

import cv2
import torch
from torch import Tensor
from torch.nn.functional import conv2d, pad

GRAIN_SIDE = 1024


def tone(images: Tensor, gain: Tensor, gamma: Tensor) -> Tensor:
    """(image x gain) ^ gamma; `gain` B x 3, `gamma` B."""
    return (images * gain[:, :, None, None]).clamp(1e-4, 1) ** gamma[:, None, None, None]


def blur(images: Tensor, sigma: Tensor) -> Tensor:
    """Gaussian blur by `sigma` B (pixels; 0 leaves a picture as it is), borders repeated.

    One by one: a picture is the same to the last bit, whatever pictures stand beside it.
    """
    return torch.stack([_blur(image, wide) for image, wide in zip(images, sigma.tolist(), strict=True)])


def _blur(image: Tensor, sigma: float) -> Tensor:
    if sigma == 0:
        return image
    radius = max(1, int(3 * sigma + 0.5))
    offsets = torch.arange(-radius, radius + 1, device=image.device, dtype=image.dtype)
    kernel = torch.exp(-0.5 * (offsets / sigma) ** 2)
    kernel = (kernel / kernel.sum()).expand(3, 1, -1)
    rows = conv2d(pad(image[None], (radius, radius, 0, 0), mode="replicate"), kernel[:, :, None], groups=3)
    return conv2d(pad(rows, (0, 0, radius, radius), mode="replicate"), kernel[:, :, :, None], groups=3)[0]


@lru_cache(maxsize=2)
def _grain(device: torch.device) -> Tensor:
    """Gaussian noise to take pieces from: the same numbers on every device."""
    return torch.randn(3, GRAIN_SIDE, GRAIN_SIDE, generator=torch.Generator().manual_seed(1)).to(device)


def add_noise(images: Tensor, sigma: Tensor, corner: Tensor) -> Tensor:
    """Add noise of standard deviation `sigma` B, taken at `corner` B x 2 of one stored piece; clipped."""
    grain, side = _grain(images.device), images.shape[-1]
    pieces = [
        grain[:, int(y) % (GRAIN_SIDE - side + 1) :, int(x) % (GRAIN_SIDE - side + 1) :][:, :side, :side]
        for y, x in corner
    ]
    return (images + sigma.to(images)[:, None, None, None] * torch.stack(pieces)).clamp(0, 1)


def compress(images: Tensor, quality: Tensor) -> Tensor:
    """JPEG with `quality` B (1..100; 0 leaves a picture as it is)."""
    result = list(images)
    for i, level in enumerate(quality.tolist()):
        if level:  # on the host: there is no JPEG coder that every device has
            pixels = (images[i] * 255 + 0.5).to(torch.uint8).permute(1, 2, 0).cpu().numpy()
            _, packed = cv2.imencode(".jpg", pixels[:, :, ::-1], [cv2.IMWRITE_JPEG_QUALITY, int(level)])
            decoded = torch.from_numpy(cv2.imdecode(packed, cv2.IMREAD_COLOR_RGB))
            result[i] = decoded.permute(2, 0, 1).to(images) / 255
    return torch.stack(result)
