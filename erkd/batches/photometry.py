"""Photometric augmentation of image batches in torch, on any device.

Images are B x 3 x S x S in [0, 1]; strengths are one number per image, drawn by the caller, on the CPU.
"""

import math
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache

import cv2
import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import conv2d, interpolate, pad, relu

from erkd.data.lens import CLIPPED, SPILL, Lens
from erkd.io.images import Bytes

GRAIN_SIDE = 1024
CODECS = 8  # threads that compress the batch of a GPU


def tone(images: Tensor, gain: Tensor, gamma: Tensor) -> Tensor:
    """(image x gain)^gamma, with `gain` B x 3 and `gamma` B."""
    gain, gamma = gain.to(images)[:, :, None, None], gamma.to(images)[:, None, None, None]
    return (images * gain).clamp(1e-4, 1) ** gamma


def shade(images: Tensor, strength: Tensor, cells: Tensor, corner: Tensor) -> Tensor:
    """Uneven light: images times exp(strength x smooth noise), clipped to [0, 1].

    Args:
        images: B x 3 x S x S in [0, 1].
        strength: B; about the standard deviation of the log brightness.
        cells: Cells of noise along an image's side, whole numbers, B.
        corner: Where the noise is taken from the stored grain, B x 2.
    """
    strength = strength.to(images)[:, None, None, None]
    return (images * (strength * _smooth(images, cells, corner)).exp()).clamp(0, 1)


def highlights(images: Tensor, strength: Tensor, cells: Tensor, corner: Tensor) -> Tensor:
    """Brighten as `shade` where the noise is positive; leave the rest unchanged."""
    strength = strength.to(images)[:, None, None, None]
    return (images * (strength * relu(_smooth(images, cells, corner))).exp()).clamp(0, 1)


def _smooth(images: Tensor, cells: Tensor, corner: Tensor) -> Tensor:
    """Bicubically upsampled noise, B x 1 x S x S, of variance about 1."""
    fields = []
    for place, count in zip(corner, cells.tolist(), strict=True):
        piece = _piece(images.device, place, int(count) + 3)[None, :1]
        fields.append(interpolate(piece, size=images.shape[-2:], mode="bicubic"))
    return torch.cat(fields)


def sharpen(images: Tensor, strength: Tensor) -> Tensor:
    """Unsharp masking by `strength` B (0: unchanged), clipped to [0, 1]."""
    soft = blur(images, (strength > 0).float())
    return (images + strength.to(images)[:, None, None, None] * (images - soft)).clamp(0, 1)


def mix(foreground: Tensor, alpha: Tensor, background: Tensor, gamma: Tensor) -> Tensor:
    """Composite in light linearised by `gamma`: (alpha F^gamma + (1 - alpha) B^gamma)^(1 / gamma).

    `alpha` is B x 1 x S x S; `gamma` B, 1 for the compositing equation on the stored values.
    """
    gamma = gamma[:, None, None, None]
    light = alpha * foreground**gamma + (1 - alpha) * background**gamma
    return light.clamp(min=0) ** (1 / gamma)  # rounding may leave values below 0


def blur(images: Tensor, sigma: Tensor) -> Tensor:
    """Gaussian blur by `sigma` B (pixels; 0: unchanged), borders replicated.

    Image by image, so that a result does not depend on the rest of the batch to the last bit.
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


def defocus(images: Tensor, lenses: Sequence[Lens | None]) -> Tensor:
    """`erkd.data.lens.defocus` on any device, with a lens per image (None: unchanged)."""
    pairs = zip(images, lenses, strict=True)
    return torch.stack([image if lens is None else _defocus(image, lens) for image, lens in pairs])


def _defocus(image: Tensor, lens: Lens) -> Tensor:
    clipped = ((image.amax(0) - CLIPPED) / (1 - CLIPPED)).clamp(0, 1) ** 2
    light = (image**2 * (1 + (SPILL / (clipped.mean() + 1e-6)).clamp(max=lens.glare) * clipped))[:, None]
    side = image.shape[-1]
    if lens.reduction > 1:
        light = interpolate(light, size=math.ceil(side / lens.reduction), mode="area")
    kernel = torch.from_numpy(lens.kernel()).to(image)[None, None]
    light = conv2d(pad(light, [kernel.shape[-1] // 2] * 4, mode="reflect"), kernel)
    if lens.reduction > 1:
        light = interpolate(light, size=side, mode="bilinear", align_corners=False)
    return light[:, 0].clamp(0, 1).sqrt()


@lru_cache(maxsize=2)
def _grain(device: torch.device) -> Tensor:
    """Stored Gaussian noise that pieces are taken from, equal on every device."""
    return torch.randn(3, GRAIN_SIDE, GRAIN_SIDE, generator=torch.Generator().manual_seed(1)).to(device)


def _piece(device: torch.device, corner: Tensor, side: int) -> Tensor:
    y, x = (int(place) % (GRAIN_SIDE - side + 1) for place in corner)
    return _grain(device)[:, y : y + side, x : x + side]


def add_noise(images: Tensor, sigma: Tensor, corner: Tensor) -> Tensor:
    """Add Gaussian noise of standard deviation `sigma` B, taken from the grain at `corner` B x 2; clipped."""
    pieces = [_piece(images.device, place, images.shape[-1]) for place in corner]
    return (images + sigma.to(images)[:, None, None, None] * torch.stack(pieces)).clamp(0, 1)


def compress(images: Tensor, quality: Tensor) -> Tensor:
    """JPEG compression with `quality` B (1..100; 0: unchanged).

    On the CPU, as not every device has a JPEG codec: one copy there and one back for the whole batch.
    """
    chosen = torch.nonzero(quality)[:, 0]
    if not len(chosen):
        return images
    where = chosen.to(images.device, non_blocking=True)
    pixels = (images[where] * 255 + 0.5).to(torch.uint8).permute(0, 2, 3, 1).cpu().numpy()
    with ThreadPoolExecutor(CODECS) as pool:
        run = map if images.device.type == "cpu" else pool.map
        decoded = np.stack([*run(_through_jpeg, pixels, quality[chosen].int().tolist())])
    again = torch.from_numpy(decoded).to(images.device, non_blocking=True).permute(0, 3, 1, 2).to(images) / 255
    return images.index_copy(0, where, again)


def _through_jpeg(pixels: Bytes, quality: int) -> Bytes:
    _, packed = cv2.imencode(".jpg", pixels[:, :, ::-1], [cv2.IMWRITE_JPEG_QUALITY, quality])
    return np.asarray(cv2.imdecode(packed, cv2.IMREAD_COLOR_RGB))
