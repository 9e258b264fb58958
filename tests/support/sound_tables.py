"""Small tables without a fault, and the files that they name."""

from pathlib import Path

import numpy as np
from PIL import Image

from erkd.features.images import TeacherImages
from erkd.features.precompute import write_features
from erkd.io.tables import SPLITS, CompositeRow, LayerRow, TrimapRow, read_table, write_table
from erkd.params import FeaturesParams
from erkd.students.student import save_student
from tests.support.students import small_student
from tests.support.teachers import ColourTeacher

HEIGHT, WIDTH = 6, 8
PER_FOREGROUND = 6


def save_png(values: object, path: Path) -> None:
    """Write 8-bit values as an image, with its folder."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.asarray(values, np.uint8)).save(path)


def table_paths(root: Path) -> dict[str, Path]:
    """Where the three tables lie under `root`, as under `data/`."""
    return {
        "library": root / "library/library.csv",
        "composites": root / "composites/manifest.csv",
        "trimaps": root / "trimaps/trimaps.csv",
    }


def make_sound_tables(root: Path) -> Path:
    """A folder with one foreground, one background and six composites per split."""
    paths = table_paths(root)
    layers, composites, trimaps = [], [], []
    trimap = np.repeat([[255], [255], [255], [0], [128], [128]], WIDTH, axis=1)
    for number, split in enumerate(SPLITS):
        for kind in ("foreground", "background"):
            layer, alpha = f"{kind}-{split}", ""
            grey = 40 * number + (kind == "foreground")
            save_png(np.full((HEIGHT, WIDTH, 3), grey), root / f"library/{kind}s/{layer}.png")
            if kind == "foreground":
                alpha = f"alphas/{layer}.png"
                save_png(np.full((HEIGHT, WIDTH), 200), root / "library" / alpha)
            image = f"{kind}s/{layer}.png"
            row = (layer, kind, split, "test", "CC0-1.0", "hair", image, alpha, HEIGHT, WIDTH, 1, "hair")
            layers.append(LayerRow(*row))
        for index in range(PER_FOREGROUND):
            sample = f"{split}-{index}"
            save_png(np.full((HEIGHT, WIDTH, 3), number), root / f"composites/images/{sample}.png")
            save_png(np.full((HEIGHT, WIDTH), number), root / f"composites/alphas/{sample}.png")
            save_png(trimap, root / f"trimaps/trimaps/{sample}.png")
            layer_ids = (f"foreground-{split}", f"background-{split}")
            files = (f"images/{sample}.png", f"alphas/{sample}.png")
            words = ("hair before a wall", "hair", "a wall")
            row = (sample, split, "test", "CC0-1.0", *layer_ids, "hair", *files, HEIGHT, WIDTH, index, *words)
            composites.append(CompositeRow(*row))
            trimaps.append(TrimapRow(sample, split, f"trimaps/{sample}.png", 2, 3, 1 / 3, 5))
    write_table(layers, paths["library"])
    write_table(composites, paths["composites"])
    write_table(trimaps, paths["trimaps"])
    return root


def make_sound_files(root: Path) -> Path:
    """The tables, a feature cache and a student, as the stages write them."""
    table = table_paths(make_sound_tables(root))["composites"]
    images = TeacherImages(table, read_table(table, CompositeRow, "train"))
    params = FeaturesParams(kinds=["composites"], resolution="own", levels=1, pca=2, online=False, batch_size=4)
    write_features(root / "features", {"composites": images}, ColourTeacher(), params, "cpu", root / "x")
    save_student(small_student(), root / "student", {})
    return root
