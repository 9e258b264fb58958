"""What a row of a table costs when there are a million, and what a cluster's workers gain.

`python -m benchmarks.scale` starts a Dask scheduler and two single-threaded workers, each a process of its own, and
prints what it measures line by line. `--only gain` and `--only rows` do one half; `--rows 1000 10000` chooses the
numbers of rows. Its last line is a JSON object, whose keys are:
- `seconds_per_row`, `peak_mib` by number of rows: of the stage `composite` on two workers, its layers 16 x 16 pixels,
  after a warm-up; and the peak memory of the process that runs it. From `BARE` rows on none has an image: the
  rows travel, are recorded as finished, come back and are written to the table.
- `scheduler_mib`: the scheduler's peak memory, after so many rows.
- `table_bytes_per_row`; `table_seconds`, `table_mib`: to read the table and write it again, in a process of its own.
- `dvc_seconds`, `dvc_mib`: of `dvc add` of a folder with two files a row.
- `two_workers_over_one`: how much faster two workers do the stages `library` and `baselines` than one.
- `overhead`: seconds on two workers over seconds of the local engine with two processes, less 1.
These need two idle cores.
"""

import argparse
import contextlib
import json
import multiprocessing
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import psutil
from joblib import parallel_config
from joblib.externals.loky import get_reusable_executor

from erkd.data.composites import write_composites
from erkd.data.compositing import composite
from erkd.data.library import list_layers, write_library
from erkd.data.pairing import Plan
from erkd.data.trimap_generation import trimap_from_alpha
from erkd.evaluation.baselines import run_baselines
from erkd.io.images import save_image, save_trimap
from erkd.io.tables import SPLITS, CompositeRow, LayerRow, Sample, read_table, write_table
from erkd.params import CompositeParams, Splits, load_params
from erkd.runtime.parallel import LOCAL, iterate_rows, rows_on

ROWS = (1_000, 10_000, 43_100, 1_000_000)
BARE = 100_000
WARM = 100  # rows before the clock starts: workers import what they need
LAYERS, SAMPLES = 400, 16  # of the stages library and baselines
REPEATS = 2
Result = TypeVar("Result")


def alone(function: Callable[..., Result], *arguments: object) -> Result:
    """Call a function in a fresh process, so that its peak memory is its own."""
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
        return pool.submit(function, *arguments).result()


def peak_mib(process: int | str = "self") -> int:
    """The most memory that a process has had, MiB."""
    status = Path(f"/proc/{process}/status").read_text().splitlines()
    return int(next(line for line in status if line.startswith("VmHWM")).split()[1]) // 1024


def write_tiny_library(folder: Path, layers: int = 8) -> None:
    """Foregrounds and backgrounds of 16 x 16 pixels, `layers` of each for training and one for the other splits."""
    rng, rows = np.random.default_rng(0), []
    base = LayerRow("", "", "", "procedural", "CC0", "net", "", "", 16, 16, 0, "a net of thin threads")
    for split in SPLITS:
        for number in range(layers if split == "train" else 1):
            for kind in ("foreground", "background"):
                row = replace(base, layer_id=f"{split}-{kind}-{number}", kind=kind, split=split)
                row = replace(
                    row, image=f"{row.layer_id}.png", alpha=f"{row.layer_id}-a.png" * (kind == "foreground")
                )
                save_image(rng.random((16, 16, 3), np.float32), folder / row.image)
                if row.alpha:
                    save_image(rng.random((16, 16), np.float32), folder / row.alpha)
                rows.append(row)
    write_table(rows, folder / "library.csv")


def bare_row(plan: Plan) -> CompositeRow:
    """The row of a composite that is not made."""
    name, foreground, background = plan.sample_id, plan.foreground, plan.background
    return CompositeRow(
        name, foreground.split, foreground.source, foreground.licence, foreground.layer_id, background.layer_id,
        foreground.material, f"images/{name}.png", f"alphas/{name}.png", 16, 16, plan.seed,
        f"{foreground.caption} in front of {background.caption}", foreground.caption, background.caption,
    )  # fmt: skip


def write_bare(library: Path, out_dir: Path, rows: int, done: Path) -> None:
    """As the stage composite does, without images."""
    layers = [row for row in read_table(library / "library.csv", LayerRow) if row.split == "train"]
    plans = [Plan(f"composite-{number:07d}", layers[0], layers[1], number) for number in range(rows)]
    write_table(iterate_rows(bare_row, plans, "bare rows", done, CompositeRow), out_dir / "manifest.csv")


def write_rows(folder: Path, name: str, rows: int) -> None:
    """The stage composite, with at least so many rows, in `folder`/`name`."""
    out_dir, done = folder / name, folder / f"{name}-done"
    if rows >= BARE:
        write_bare(folder / "library", out_dir, rows, done)
    else:
        per_foreground = Splits(train=(rows - 2) // 8, validation=1, test=1)
        write_composites(
            folder / "library",
            out_dir,
            CompositeParams(per_foreground=per_foreground, defocus=0.0, effects=0),
            0,
            done,
        )


def stage(address: str, folder: Path, rows: int) -> dict[str, float]:
    """Seconds and peak memory of a stage over so many rows."""
    with rows_on(address, folder):
        write_rows(folder, "warm", WARM)
        start = time.perf_counter()
        write_rows(folder, "out", rows)
        return {"seconds": time.perf_counter() - start, "peak_mib": peak_mib()}


def copy_table(table: Path) -> dict[str, float]:
    """Seconds and peak memory to read a table and to write it again."""
    start = time.perf_counter()
    write_table(read_table(table, CompositeRow), table.with_name("copy.csv"))
    return {"seconds": round(time.perf_counter() - start, 3), "peak_mib": peak_mib()}


def dvc_add(folder: Path, name: str) -> dict[str, float]:
    """Seconds and peak memory of `dvc add` of a folder, in a project that has nothing else."""
    dvc = [sys.executable, "-m", "dvc"]
    subprocess.run([*dvc, "init", "-q", "--no-scm"], cwd=folder, check=True)
    start, most = time.perf_counter(), 0
    with psutil.Popen([*dvc, "add", "-q", name], cwd=folder) as process:
        while process.poll() is None:
            with contextlib.suppress(psutil.Error):
                most = max(most, process.memory_info().rss)
            time.sleep(0.02)
    if process.returncode:
        sys.exit(process.returncode)
    return {"seconds": round(time.perf_counter() - start, 2), "peak_mib": most // 2**20}


def measure_rows(rows: int, folder: Path) -> dict[str, float]:
    """All that is measured of so many rows."""
    write_tiny_library(folder / "library")
    with cluster(2) as (address, scheduler):
        found = alone(stage, address, folder, rows)
        scheduler_mib = peak_mib(scheduler)
    shutil.rmtree(folder / "out-done")
    table = folder / "out/manifest.csv"
    read = alone(copy_table, table)
    table.with_name("copy.csv").unlink()
    measured = {
        "seconds_per_row": float(f"{found['seconds'] / rows:.3g}"),
        "peak_mib": found["peak_mib"],
        "scheduler_mib": scheduler_mib,
        "table_bytes_per_row": round(table.stat().st_size / rows),
        "table_seconds": read["seconds"],
        "table_mib": read["peak_mib"],
    }
    if rows < BARE:
        added = dvc_add(folder, "out")
        measured |= {"dvc_seconds": added["seconds"], "dvc_mib": added["peak_mib"]}
    return measured


@contextlib.contextmanager
def cluster(workers: int) -> Iterator[tuple[str, int]]:
    """A scheduler and workers in processes of their own: the address and the scheduler's process id."""
    from distributed import Client, SubprocessCluster

    os.environ["DASK_DISTRIBUTED__WORKER__PROFILE__ENABLED"] = "False"  # as docs/guides/cluster.md starts them
    with SubprocessCluster(n_workers=workers, threads_per_worker=1, dashboard_address=":0") as started:
        with Client(started.scheduler_address, set_as_default=False) as client:
            client.wait_for_workers(workers)
        yield started.scheduler_address, started.scheduler.process.pid


def run_library(folder: Path, count: int) -> None:
    """The stage library: so many layers as the pipeline draws them."""
    params = load_params(Path("params.yaml")).data
    split = Splits(train=count // 2, validation=1, test=1)
    write_library(list_layers(params.model_copy(update={"foregrounds": split, "backgrounds": split}), 0), folder)


def write_samples(folder: Path, count: int) -> list[Sample]:
    """Images of 256 x 256 pixels with a soft disc before noise, and their trimaps."""
    rng, samples = np.random.default_rng(0), []
    rows, columns = np.mgrid[:256, :256].astype(np.float32)
    alpha = np.clip((80 - np.hypot(rows - 128, columns - 128)) / 20 + 0.5, 0, 1)
    for number in range(count):
        image, trimap = folder / f"{number}.png", folder / f"{number}-trimap.png"
        sample = Sample(str(number), image, trimap, alpha=image)
        front, behind = rng.random((2, 3), np.float32)[:, None, None] * np.ones((1, 256, 256, 1), np.float32)
        grain = rng.normal(0, 0.03, (256, 256, 3)).astype(np.float32)
        save_image(np.clip(composite(front, alpha, behind) + grain, 0, 1), sample.image)
        save_trimap(trimap_from_alpha(alpha, 8, 8), sample.trimap)
        samples.append(sample)
    return samples


def run_methods(folder: Path, count: int) -> None:
    """The stage baselines on so many samples."""
    samples = write_samples(folder / "samples", count)
    run_baselines(samples, load_params(Path("params.yaml")).baselines.methods, folder / "baselines")


def seconds_of(address: str, folder: Path, run: Callable[[Path, int], None], count: int) -> float:
    """Seconds of a stage after a warm-up: the best of `REPEATS`. The local engine has two processes."""
    times = []
    with rows_on(address, folder), parallel_config(n_jobs=2):
        run(folder / "warm", 4)
        for repeat in range(REPEATS):
            start = time.perf_counter()
            run(folder / str(repeat), count)
            times.append(time.perf_counter() - start)
    get_reusable_executor().shutdown()  # the local engine's processes, which would keep this one for minutes
    return min(times)


def gain(folder: Path) -> dict[str, dict[str, float]]:
    """Two workers against one, and against two processes of this machine."""
    found: dict[str, dict[str, float]] = {"two_workers_over_one": {}, "overhead": {}}
    for name, run, count in (("library", run_library, LAYERS), ("baselines", run_methods, SAMPLES)):
        seconds = {"local": alone(seconds_of, LOCAL, folder / f"{name}-local", run, count)}
        for workers in (1, 2):
            with cluster(workers) as (address, _):
                where = folder / f"{name}-{workers}"
                seconds[f"{workers} workers"] = alone(seconds_of, address, where, run, count)
        print(name, {where: round(value, 2) for where, value in seconds.items()}, flush=True)
        found["two_workers_over_one"][name] = round(seconds["1 workers"] / seconds["2 workers"], 3)
        found["overhead"][name] = round(seconds["2 workers"] / seconds["local"] - 1, 3)
    return found


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.scale")
    parser.add_argument("--only", choices=("rows", "gain"), help="measure this half")
    parser.add_argument("--rows", type=int, nargs="+", default=ROWS, help="numbers of rows")
    parser.add_argument("--folder", type=Path, help="where files are written and removed; default: the temporary one")
    arguments = parser.parse_args()
    results: dict[str, dict[str, Any]] = {}
    new_folder = partial(tempfile.TemporaryDirectory, dir=arguments.folder)
    for rows in () if arguments.only == "gain" else arguments.rows:
        with new_folder() as name:
            measured = measure_rows(rows, Path(name))
        print(f"{rows} rows: {measured}", flush=True)
        for key, value in measured.items():
            results.setdefault(key, {})[str(rows)] = value
    if arguments.only != "rows":
        with new_folder() as name:
            results |= gain(Path(name))
    print(json.dumps(results))


if __name__ == "__main__":
    from benchmarks import scale  # by this name the workers find its functions

    scale.main()
