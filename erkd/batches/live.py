"""Training batches composited live from the library's layers.

Augmentation after GCA-Matting (Li & Lu, AAAI 2020): a second foreground with some probability, random affine crops
around edges, photometric changes per layer, a new trimap, then camera effects. What is random is drawn on the CPU
(`plan`); `render` makes the batch of it in torch: on the CPU in the processes that draw, else on the device, where
the layers then are.
"""

from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import affine_grid, avg_pool2d, grid_sample
from torch.utils.data import Dataset

from erkd.batches import photometry
from erkd.batches.atlas import Atlas
from erkd.batches.batch import Batch, Crops, Inputs
from erkd.batches.layers import Layers
from erkd.batches.plan import Camera, Cuts, PhotographPlan, Plan, Planner, Scene
from erkd.batches.trimaps import doubt, make_trimaps
from erkd.io.files import InputError
from erkd.io.tables import PHOTOGRAPH, LayerRow, read_table
from erkd.params import DistillParams, TrimapParams
from erkd.runtime.distributed import own_positions

AROUND = 4  # pixels of a layer around a crop that are read with it


class LiveBatches(Dataset[Batch]):
    """Item `step` is the batch of that step; of several processes each gets its own positions.

    Args:
        table: `library.csv`; the training layers are used.
        trimap: How trimaps are drawn.
        distill: Batch size, crop size and the probabilities of the augmentation.
        seed: Seed of all batches.
        device: Where they are composited.
    """

    def __init__(
        self, table: Path, trimap: TrimapParams, distill: DistillParams, seed: int, device: torch.device
    ) -> None:
        self.table = table
        self.rows = read_table(table, LayerRow, "train")
        self.layers = Layers(table, self.rows)
        self.foregrounds = [i for i, row in enumerate(self.rows) if row.kind == "foreground"]
        self.backgrounds = [i for i, row in enumerate(self.rows) if row.kind == "background"]
        self.trimap = trimap
        self.distill = distill
        self.seed = seed
        self.device = device
        self.positions = own_positions(distill.batch_size)
        self.photographs = [i for i in self.backgrounds if self.rows[i].material == PHOTOGRAPH]
        if distill.photographs and not self.photographs:
            raise InputError(
                f"{table}: distill.photographs {distill.photographs}: no training background is a photograph; set "
                f"data.photographs or data.backgrounds_root to a folder of some, or distill.photographs to 0"
            )
        self.photograph_positions = own_positions(distill.photographs, "distill.photographs")
        self.atlas: Atlas | None = None

    def __len__(self) -> int:
        return self.distill.steps

    def __getitem__(self, step: int) -> Batch:
        """Make the batch of one step."""
        return self.render(self.plan(step))

    def plan(self, step: int) -> Plan:
        """Draw the batch of one step, on the CPU."""
        first = self.distill.batch_size
        positions = [*self.positions, *(first + position for position in self.photograph_positions)]
        rngs = [np.random.default_rng([self.seed, step, position]) for position in positions]
        planner = Planner(
            self.layers, self.foregrounds, self.backgrounds, self.photographs, self.trimap, self.distill
        )
        return planner.draw(rngs[: len(self.positions)], rngs[len(self.positions) :])

    def prepare(self) -> None:
        """Decode the layers ahead and, on a GPU, put them into its memory, where they fit in.

        To be called before processes are forked, which then share them.
        """
        held = self.layers.hold()
        if not held or self.atlas is not None or self.device.type != "cuda":
            return
        free, _ = torch.cuda.mem_get_info(self.device)
        if 2.5 * self.layers.bytes() < free:  # with those at half their resolution; as much again is left
            self.atlas = Atlas([layer.pixels for layer in self.layers], self.device)

    def render(self, plan: Plan) -> Batch:
        """Make a batch of what was drawn, on the device."""
        (first, first_alpha), (second, second_alpha), (background, _) = (self._cut(cuts) for cuts in plan.layers)
        merged, gamma = self._here(plan.merged)[:, None, None, None], self._here(plan.gamma)
        shares = over(first_alpha, second_alpha * merged)
        alpha = shares[0] + shares[1]
        part = torch.where(alpha > 0, shares[0] / alpha.clamp(min=1e-6), 1)
        foreground = photometry.mix(first, part, second, gamma)
        if plan.highlights is not None:
            lit = plan.highlights
            foreground = photometry.highlights(foreground, lit.strength, lit.cells, lit.corner)
        background = self._vary_background(plan.scene, background, foreground, alpha)
        image = self._camera_effects(plan.camera, photometry.mix(foreground, alpha, background, gamma))
        trimap = make_trimaps(alpha, plan.trimaps)
        if plan.doubted is not None:
            of_first, of_second = (self._here(part)[:, None, None, None] for part in plan.doubted)
            trimap = doubt(trimap, shares[0] * of_first + shares[1] * of_second)
        crops = tuple(
            Crops(cuts.index, cuts.theta, share)
            for cuts, share in zip(plan.layers, (*shares, 1 - alpha), strict=True)
        )
        photographs = None if plan.photographs is None else self._render_photographs(plan.photographs)
        return Batch(image, trimap, crops, alpha, foreground, background, photographs)

    def _render_photographs(self, plan: PhotographPlan) -> Inputs:
        """Crops of photographs under trimaps of foregrounds that are not in them.

        So trimaps are distributed as those of composites, and tell nothing of what the image is.
        """
        image, _ = self._cut(plan.image)
        _, alpha = self._cut(plan.shape)
        crops = Crops(plan.image.index, plan.image.theta, torch.ones_like(alpha))
        return Inputs(self._camera_effects(plan.camera, image), make_trimaps(alpha, plan.trimaps), (crops,))

    def _cut(self, cuts: Cuts) -> tuple[Tensor, Tensor]:
        """Cut crops of layers and change their colours: B x 3 x S x S, and alpha B x 1 x S x S."""
        crop = self.distill.crop
        if self.atlas is not None:
            pixels = self.atlas.cut(cuts.index, cuts.theta, cuts.halved, crop)
        else:
            chosen = zip(cuts.index.tolist(), cuts.theta, cuts.halved, strict=True)
            pieces = [
                cut(self._here(self.layers[i].pixels), self._here(theta), halved, crop) for i, theta, halved in chosen
            ]
            pixels = torch.cat(pieces) / 255
        colours, shade = photometry.tone(pixels[:, :3], cuts.gain, cuts.gamma), cuts.shade
        return photometry.shade(colours, shade.strength, shade.cells, shade.corner), pixels[:, 3:]

    def _vary_background(self, scene: Scene, background: Tensor, foreground: Tensor, alpha: Tensor) -> Tensor:
        """Put some backgrounds out of focus, and shift the mean colour of some towards the foreground's."""
        background = photometry.defocus(photometry.blur(background, scene.blur), scene.lenses)
        target = (foreground * alpha).sum((2, 3)) / alpha.sum((2, 3)).clamp(min=1e-6)
        shift = self._here(scene.shift)[:, None] * (target - background.mean((2, 3)))
        return (background + shift[:, :, None, None]).clamp(0, 1)

    def _camera_effects(self, camera: Camera, image: Tensor) -> Tensor:
        """Apply blur, gain and gamma, sharpening, noise and JPEG, most of them to a part of the images."""
        image = photometry.tone(photometry.blur(image, camera.blur), camera.gain, camera.gamma)
        image = photometry.sharpen(image, camera.sharpen)
        image = photometry.add_noise(image, camera.noise, camera.corner)
        return photometry.compress(image, camera.quality)

    def _here(self, drawn: Tensor) -> Tensor:
        """What was drawn, on the device."""
        return drawn.to(self.device, non_blocking=True)


def cut(pixels: Tensor, theta: Tensor, halved: bool, crop: int) -> Tensor:
    """Cut a square of `crop` pixels out of a layer 4 x H x W of bytes: 1 x 4 x S x S in [0, 255], mirrored outside.

    `theta` 2 x 3 maps the crop's to the layer's normalised coordinates; with `halved` the layer is average-pooled
    first. Only what lies around the crop is converted to floats.
    """
    grid = affine_grid(theta[None], [1, 4, crop, crop], align_corners=False)
    height, width = pixels.shape[1:]
    corners = grid[0, [0, 0, -1, -1], [0, -1, 0, -1]].cpu()
    columns, rows = _span(corners[:, 0], width), _span(corners[:, 1], height)
    window = pixels[None, :, rows, columns].float()
    if halved:
        window, height, width = avg_pool2d(window, 2), height // 2, width // 2
        rows, columns = (slice(along.start // 2, along.stop // 2) for along in (rows, columns))
    source = window.new_empty(1, 4, height, width)
    source[:, :, rows, columns] = window
    return grid_sample(source, grid, mode="bilinear", padding_mode="reflection", align_corners=False)


def _span(corners: Tensor, side: int) -> slice:
    """Pixels along an axis between normalised coordinates and `AROUND` them; all `side` if some lie beyond."""
    low, high = ((float(end) + 1) / 2 * side for end in corners.aminmax())
    if low < 0 or high > side:
        return slice(0, side)
    return slice(max(0, int(low) - AROUND) // 2 * 2, min(side, int(high) + AROUND))


def over(first: Tensor, second: Tensor) -> tuple[Tensor, Tensor]:
    """Contributions a1 and (1 - a1) a2 of two foregrounds, the first in front (Porter-Duff over)."""
    return first, (1 - first) * second
