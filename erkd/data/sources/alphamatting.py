"""The photographs of alphamatting.com (Rhemann et al., CVPR 2009) in their official layout.

ROOT/input_training_lowres/GT01.png ...  ROOT/gt_training_lowres/  ROOT/trimap_training_lowres/Trimap{1,2}/
"""

from pathlib import Path

import numpy as np

from erkd.data.sources.layers import Layer, Rendered, check_size, folder_of, list_photographs, split_layers
from erkd.io.files import InputError
from erkd.io.images import load_alpha, load_image, load_trimap
from erkd.io.tables import Sample, shorten
from erkd.params import DataParams

IMAGES, ALPHAS, TRIMAPS = "input_training_lowres", "gt_training_lowres", "trimap_training_lowres"
GROUPS = ("Trimap1", "Trimap2")
LICENCE = "research use only (alphamatting.com)"


def _check(root: Path) -> list[str]:
    """The common file names of images, alphas and both trimaps. Raises InputError that says what is missing."""
    needed = [IMAGES, ALPHAS, *(f"{TRIMAPS}/{group}" for group in GROUPS)]
    missing = [folder for folder in needed if not (root / folder).is_dir()]
    if missing:
        beside = shorten(sorted(entry.name for entry in root.iterdir()), 8) if root.is_dir() else "no such folder"
        raise InputError(
            f"{root}: missing {', '.join(missing)}; found {beside or 'nothing'}; "
            "the training photographs, alphas and trimaps (low resolution) can be had at alphamatting.com"
        )
    names = [sorted(file.name for file in (root / folder).glob("*.png")) for folder in needed]
    for folder, other in zip(needed[1:], names[1:], strict=True):
        if odd := sorted(set(names[0]) ^ set(other)):
            raise InputError(f"{root}: {IMAGES} and {folder} differ in {', '.join(odd[:5])}")
    if not names[0]:
        raise InputError(f"{root / IMAGES}: no PNG files; GT01.png and so on are expected")
    return names[0]


def list_samples(root: Path) -> list[Sample]:
    """List every photograph with each of its two trimaps, for scoring; `group` names the trimap."""
    names = _check(root)
    return [
        Sample(
            sample_id=f"{Path(name).stem}-{group}",
            image=root / IMAGES / name,
            trimap=root / TRIMAPS / group / name,
            alpha=root / ALPHAS / name,
            group=group,
        )
        for group in GROUPS
        for name in names
    ]


def list_foregrounds(data: DataParams, seed: int) -> list[Layer]:
    """List the photographed objects, split by `seed`."""
    root = folder_of(data, "root", f"the folder that holds {IMAGES}/")
    layers = [
        Layer(
            layer_id=Path(name).stem,
            kind="foreground",
            split="",
            source="alphamatting",
            licence=LICENCE,
            material="photograph",
            seed=index,
            caption="a photographed object",
            image=root / IMAGES / name,
            alpha=root / ALPHAS / name,
            trimap=root / TRIMAPS / GROUPS[0] / name,
        )
        for index, name in enumerate(_check(root))
    ]
    return split_layers(layers, data.foregrounds.model_dump(), seed, root)


def list_backgrounds(data: DataParams, seed: int) -> list[Layer]:
    """List the photographs below `data.backgrounds_root`, split by `seed`."""
    return list_photographs(data, seed)


def render(layer: Layer) -> Rendered:
    """Read a layer; foreground colours are estimated by PyMatting (Germer et al., 2020).

    The measured alphas are noisy in known regions, so alpha is copied from the trimap there.
    """
    assert layer.image is not None
    image = load_image(layer.image)
    if layer.kind == "background":
        return Rendered(image, None, layer.caption)
    assert layer.alpha is not None
    assert layer.trimap is not None
    from pymatting import estimate_foreground_ml

    alpha, trimap = load_alpha(layer.alpha), load_trimap(layer.trimap)
    check_size(layer.alpha, alpha.shape, "photograph", image.shape)
    check_size(layer.trimap, trimap.shape, "photograph", image.shape)
    alpha = np.where(trimap == 0.5, alpha, trimap)
    foreground = estimate_foreground_ml(image.astype(np.float64), alpha.astype(np.float64))
    return Rendered(np.clip(foreground, 0, 1).astype(np.float32), alpha.astype(np.float32), layer.caption)
