"""AIM-500 (Li et al., IJCAI 2021) and P3M-500 (Li et al., ACM MM 2021): photographs to score on, not to train on.

AIM-500: ROOT/original/NAME.jpg  mask/NAME.png  trimap/NAME.png  aim_category_type.json
P3M-500: ROOT/P3M-500-P/blurred_image/NAME.jpg  mask/  trimap/, and ROOT/P3M-500-NP/original_image/ likewise
"""

from dataclasses import replace
from pathlib import Path

from erkd.io.files import InputError, read_json
from erkd.io.image_files import images_by_name
from erkd.io.tables import Sample, shorten

CATEGORIES = "aim_category_type.json"
P3M = {"P3M-500-P": "blurred_image", "P3M-500-NP": "original_image"}  # faces blurred by its authors, and as they were


def list_aim500(root: Path) -> list[Sample]:
    """List AIM-500's photographs by name; `material` is their category, as "plant".

    Raises InputError for a folder, a file or a category that is missing.
    """
    samples, kinds = _paired(root, "original"), read_json(root / CATEGORIES)
    try:
        return [replace(sample, material=str(kinds[sample.sample_id]["category"])) for sample in samples]
    except (KeyError, TypeError) as error:
        raise InputError(
            f"{root / CATEGORIES}: {{NAME: {{category: ...}}}} of every photograph is expected; {error}"
        ) from None


def list_p3m500(root: Path) -> list[Sample]:
    """List the photographs of P3M-500-P, P3M-500-NP or both below `root`, by name; `group` says which.

    Raises InputError for a folder or a file that is missing.
    """
    there = [group for group in P3M if (root / group).is_dir()]
    if not there:
        raise InputError(f"{root}: neither {' nor '.join(P3M)} is in this folder; {_found(root)}")
    return [
        replace(sample, sample_id=f"{group}-{sample.sample_id}", group=group)
        for group in there
        for sample in _paired(root / group, P3M[group])
    ]


def _paired(root: Path, images: str) -> list[Sample]:
    """Every photograph with the trimap and the alpha of its name."""
    folders = (images, "trimap", "mask")
    missing = [folder for folder in folders if not (root / folder).is_dir()]
    if missing:
        raise InputError(f"{root}: missing {', '.join(missing)}; {_found(root)}")
    photographs, trimaps, alphas = (images_by_name(root / folder) for folder in folders)
    for folder, others in (("trimap", trimaps), ("mask", alphas)):
        if odd := sorted(photographs.keys() ^ others.keys()):
            raise InputError(f"{root}: {images} and {folder} differ in {shorten(odd, 5)}")
    if not photographs:
        raise InputError(f"{root / images}: no photographs")
    return [Sample(name, photograph, trimaps[name], alphas[name]) for name, photograph in photographs.items()]


def _found(root: Path) -> str:
    if not root.is_dir():
        return "no such folder"
    return f"found {shorten(sorted(entry.name for entry in root.iterdir()), 8) or 'nothing'}"
