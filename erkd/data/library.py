"""The library of layers: the source that `data.source` names, rendered to files and `library.csv`."""

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

from erkd.data.sources import alphamatting, composition1k, distinctions646, folder, procedural
from erkd.data.sources.layers import Layer, check_size
from erkd.io.files import atomic
from erkd.io.image_files import is_plain_jpeg
from erkd.io.images import save_image
from erkd.io.tables import LayerRow, write_table
from erkd.params import DataParams
from erkd.runtime.parallel import iterate_rows

SOURCES: dict[str, ModuleType] = {
    "procedural": procedural,
    "alphamatting": alphamatting,
    "composition1k": composition1k,
    "distinctions646": distinctions646,
    "folder": folder,
}


@dataclass(frozen=True)
class _Write:
    """Render one layer into the library folder and return its row (picklable for workers)."""

    out_dir: Path

    def __call__(self, layer: Layer) -> LayerRow:
        rendered = SOURCES[layer.source].render(layer)
        height, width = rendered.image.shape[:2]
        copied = layer.kind == "background" and layer.image is not None and is_plain_jpeg(layer.image)
        image = f"{layer.kind}s/{layer.layer_id}{'.jpg' if copied else '.png'}"
        if copied:  # a fifth of a PNG's size
            assert layer.image is not None
            with atomic(self.out_dir / image) as temporary:
                shutil.copyfile(layer.image, temporary)
        else:
            save_image(rendered.image, self.out_dir / image)
        alpha = ""
        if rendered.alpha is not None:
            check_size(layer.layer_id, rendered.alpha.shape, "image", (height, width))
            alpha = f"alphas/{layer.layer_id}.png"
            save_image(rendered.alpha, self.out_dir / alpha)
        return LayerRow(
            layer_id=layer.layer_id,
            kind=layer.kind,
            split=layer.split,
            source=layer.source,
            licence=layer.licence,
            material=layer.material,
            image=image,
            alpha=alpha,
            height=height,
            width=width,
            seed=layer.seed,
            caption=rendered.caption,
        )


def list_layers(data: DataParams, seed: int) -> list[Layer]:
    """List all layers of the chosen source. Raises InputError when its folders are missing or incomplete."""
    source = SOURCES[data.source]
    return [*source.list_foregrounds(data, seed), *source.list_backgrounds(data, seed)]


def source_files(layers: Sequence[Layer]) -> list[Path]:
    """The files that layers, or the colours of procedural ones, are read from."""
    files = ((layer.image, layer.alpha, layer.trimap, layer.photograph) for layer in layers)
    return [file for several in files for file in several if file is not None]


def write_library(layers: Sequence[Layer], out_dir: Path, done: Path | None = None) -> None:
    """Render `layers` into `out_dir`, in parallel; the table is written last.

    The folder `done` records finished rows, for resuming. Raises InputError that names an unreadable file.
    """
    rows = iterate_rows(_Write(out_dir), layers, "Rendering layers", done, LayerRow)
    write_table(rows, out_dir / "library.csv")
