"""Which samples a set holds: the composites of a split, or the photographs of `evaluate.sets`; and which
methods predicted it."""

from contextlib import AbstractContextManager
from pathlib import Path

from erkd.data.sources.alphamatting import list_samples
from erkd.data.sources.photograph_sets import list_aim500, list_p3m500
from erkd.io.files import InputError
from erkd.io.tables import Sample, list_composites
from erkd.params import Params
from pipeline.common.resume import resumable

LAYOUTS = {"alphamatting": list_samples, "aim500": list_aim500, "p3m500": list_p3m500}


def list_set(root: Path, params: Params, name: str) -> list[Sample]:
    """The samples of the split `test` or `validation`, or of a further set; other names raise InputError."""
    if name in ("test", "validation"):
        return list_composites(root / "data/composites", root / "data/trimaps", name)
    if name not in params.evaluate.sets:
        known = ", ".join(["test", "validation", *params.evaluate.sets])
        raise InputError(f"--set {name}: no such set; params.yaml, evaluate.sets, and the splits make {known}")
    further = params.evaluate.sets[name]
    return LAYOUTS[further.layout](root / further.root)


def resumable_set(
    root: Path, stage: str, name: str, out_dir: Path, *further: str
) -> AbstractContextManager[tuple[Path, Path]]:
    """`resumable` for a stage's work on one set; of further sets dvc.yaml has STAGE_set."""
    if name in ("test", "validation"):
        return resumable(root, stage, out_dir, name, *further)
    return resumable(root, f"{stage}_set", out_dir, *further, item=name)


def reports_of(root: Path, name: str) -> Path:
    """The folder of a set's metrics.json and per_image.csv."""
    return root / "reports" if name == "test" else root / "reports/sets" / name


def list_methods(root: Path, name: str) -> dict[str, Path]:
    """The folder of every baseline of a set: those run here by name, then those taken in from elsewhere."""
    run = sorted((root / "data/baselines" / name).glob("*/"))
    taken_in = sorted((root / "data/baselines_folders").glob(f"*/{name}/"))
    return {folder.name: folder for folder in run} | {folder.parent.name: folder for folder in taken_in}


def source_of(params: Params, name: str) -> str:
    """Which data a set is made of, as "procedural" or "composition1k"."""
    return params.evaluate.sets[name].layout if name in params.evaluate.sets else params.data.source
