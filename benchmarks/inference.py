"""How fast a student is beside PyMatting, how soon `erkd matte` is done, and how much memory it takes.

`python -m benchmarks.inference [--model SPEC]` mattes a drawn photo of 800 x 600 with 25 % unknown, one run, two
threads for every method, files aside; a method that takes less than a second is called over and over for one. The
last line is a JSON object: `cf_over_student` and `sm_over_student`, the seconds of closed form and of shared
sampling over the student's (ratios: the machine's speed and load cancel); `cold_start_s`, wall-clock seconds of
`erkd matte` on that photo from the shell, files included, the fastest of several; `peak_mib`, by megapixels, the
peak memory of matting a file into a file, above that of the same process with the student loaded, each in a
process of its own (5 % unknown); `student_8` among the seconds is the student's with 8 % unknown; and with
`--folder N`, photos a second of a folder of N such photos (JPEG), one at a time and as `erkd matte` does it.
"""

import argparse
import contextlib
import io
import json
import os
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from functools import partial
from pathlib import Path

import cv2
import numpy as np

from erkd.io.images import Array, Bytes, save_image, trimap_unit, unit

THREADS = 2
ROUNDS = 5
TURN = 1.0  # seconds: the first calls after another method or a pause take up to a half longer
MEGAPIXELS = (1, 4, 16, 40)


def drawn(height: int, width: int, unknown: float) -> tuple[Bytes, Bytes]:
    """A photo of a disc with a soft edge, and its trimap with so large a share unknown."""
    rows, columns = np.ogrid[:height, :width]
    radius = np.hypot(rows - height / 2, columns - width / 2) / height
    noise = np.random.default_rng(0).integers(0, 256, (height // 8, width // 8, 6), np.uint8)
    layers = cv2.resize(noise, (width, height), interpolation=cv2.INTER_LINEAR)
    share = np.clip((0.34 - radius) * 12 + 0.5, 0, 1).astype(np.float32)
    image = np.empty((height, width, 3), np.uint8)
    for top in range(0, height, 256):
        rows_of = slice(top, top + 256)
        part, alpha = unit(layers[rows_of]), share[rows_of, :, None]
        image[rows_of] = 255 * (alpha * (0.5 + part[:, :, :3] / 2) + (1 - alpha) * part[:, :, 3:] / 2)
    inside, outside = np.quantile(radius[::8, ::8], (0.2, 0.2 + unknown))
    return image, np.select([radius < inside, radius > outside], [255, 0], 128).astype(np.uint8)


def speed(model: str | None, image: Bytes, trimap: Bytes) -> dict[str, float]:
    """Seconds per image of the student through ONNX Runtime, of closed form and of shared sampling."""
    import numba
    from pymatting import estimate_alpha_cf, estimate_alpha_sm

    from erkd import Matter

    numba.set_num_threads(min(THREADS, numba.get_num_threads()))
    matter = Matter.load(model, "cpu")
    floats: tuple[Array, Array] = unit(image), trimap_unit(trimap)
    few = drawn(trimap.shape[0], trimap.shape[1], 0.08)
    doubles = tuple(array.astype(np.float64) for array in floats)
    methods: dict[str, Callable[[], object]] = {
        "student": lambda: matter(image, trimap),
        "student_8": lambda: matter(*few),
        "closed_form": lambda: estimate_alpha_cf(*doubles),
        "shared_sampling": lambda: estimate_alpha_sm(*floats),
    }
    times: dict[str, list[float]] = {}
    with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
        warnings.simplefilter("ignore")  # PyMatting prints and warns where it merely tries again
        for _ in range(ROUNDS + 1):  # in turns, so that what else runs on the machine meets all of them
            for name, method in methods.items():
                times.setdefault(name, []).append(typical(method))
    return {name: float(np.median(values[1:])) for name, values in times.items()}  # the first compiles


def typical(method: Callable[[], object]) -> float:
    """Median seconds of a call, over as many calls as a turn has room for."""
    times: list[float] = []
    while sum(times) < TURN:
        start = time.perf_counter()
        method()
        times.append(time.perf_counter() - start)
    return float(np.median(times))


def folder_speed(model: str | None, count: int, folder: Path) -> dict[str, float]:
    """Photos a second of a folder, one at a time on all cores, and some at once that share the cores."""
    from erkd.inference.hints import TrimapFile
    from erkd.inference.jobs import Job
    from erkd.inference.matte_files import AT_ONCE, alpha_only, attempt_each, write_matte
    from erkd.inference.matter import Matter

    jobs = []
    for i in range(count):
        photo, drawn_trimap = folder / f"{i}.jpg", folder / f"{i}.png"
        image, trimap = drawn(600, 800, 0.05 + 0.25 * i / count)
        save_image(image, photo)
        save_image(trimap, drawn_trimap)
        jobs.append(Job(photo, TrimapFile(drawn_trimap), folder / f"alpha/{i}.png"))
    matters = {at_once: Matter.load(model, "cpu", threads=THREADS // at_once) for at_once in (1, AT_ONCE)}
    times: dict[int, list[float]] = {}
    for _ in range(3):  # in turns, as above
        for at_once, matter in matters.items():
            start = time.perf_counter()
            write = partial(write_matte, matter, finish=alpha_only)
            if errors := list(attempt_each(write, jobs, at_once)):
                raise SystemExit(errors[0])
            times.setdefault(at_once, []).append(time.perf_counter() - start)
    return {f"{at_once}_at_once": round(count / min(values), 1) for at_once, values in times.items()}


def cold_start(model: str | None, folder: Path) -> float:
    """Seconds of `erkd matte` from the shell, the fastest of five."""
    command: list[str | Path] = [sys.executable, "-m", "erkd.cli", "matte", folder / "photo.png"]
    command += ["--trimap", folder / "trimap.png", "-o", folder / "alpha.png", "--force", "--device", "cpu"]
    command += ["--model", model] if model else []
    times = []
    for _ in range(5):
        start = time.perf_counter()
        subprocess.run(command, check=True)
        times.append(time.perf_counter() - start)
    return min(times)


def peak(model: str | None, megapixels: int) -> float:
    """MiB that matting a file of so many megapixels takes above the loaded student, in a fresh process."""
    width = round((megapixels * 4e6 / 3) ** 0.5)
    image, trimap = drawn(round(width * 3 / 4), width, 0.05)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for array, file in ((image, "photo.png"), (trimap, "trimap.png")):
            save_image(array, folder / file)
        del image, trimap
        command = [sys.executable, "-m", "benchmarks.inference", "--measure", name]
        done = subprocess.run(
            command + (["--model", model] if model else []), check=True, text=True, capture_output=True
        )
    return float(done.stdout.split()[-1])


def measure(model: str | None, folder: Path) -> float:
    """Matte photo.png with trimap.png; peak resident memory meanwhile above that before, MiB (Linux)."""
    from erkd.inference.hints import TrimapFile
    from erkd.inference.jobs import Job
    from erkd.inference.matte_files import alpha_only, write_matte
    from erkd.inference.matter import Matter

    matter = Matter.load(model, "cpu")
    matter(*drawn(64, 64, 0.25))
    Path("/proc/self/clear_refs").write_text("5")
    before = resident("VmRSS")
    job = Job(folder / "photo.png", TrimapFile(folder / "trimap.png"), folder / "alpha.png")
    write_matte(matter, job, alpha_only)
    return resident("VmHWM") - before


def resident(name: str) -> float:
    """An entry of /proc/self/status in MiB."""
    lines = Path("/proc/self/status").read_text(encoding="utf-8").splitlines()
    return int(next(line for line in lines if line.startswith(name)).split()[1]) / 1024


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", help="as of `erkd matte`")
    parser.add_argument("--folder", type=int, default=0, metavar="N", help="photos of the folder to time; 0: none")
    parser.add_argument("--measure", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.measure:
        print(measure(arguments.model, arguments.measure))
        return
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS"):
        os.environ[name] = str(THREADS)
    image, trimap = drawn(600, 800, 0.25)
    result: dict[str, object] = {"unknown": round(float((trimap == 128).mean()), 3)}
    with tempfile.TemporaryDirectory() as name:
        save_image(image, Path(name) / "photo.png")
        save_image(trimap, Path(name) / "trimap.png")
        result["cold_start_s"] = round(cold_start(arguments.model, Path(name)), 2)
        if arguments.folder:
            result["photos_per_second"] = folder_speed(arguments.model, arguments.folder, Path(name))
    result["peak_mib"] = {size: round(peak(arguments.model, size)) for size in MEGAPIXELS}
    seconds = speed(arguments.model, image, trimap)
    result["seconds"] = {method: round(value, 3) for method, value in seconds.items()}
    result["cf_over_student"] = round(seconds["closed_form"] / seconds["student"], 1)
    result["sm_over_student"] = round(seconds["shared_sampling"] / seconds["student"], 1)
    print(json.dumps(result))


if __name__ == "__main__":
    main()
