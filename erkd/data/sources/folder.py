"""Users' own layers: RGBA cut-outs, or foregrounds with alphas of the same names, and background photographs.

ROOT/*.png                              cut-outs with an alpha channel, or
ROOT/foreground/NAME.*  ROOT/alpha/NAME.*
BACKGROUNDS/**/*                        photographs
"""

from pathlib import Path

from erkd.data.sources.layers import (
    Layer,
    Rendered,
    check_size,
    folder_of,
    list_photographs,
    list_pictures,
    split_layers,
)
from erkd.io.files import InputError, composed
from erkd.io.images import load_alpha, load_cutout, load_image
from erkd.params import DataParams


def _by_name(folder: Path) -> dict[str, Path]:
    """Image files by relative path without suffix, in Unicode's composed form. Raises InputError for two of one."""
    files: dict[str, Path] = {}
    for file in list_pictures(folder):
        name = composed(file.relative_to(folder).with_suffix("").as_posix())
        if name in files:
            raise InputError(f"{file}: {files[name].name} has the same name; which of the two is meant?")
        files[name] = file
    return files


def _caption(file: Path) -> str:
    """A file's name as words; what of it is no UTF-8 as question marks."""
    return file.stem.replace("_", " ").replace("-", " ").encode(errors="replace").decode()


def list_foregrounds(data: DataParams, seed: int) -> list[Layer]:
    """List the cut-outs below `data.root`, split by `seed`. Raises InputError that says what is missing."""
    root = folder_of(data, "root", "the folder of your cut-outs")
    if (root / "foreground").is_dir():
        files, alphas = (_by_name(root / kind) for kind in ("foreground", "alpha"))
        pairs = [(file, alphas.get(name)) for name, file in files.items()]
        lonely = [file.name for file, alpha in pairs if alpha is None]
        if lonely:
            raise InputError(f"{root / 'alpha'}: no alpha for {len(lonely)} foreground(s): {', '.join(lonely[:5])}")
    else:
        pairs = [(file, None) for file in list_pictures(root)]
    layers = [
        Layer(
            layer_id=f"fg-{index:05d}",
            kind="foreground",
            split="",
            source="folder",
            licence="unknown",
            material="unknown",
            seed=index,
            caption=_caption(file),
            image=file,
            alpha=alpha,
        )
        for index, (file, alpha) in enumerate(pairs)
    ]
    return split_layers(layers, data.foregrounds.model_dump(), seed, root)


def list_backgrounds(data: DataParams, seed: int) -> list[Layer]:
    """List the photographs below `data.backgrounds_root`, split by `seed`."""
    return list_photographs(data, seed)


def render(layer: Layer) -> Rendered:
    """Read a layer. Raises InputError for a cut-out without alpha, or an alpha of another size."""
    assert layer.image is not None
    if layer.kind == "background":
        return Rendered(load_image(layer.image), None, layer.caption)
    if layer.alpha is not None:
        image, alpha = load_image(layer.image), load_alpha(layer.alpha)
        check_size(layer.alpha, alpha.shape, "foreground", image.shape)
        return Rendered(image, alpha, layer.caption)
    return Rendered(*load_cutout(layer.image), layer.caption)
