"""Damaged files for the tests, and a watched process that reads them."""

import json
import os
import select
import struct
import subprocess
import sys
import time
import zlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from hypothesis import strategies as st

from tests.support import ROOT
from tests.support.demo_site import png

SECONDS = 10
MIB = 2048
MAGIC = 8  # bytes that tell a file's format; without them it is refused at once


class Reader:
    """A process that reads what `fuzz_worker.py` is told; `read` raises AssertionError where it crashes, hangs,
    takes too much memory or shows a traceback."""

    def __init__(self, student: Path, errors: Path) -> None:
        self.student, self.errors = student, errors
        self.process: subprocess.Popen[str] | None = None

    def start(self) -> None:
        command = [sys.executable, str(ROOT / "tests/support/fuzz_worker.py"), str(self.student)]
        environment = os.environ | {"PYTHONPATH": str(ROOT), "TMPDIR": str(self.errors.parent)}
        with self.errors.open("w") as errors:
            pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": errors}
            self.process = subprocess.Popen(command, text=True, env=environment, **pipes)
        assert self._answer(60) == "ready"

    def _answer(self, seconds: float) -> str:
        assert self.process
        assert self.process.stdout
        start, begun = time.monotonic(), self.busy()
        while not select.select([self.process.stdout], [], [], 0.5)[0]:
            # waiting for a crowded processor is no hang; sleeping for ever is
            if self.busy() - begun > seconds or time.monotonic() - start > 20 * seconds:
                self.end()
                raise AssertionError(f"no answer within {seconds} seconds")
        line = self.process.stdout.readline()
        if not line:
            code = self.process.wait()
            self.process = None
            raise AssertionError(f"it ended with code {code}: {self.errors.read_text()[-2000:]}")
        return str(json.loads(line))

    def read(self, kind: str, folder: Path) -> str:
        """What was said of the files in `folder`."""
        if self.process is None:
            self.start()
        assert self.process
        assert self.process.stdin
        self.process.stdin.write(json.dumps([kind, str(folder)]) + "\n")
        self.process.stdin.flush()
        answer = self._answer(SECONDS)
        peak = self.peak()
        if peak > MIB:
            self.end()
        assert peak <= MIB, f"{peak} MiB"
        assert "Traceback" not in answer, answer
        return answer

    def busy(self) -> float:
        """Processor seconds that the process has had."""
        assert self.process
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return sum(map(int, fields[11:13])) / os.sysconf("SC_CLK_TCK")

    def peak(self) -> int:
        """MiB that the process had at most."""
        assert self.process
        lines = Path(f"/proc/{self.process.pid}/status").read_text().splitlines()
        return next(int(line.split()[1]) // 1024 for line in lines if line.startswith("VmHWM"))

    def end(self) -> None:
        if self.process:
            self.process.kill()
            self.process.communicate()
            self.process = None


@dataclass(frozen=True)
class Edit:
    """One damage: at a share of the file's length, `take` bytes make room for `put`."""

    place: float
    take: int
    put: bytes

    def __call__(self, content: bytes) -> bytes:
        start = min(MAGIC, len(content)) + int(self.place * max(len(content) - MAGIC, 0))
        return content[:start] + self.put + content[start + self.take :]


NUMBERS = [0, 1, 2, 16, 0x7F, 0x80, 0xFF, 0x7FFF, 0xFFFF, 0x7FFFFFFF, 0xFFFFFFFF, 2**40, 2**63, 2**64 - 1]


@st.composite
def numbers(draw: st.DrawFn) -> bytes:
    """An integer that programs trip over, in some width and order."""
    width, value = draw(st.sampled_from("BHIQ")), draw(st.sampled_from(NUMBERS))
    return struct.pack(draw(st.sampled_from("<>")) + width, value % 256 ** struct.calcsize(width))


# hypothesis likes small numbers, which would all hit the first bytes
ANYWHERE = st.integers(0, 9999).map(lambda number: number * 7919 % 10_000 / 10_000)
HEADERS = ANYWHERE.map(lambda share: share**3)  # mostly where headers lie
INTEGERS = st.builds(lambda place, put: Edit(place, len(put), put), HEADERS, numbers())
BYTES = st.builds(lambda place, put: Edit(place, len(put), put), HEADERS, st.binary(min_size=1, max_size=3))
PIECES = st.builds(Edit, ANYWHERE, st.integers(0, 40), st.binary(max_size=40))
MISSING_END = st.builds(lambda place: Edit(place**0.3, 1 << 40, b""), ANYWHERE)
EDITS = st.one_of(INTEGERS, INTEGERS, BYTES, BYTES, BYTES, BYTES, PIECES, MISSING_END)


def mend_png(content: bytes) -> bytes:
    """A PNG whose checksums are right, so that what they protect is read."""
    result, place = bytearray(content), 8
    while content.startswith(b"\x89PNG") and place + 12 <= len(content):
        (length,) = struct.unpack_from(">I", content, place)
        end = place + 8 + length
        if end + 4 > len(content):
            break
        struct.pack_into(">I", result, end, zlib.crc32(content[place + 4 : end]))
        place = end + 4
    return bytes(result)


def promising(width: int, height: int) -> bytes:
    """A small PNG whose header, checksum and all, promises more."""
    content = bytearray(png(np.zeros((4, 4), np.uint8)))
    content[16:24] = struct.pack(">II", width, height)
    return mend_png(bytes(content))


@st.composite
def damaged(draw: st.DrawFn, seeds: list[bytes], hostile: list[bytes]) -> bytes:
    """One of `seeds` after a few edits, or with one of the `hostile` pieces in it."""
    content = draw(st.sampled_from(seeds))
    for edit in draw(st.lists(EDITS, min_size=0 if hostile else 1, max_size=2)):
        content = edit(content)
    if hostile and draw(st.booleans()):
        content = Edit(draw(ANYWHERE), draw(st.integers(0, 8)), draw(st.sampled_from(hostile)))(content)
    return mend_png(content) if draw(st.integers(0, 3)) else content
