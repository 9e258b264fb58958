"""Rows on a Dask cluster of real processes: the same results, whatever becomes of its workers."""

import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pytest

from erkd.io.files import InputError
from erkd.runtime import cluster as module
from erkd.runtime.cluster import Cluster, _Pace, _paths
from erkd.runtime.parallel import map_rows, rows_on
from tests.support import ROOT
from tests.support.dask_cluster import dask_cluster

slow = pytest.mark.slow
HIDE = """import sys
class Hidden:
    def find_spec(self, name, *_):
        if name == "erkd":
            raise ModuleNotFoundError("No module named 'erkd'")
sys.meta_path.insert(0, Hidden())
"""


@dataclass(frozen=True)
class Work:
    """Rows by a module that workers have: erkd's own."""

    folder: Path
    numbers: tuple[int, ...] = ()


def test_chunks_grow_to_a_second_and_shrink_towards_the_end():
    pace = _Pace()
    assert pace.rows(left=1000, workers=2) == 1
    for seconds in (0.01, 0.04, 0.16):
        pace.note(round(seconds / 0.01), seconds)
    assert pace.rows(left=10_000, workers=2) == 64  # four times as many as have been tried
    pace.note(64, 0.64)
    assert pace.rows(left=10_000, workers=2) == 100
    assert pace.rows(left=40, workers=2) == 10
    assert pace.rows(left=1, workers=2) == 1


def test_every_folder_that_rows_name_is_found():
    rows = [(Work(Path("a")), 3), (Work(Path("b"), (1,)), Path("c"))]
    function = partial(map, Path("d"), key=[Path("e")])
    assert [str(path) for path in _paths((function, rows))] == ["d", "e", "a", "b", "c"]


@pytest.mark.parametrize(
    ("address", "says"),
    [
        ("tcp://127.0.0.1:9", "no scheduler answers .*; start one with `dask scheduler`, or"),
        ("missing/scheduler.json", "missing/scheduler.json: no such file"),
    ],
)
def test_a_scheduler_that_is_not_there(tmp_path, monkeypatch, address, says):
    monkeypatch.setattr(module, "CONNECT", 0.3)
    with rows_on(address, tmp_path), pytest.raises(InputError, match=says) as error:
        map_rows(abs, [1], "rows")
    assert "\n" not in str(error.value)
    assert not [*tmp_path.rglob("*")]


def test_without_dask(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "distributed", None)
    with rows_on("tcp://127.0.0.1:9", tmp_path), pytest.raises(InputError, match=r"pip install 'erkd\[cluster\]'"):
        map_rows(abs, [1], "rows")


def test_nothing_is_connected_for_no_rows(tmp_path):
    with rows_on("tcp://127.0.0.1:9", tmp_path):
        assert map_rows(abs, [], "rows") == []


@pytest.fixture(scope="module")
def scheduler(tmp_path_factory):
    """A cluster without workers."""
    with dask_cluster(tmp_path_factory.mktemp("scheduler"), 0) as started:
        yield started


@slow
def test_results_come_in_order_whatever_their_number(workers, tmp_path):
    for address in (workers.address, str(workers.folder / "scheduler.json")):
        with rows_on(address, tmp_path):
            for count in (1, 3, 700):
                assert map_rows(abs, range(-count, 0), "rows", tmp_path / f"done-{count}") == [*range(count, 0, -1)]
    assert len([*(tmp_path / "done-700").iterdir()]) == 700
    assert not [*tmp_path.rglob("rows.*")], "the beacon is taken away"


@slow
def test_what_a_row_raises_is_raised_here(workers, tmp_path):
    from erkd.io.files import read_json

    with rows_on(workers.address, tmp_path):
        with pytest.raises(InputError, match=r"nothing\.json: no such file"):
            map_rows(read_json, [tmp_path / "nothing.json"], "rows")
        with pytest.raises(TypeError, match="bad operand"):
            map_rows(abs, [1, 2, "3"], "rows")
        assert map_rows(abs, [-4], "rows") == [4], "the workers go on"


@slow
def test_paths_are_relative_to_the_folder_of_the_one_who_asks(workers, tmp_path, monkeypatch):
    from erkd.io.files import sha256

    monkeypatch.chdir(tmp_path)
    Path("data").mkdir()
    Path("data/a.txt").write_text("a")
    with rows_on(workers.address, Path(".")):
        assert map_rows(sha256, [Path("data/a.txt"), Path("data")], "rows") == [
            sha256(Path("data/a.txt")),
            sha256(Path("data")),
        ]


@slow
def test_a_worker_that_dies_is_replaced(workers, tmp_path):
    """One of two is killed in the middle of its chunk, and its nanny starts another."""
    killed = workers.worker_process("worker-0")

    def kill():
        time.sleep(1)
        os.kill(killed.pid, signal.SIGKILL)

    thread = threading.Thread(target=kill)
    with rows_on(workers.address, tmp_path):
        thread.start()
        assert map_rows(time.sleep, [0.05] * 80, "rows") == [None] * 80
    thread.join()
    assert not killed.is_running()
    workers.wait_for_workers(2)


@slow
def test_a_row_that_kills_every_worker_is_named(workers, tmp_path, monkeypatch):
    """The scheduler gives it up after four."""
    monkeypatch.setattr(module, "ATTEMPTS", 1)
    says = r"every worker that was given these 1 rows died, perhaps for want of memory .*; the first is 86"
    with rows_on(workers.address, tmp_path), pytest.raises(InputError, match=says):
        map_rows(os._exit, [86], "rows")
    workers.wait_for_workers(2)


@slow
def test_without_workers(scheduler, tmp_path, monkeypatch):
    monkeypatch.setattr(module, "PATIENCE", 0.5)
    with rows_on(scheduler.address, tmp_path), pytest.raises(InputError, match=r"no worker for 0\.5 seconds; start"):
        map_rows(abs, [1], "rows")


def hidden(folder: Path) -> Path:
    """For PYTHONPATH: erkd cannot be imported."""
    (folder / "sitecustomize.py").write_text(HIDE)
    return folder


def changed(folder: Path) -> Path:
    """For PYTHONPATH: the sources of erkd, one of them another."""
    ignored = shutil.ignore_patterns("__pycache__", "weights", "*.onnx")
    shutil.copytree(ROOT / "erkd", folder / "erkd", ignore=ignored)
    with (folder / "erkd/data/compositing.py").open("a") as stream:
        stream.write("# changed\n")
    return folder


@slow
@pytest.mark.parametrize(
    ("path", "options", "says"),
    [
        (hidden, "--nthreads 1", r"lacks this erkd \(No module named 'erkd'\); start it in this environment"),
        (changed, "--nthreads 1", r"has other versions \(erkd \w{12} there, \w{12} here\); start it anew"),
        (lambda _: ROOT, "--nthreads 3", "runs 3 rows at once .* `--nthreads 1 --nworkers 3`"),
    ],
    ids=["no erkd", "another erkd", "threads"],
)
def test_a_worker_that_cannot_do_it_is_named_with_the_mend(scheduler, tmp_path, path, options, says):
    refused_by_worker(scheduler, tmp_path, says, options, path=path(tmp_path))


@slow
def test_a_worker_that_does_not_see_the_folder(scheduler, tmp_path):
    """It has an empty one of the same name, as on a machine without the shared disk."""
    before = ("unshare", "--map-root-user", "--mount", "bash", "-c", f'mount -t tmpfs none {tmp_path} && "$0" "$@"')
    if subprocess.run([*before, "true"], capture_output=True, check=False).returncode:
        pytest.skip("no mount namespaces here")
    refused_by_worker(scheduler, tmp_path, f"cannot see {tmp_path} of this machine", before=before)


def refused_by_worker(scheduler, folder, says, options="--nthreads 1", **settings):
    name = folder.name
    scheduler.start_worker(name, options, **settings)
    try:
        with rows_on(scheduler.address, folder), pytest.raises(InputError, match=says) as error:
            map_rows(abs, [1], "rows")
        assert "\n" not in str(error.value)
        assert str(error.value).startswith(f"launch.rows {scheduler.address}: the worker tcp://127.0.0.1:")
    finally:
        scheduler.stop(name)


@slow
def test_a_scheduler_that_ends_in_the_middle(tmp_path):
    with dask_cluster(tmp_path, 1) as started:
        ended = threading.Timer(1, started.stop, ["scheduler"])
        ended.start()
        with pytest.raises(InputError, match="the scheduler has gone; start it"), rows_on(started.address, tmp_path):
            map_rows(time.sleep, [0.05] * 200, "rows")
        ended.join()


def test_the_cluster_is_closed_once(tmp_path):
    with Cluster("tcp://127.0.0.1:9", tmp_path):
        pass
    assert not [*tmp_path.iterdir()]
