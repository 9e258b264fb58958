"""A running `erkd demo` for the tests, and requests to it."""

import http.client
import io
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from erkd.inference.matter import Matter
from tests.support import ROOT
from tests.support.onnx_student import write_student

MAX_MB = 1


@dataclass(frozen=True)
class Site:
    """Where the page is, its process, the student behind it, and the folders in which the server might write."""

    address: str
    process: int
    student: Path
    written: tuple[Path, ...]

    def ask(self, method: str, path: str, body: object = None, headers: dict[str, str] | None = None):
        """Status, content type and bytes of an answer. Paths are sent as they are."""
        connection = http.client.HTTPConnection(self.address.removeprefix("http://"), timeout=300)
        try:
            connection.request(method, path, body, headers or {})
            answer = connection.getresponse()
            return answer.status, answer.getheader("content-type"), answer.read()
        finally:
            connection.close()

    def post(self, path: str, **files: bytes):
        """As `ask`, with a form of files."""
        body = b"".join(
            b'--cut\r\nContent-Disposition: form-data; name="%s"; filename="%s"\r\n\r\n%s\r\n'
            % (name.encode(), name.encode(), content)
            for name, content in files.items()
        )
        kind = {"Content-Type": "multipart/form-data; boundary=cut"}
        return self.ask("POST", path, body + b"--cut--\r\n", kind)

    def refusal(self, path: str, **files: bytes) -> str:
        """What is said to a request that is refused."""
        status, kind, body = self.post(path, **files)
        assert (status // 100, kind) == (4, "application/json"), body
        return json.loads(body)["error"]

    def matter(self) -> Matter:
        """The student behind the page."""
        return Matter.load(self.student)


@contextmanager
def running_site(*options: str) -> Iterator[Site]:
    """`erkd demo` with `options`, else with a student made for tests, from an empty folder."""
    with tempfile.TemporaryDirectory() as name:
        student = write_student(Path(name, "student.onnx"))
        cwd, temporary = Path(name, "cwd"), Path(name, "temporary")
        cwd.mkdir()
        temporary.mkdir()
        command = [sys.executable, "-m", "erkd.cli", "demo", *(options or ("--model", str(student)))]
        with subprocess.Popen(
            [*command, "--port", "0", "--max-mb", str(MAX_MB)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=cwd,
            env=os.environ | {"TMPDIR": str(temporary), "PYTHONPATH": str(ROOT)},
        ) as process:
            assert process.stdout
            assert process.stderr
            try:
                first = process.stdout.readline()
                assert first.startswith("http://127.0.0.1:"), first + process.stderr.read()
                yield Site(first.split()[0], process.pid, student, (cwd, temporary))
            finally:
                process.terminate()
                said = process.stderr.read()
        assert "Traceback" not in said, said


def encoded(array: np.ndarray, kind: str = "PNG", mode: str | None = None, **options: object) -> bytes:
    """An array as the bytes of an image file."""
    stream, image = io.BytesIO(), Image.fromarray(array)
    (image.convert(mode) if mode else image).save(stream, kind, **options)
    return stream.getvalue()


png = encoded


def pixels(content: bytes) -> np.ndarray:
    """The array in the bytes of an image file."""
    return np.asarray(Image.open(io.BytesIO(content)))


def photo_and_trimap(height: int = 72, width: int = 100) -> tuple[np.ndarray, np.ndarray]:
    """A red disc on blue, and its trimap, uint8."""
    rows, columns = np.mgrid[:height, :width]
    distance = np.hypot(rows - height / 2, columns - width / 2) / height
    image = np.where(distance[:, :, None] < 0.3, np.uint8([230, 40, 60]), np.uint8([30, 80, 200]))
    trimap = np.select([distance < 0.22, distance < 0.38], [np.uint8(255), np.uint8(128)], np.uint8(0))
    return image, trimap
