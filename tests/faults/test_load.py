"""Many requests at once, one in five malformed: every good one is answered right, every bad one refused."""

import base64
import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest

from erkd.io.images import to_bytes
from tests.support import ROOT
from tests.support.demo_site import Site, photo_and_trimap, pixels, png, running_site
from tests.support.onnx_student import write_student
from tests.support.served import ask, records

IMAGE, TRIMAP = photo_and_trimap()
PHOTO, DRAWN = png(IMAGE), png(TRIMAP)
MANY, FEW = 200, 20
BAD = [PHOTO[:60], b"", b"junk", PHOTO[:-30], png(IMAGE[:40]), b"\x89PNG\r\n\x1a\n" + b"\xff" * 400]


def burst(count: int, good: Callable[[], bool], bad: Callable[[bytes], bool]) -> None:
    """So many requests at once; `good` and `bad` say whether theirs was answered as it should be."""

    def ask(number: int) -> tuple[int, bool]:
        return number, bad(BAD[number // 5 % len(BAD)]) if number % 5 == 0 else good()

    with ThreadPoolExecutor(count) as pool:
        answers = [*pool.map(ask, range(count))]
    assert [number for number, right in answers if not right] == []


def memory(process: int) -> int:
    """Bytes that a process and its children hold."""
    root = psutil.Process(process)
    return sum(one.memory_info().rss for one in (root, *root.children(recursive=True)))


def two_bursts(count: int, process: int, good: Callable[[], bool], bad: Callable[[bytes], bool]) -> None:
    """The second burst ends within a tenth of the memory after the first."""
    burst(count, good, bad)
    first = memory(process)
    burst(count, good, bad)
    second = memory(process)
    print(f"{count} requests: {first / 2**20:.0f} MiB, {count} more: {second / 2**20:.0f} MiB")
    assert second <= 1.1 * first


def page_requests(site: Site) -> tuple[Callable[[], bool], Callable[[bytes], bool]]:
    expected = to_bytes(site.matter()(IMAGE, TRIMAP))

    def good() -> bool:
        status, _, body = site.post("/matte", image=PHOTO, trimap=DRAWN)
        return status == 200 and (pixels(body) == expected).all()

    def bad(image: bytes) -> bool:
        status, kind, body = site.post("/matte", image=image, trimap=DRAWN)
        return (status, kind) == (400, "application/json") and b"Traceback" not in body

    return good, bad


@pytest.fixture(scope="module")
def site() -> Iterator[Site]:
    with running_site() as running:
        yield running
        assert [file for folder in running.written for file in folder.rglob("*")] == []


def test_a_few_requests_at_once_are_answered_by_the_page(site: Site) -> None:
    burst(FEW, *page_requests(site))


@pytest.mark.nightly
def test_many_requests_at_once_are_answered_by_the_page(site: Site) -> None:
    two_bursts(MANY, site.process, *page_requests(site))


@contextmanager
def served_model(folder: Path) -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
    """The address and the process of `mlflow models serve` with a registered student."""
    from erkd.tracking.registry import register
    from tests.support.registered import NAME, candidate_of

    onnx = write_student(folder / "student.onnx", prior_count=False)
    register(folder, NAME, candidate_of(onnx), False, True)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "mlflow", "models", "serve", "--env-manager", "local"]
    command += ["-m", f"models:/{NAME}@champion", "-p", str(port)]
    temporary = folder / "temporary"
    temporary.mkdir()
    environment = os.environ | {
        "MLFLOW_TRACKING_URI": f"sqlite:///{folder}/mlflow.db",
        "TMPDIR": str(temporary),
        "PYTHONPATH": str(ROOT),
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
    }
    options = {"cwd": folder, "env": environment, "start_new_session": True}
    with (
        (folder / "log.txt").open("wb") as log,
        subprocess.Popen(command, stdout=log, stderr=log, **options) as server,
    ):
        try:
            address = f"http://127.0.0.1:{port}"
            for _ in range(600):
                assert server.poll() is None, (folder / "log.txt").read_text()
                try:
                    urllib.request.urlopen(f"{address}/ping", timeout=5)
                    break
                except OSError:
                    time.sleep(0.5)
            yield address, server
        finally:
            for process in (*psutil.Process(server.pid).children(recursive=True), server):
                process.terminate()
            server.wait()


@pytest.mark.nightly
def test_many_requests_at_once_are_answered_by_the_served_model(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from types import SimpleNamespace

    import pandas as pd

    from erkd.inference.served_model import MattingModel

    monkeypatch.setenv("DVC_ROOT", str(tmp_path))
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    trimap = base64.b64encode(DRAWN).decode()

    def body(image: bytes) -> dict[str, str]:
        return {"image": base64.b64encode(image).decode(), "trimap": trimap}

    with served_model(tmp_path) as (address, server):
        model = MattingModel()
        model.load_context(SimpleNamespace(artifacts={"onnx": tmp_path / "student.onnx"}, model_config=None))
        expected = model.predict(None, pd.DataFrame([body(PHOTO)])).alpha[0]

        def good() -> bool:
            status, answer = ask(address, records(**body(PHOTO)), 300)
            return status == 200 and answer["predictions"][0]["alpha"] == expected

        def bad(image: bytes) -> bool:
            status, answer = ask(address, records(**body(image)), 300)
            return status == 400 and answer["error_code"] == "INVALID_PARAMETER_VALUE"

        two_bursts(MANY, server.pid, good, bad)
        assert [*(tmp_path / "temporary").rglob("*.png")] == []
