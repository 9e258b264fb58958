"""All layers in a device's memory, from which the crops of a batch are cut together."""

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn.functional import affine_grid, avg_pool2d


class Atlas:
    """Layers of any sizes in one flat tensor, each at its own and at half its resolution, a pixel's RGBA an int32.

    `layers` are 4 x H x W bytes on the CPU.
    """

    def __init__(self, layers: Sequence[Tensor], device: torch.device) -> None:
        sizes = torch.tensor([[side // by for side in layer.shape[1:]] for layer in layers for by in (1, 2)])
        ends = sizes.prod(1).cumsum(0)
        self.sizes, self.starts = sizes.to(device), (ends - sizes.prod(1)).to(device)
        self.pixels = torch.empty(int(ends[-1]), dtype=torch.int32, device=device)
        end = 0
        for layer in layers:
            half = (avg_pool2d(layer[None].float(), 2)[0] + 0.5).to(torch.uint8)
            for pixels in (layer, half):
                flat = pixels.permute(1, 2, 0).contiguous().view(torch.int32).flatten()
                self.pixels[end : (end := end + len(flat))] = flat.to(device)

    def cut(self, index: Tensor, theta: Tensor, halved: Sequence[bool], crop: int) -> Tensor:
        """Cut the crops that `live.cut` cuts, in [0, 1] and together: B x 4 x S x S.

        Layers at half their resolution are rounded to bytes, by which crops differ by up to 0.5 / 255.
        """
        device = self.pixels.device
        which = (2 * index + torch.tensor(halved)).to(device, non_blocking=True)
        start, (height, width) = self.starts[which], self.sizes[which].unbind(1)
        start, height, width = (part[:, None, None] for part in (start, height, width))
        grid = affine_grid(theta.to(device, non_blocking=True), [len(index), 1, crop, crop], align_corners=False)
        rows, columns = _neighbours(grid[..., 1], height), _neighbours(grid[..., 0], width)
        pieces = torch.zeros(*grid.shape[:3], 4, device=device)
        for row, down in rows:
            for column, across in columns:
                bytes_ = self.pixels[start + row * width + column].view(torch.uint8).view(pieces.shape)
                pieces += (down * across)[..., None] * bytes_
        return (pieces / 255).permute(0, 3, 1, 2).contiguous()


def _neighbours(points: Tensor, side: Tensor) -> tuple[tuple[Tensor, Tensor], tuple[Tensor, Tensor]]:
    """Both pixels beside normalised coordinates, mirrored at the borders, and their bilinear weights."""
    there_and_back = (points + 1) * side / 2 % (2 * side)
    places = (side - (there_and_back - side).abs() - 0.5).clamp(min=0)
    places = torch.minimum(places, side - 1.0)
    first = places.long()
    share = places - first
    return (first, 1 - share), (torch.minimum(first + 1, side - 1), share)
