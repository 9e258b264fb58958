"""The library of layers: the source that `data.source` chooses, rendered into files and a table."""

from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

from erkd.files import InputError
from erkd.images import save_image
from erkd.parallel import map_rows
from erkd.params import DataParams
from erkd.sources import alphamatting, folder, procedural
from erkd.sources.layers import Layer
from erkd.tables import LayerRow, write_table

SOURCES: dict[str, ModuleType] = {"procedural": procedural, "alphamatting": alphamatting, "folder": folder}


@dataclass(frozen=True)
class _Write:
    """Renders one layer into the library folder and returns its row."""

    out_dir: Path

    def __call__(self, layer: Layer) -> LayerRow:
        rendered = SOURCES[layer.source].render(layer)
        height, width = rendered.image.shape[:2]
        image = f"{layer.kind}s/{layer.layer_id}.png"
        save_image(rendered.image, self.out_dir / image)
        alpha = ""
        if rendered.alpha is not None:
            if rendered.alpha.shape != (height, width):
                raise InputError(
                    f"{layer.layer_id}: alpha of {rendered.alpha.shape} on {(height, width)} pixels"
                )
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


def write_library(data: DataParams, seed: int, out_dir: Path) -> list[LayerRow]:
    """Render every layer of the chosen source into `out_dir`, in parallel; the table is written last.

    Raises InputError when the source's folders are missing or incomplete.
    """
    source = SOURCES[data.source]
    layers = [*source.list_foregrounds(data, seed), *source.list_backgrounds(data, seed)]
    rows = map_rows(_Write(out_dir), layers, "Rendering layers")
    write_table(rows, out_dir / "library.csv")
    return rows
