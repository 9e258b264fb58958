"""How fast the students are beside other matting networks, and how much memory each takes.

`python -m benchmarks.peers [--write]` mattes one drawn photo of 800 x 600 with 25 % unknown by every method, each in
a process of its own, all with equally many threads (one without `--threads`). Networks of others have random weights:
speed depends on the architecture alone. ViTMatte's is in `transformers` (`pip install 'erkd[peers]'`); without it
these rows are left out. Seconds are processor time of one call, the least of two processes; peak memory is
all that a process ever held, libraries included. The last line is a JSON object; `--write` puts the table, with
published errors beside, into docs/results.md.
"""

import argparse
import contextlib
import importlib.util
import io
import json
import os
import subprocess
import sys
import time
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np

from benchmarks.documents import RESULTS, put_between
from benchmarks.inference import drawn, resident
from erkd.io.files import read_json
from erkd.io.images import trimap_unit, unit

Method = Callable[[], object]
MARKS = "<!-- peers -->", "<!-- end of peers -->"
PUBLISHED = Path("erkd/report/published_results/composition1k.csv")
STUDENTS = ("nano", "small", "base")
# width and attention heads of ViTMatte's backbones
VITMATTE = {"ViTMatte-S": (384, 6), "ViTMatte-B": (768, 12)}
PYMATTING = {
    "closed form": "cf",
    "KNN": "knn",
    "shared sampling": "sm",
    "learning-based": "lbdm",
    "large kernel": "lkm",
}
CALLS = 3  # of which the first compiles and warms up


def student(name: str, threads: int) -> tuple[Method, float]:
    """A student that ships, and its parameters in millions."""
    from erkd import Matter

    folder = Path("erkd/weights", name)
    matter = Matter.load(folder, "cpu", threads=threads)
    image, trimap = drawn(600, 800, 0.25)
    return lambda: matter(image, trimap), read_json(folder / "onnx.json")["parameters"] / 1e6


def vitmatte(name: str, threads: int) -> tuple[Method, float]:
    """ViTMatte of the published configuration, and its parameters in millions."""
    import torch
    from transformers import VitDetConfig, VitMatteConfig, VitMatteForImageMatting

    torch.set_num_threads(threads)
    width, heads = VITMATTE[name]
    backbone = VitDetConfig(
        hidden_size=width, num_attention_heads=heads, image_size=512, num_channels=4, window_size=14,
        window_block_indices=[0, 1, 3, 4, 6, 7, 9, 10], residual_block_indices=[2, 5, 8, 11],
        use_relative_position_embeddings=True, out_features=["stage12"],
    )  # fmt: skip
    config = VitMatteConfig(backbone_config=backbone, hidden_size=width, fusion_hidden_sizes=[256, 128, 64, 32])
    network = VitMatteForImageMatting(config).eval()
    image, trimap = drawn(608, 800, 0.25)  # sides are multiples of 32
    inputs = torch.from_numpy(np.dstack([unit(image), trimap_unit(trimap)])).permute(2, 0, 1)[None]

    def run() -> object:
        with torch.inference_mode():
            return network(inputs)

    return run, sum(parameter.numel() for parameter in network.parameters()) / 1e6


def pymatting(name: str, threads: int) -> tuple[Method, float]:
    """A method of PyMatting."""
    import numba
    import pymatting as library

    numba.set_num_threads(threads)
    estimate = getattr(library, f"estimate_alpha_{PYMATTING[name]}")
    photo, marks = drawn(600, 800, 0.25)
    image, trimap = unit(photo).astype(np.float64), trimap_unit(marks).astype(np.float64)

    def run() -> object:
        with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")  # PyMatting prints and warns where it merely tries again
            return estimate(image, trimap)

    return run, 0.0


METHODS: dict[str, Callable[[str, int], tuple[Method, float]]] = {
    **dict.fromkeys(STUDENTS, student),
    **(dict.fromkeys(VITMATTE, vitmatte) if importlib.util.find_spec("transformers") else {}),
    **dict.fromkeys(PYMATTING, pymatting),
}


def measure(name: str, threads: int) -> dict[str, float]:
    """Processor seconds of a call, peak MiB of this process, and millions of parameters."""
    method, parameters = METHODS[name](name, threads)
    seconds = []
    for _ in range(CALLS):
        start = time.process_time()
        method()
        seconds.append(time.process_time() - start)
    return {"seconds": min(seconds[1:]), "peak_mib": resident("VmHWM"), "parameters_m": parameters}


def measure_apart(name: str, threads: int) -> dict[str, float]:
    """`measure` in a process of its own."""
    command = [sys.executable, "-m", "benchmarks.peers", "--measure", name, "--threads", str(threads)]
    counts = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS"), str(threads))
    done = subprocess.run(command, check=True, text=True, stdout=subprocess.PIPE, env=os.environ | counts)
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return found


def write_table(found: dict[str, dict[str, float]], threads: int) -> None:
    """Put the table between its marks in docs/results.md."""
    import pandas as pd

    from benchmarks.release import table  # here, since they would count as a student's memory

    published = pd.read_csv(PUBLISHED).set_index("method")
    small = found["small"]["seconds"]
    lines = [["method", "parameters", "seconds", "x `small`", "peak MiB", "SAD on Composition-1k, as published"]]
    for name, row in sorted(found.items(), key=lambda item: item[1]["seconds"]):
        sad = f"{published.sad[name]:.2f} ({published.source[name]})" if name in published.index else "-"
        parameters = f"{row['parameters_m']:.2f} M" if row["parameters_m"] else "0"
        times = f"{row['seconds']:.3f}", f"{row['seconds'] / small:.1f}", f"{row['peak_mib']:.0f}"
        lines.append([f"`{name}`" if name in STUDENTS else name, parameters, *times, sad])
    setting = f"800 x 600 pixels, 25 % unknown, {threads} thread(s)"
    text = f"""Written by `python -m benchmarks.peers --write`: {setting}. Seconds
are processor time of one call, peak memory that of a whole process. ViTMatte runs in PyTorch with random weights,
the students in ONNX Runtime as they ship. What they score on Composition-1k nobody here could measure.

{table(lines)}"""
    put_between(MARKS, text, RESULTS)


def main() -> None:
    """Measure and print, and write where asked to."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--write", action="store_true")
    parser.add_argument("--measure", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.measure:
        print(json.dumps(measure(arguments.measure, arguments.threads)))
        return
    found: dict[str, dict[str, float]] = {}
    for _ in range(2):
        for name in METHODS:
            row = measure_apart(name, arguments.threads)
            if name in found:
                row = {key: min(value, found[name][key]) for key, value in row.items()}
            found[name] = row
            print(f"{name:16} {row['seconds']:8.3f} s {row['peak_mib']:8.0f} MiB", file=sys.stderr)
    if arguments.write:
        write_table(found, arguments.threads)
    small = found["small"]["seconds"]
    ratios = {name: round(row["seconds"] / small, 1) for name, row in found.items()}
    print(json.dumps({"threads": arguments.threads, "over_small": ratios, "methods": found}))


if __name__ == "__main__":
    main()
