"""Damaged images, trimaps, tables, params, caches and models: read or refused in a line; no crash, hang or bomb."""

import hashlib
import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from erkd.io.files import read_json, sha256, write_hash, write_json, write_record
from tests.support import ROOT
from tests.support.demo_site import encoded, photo_and_trimap, png
from tests.support.fuzz_worker import OK
from tests.support.fuzzing import Reader, damaged
from tests.support.onnx_student import write_student
from tests.support.sound_tables import make_sound_files

IMAGE, TRIMAP = photo_and_trimap()
SHORT, LONG = 20, 340  # cases of each of the six kinds
QUIET = {"deadline": None, "database": None, "suppress_health_check": [*HealthCheck]}


@pytest.fixture(scope="module")
def reader(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Reader]:
    folder = tmp_path_factory.mktemp("reader")
    reader = Reader(write_student(folder / "student.onnx"), folder / "errors.txt")
    yield reader
    reader.end()
    assert "Traceback" not in reader.errors.read_text()


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Sound files of every kind."""
    root = make_sound_files(tmp_path_factory.mktemp("made"))
    write_student(root / "student/student.onnx")
    return root


def image_seeds() -> list[bytes]:
    exif = Image.Exif()
    exif[0x0112] = 6
    deep = IMAGE[:, :, 0].astype(np.uint16) * 257
    kinds = [
        {}, {"mode": "P"}, {"mode": "RGBA"}, {"mode": "1"}, {"icc_profile": b"profile" * 20, "exif": exif},
        {"kind": "JPEG"}, {"kind": "JPEG", "progressive": True, "exif": exif}, {"kind": "JPEG", "mode": "CMYK"},
        {"kind": "WEBP"}, {"kind": "WEBP", "lossless": True, "exif": exif}, {"kind": "GIF", "mode": "P"},
        {"kind": "BMP"}, {"kind": "TIFF"}, {"kind": "TIFF", "compression": "tiff_lzw"},
        {"kind": "TIFF", "compression": "tiff_adobe_deflate", "exif": exif},
    ]  # fmt: skip
    floats = deep.astype(np.float32) / 65535
    seeds = [encoded(IMAGE, **kind) for kind in kinds]
    return [*seeds, encoded(deep), encoded(deep, "TIFF"), encoded(floats, "TIFF")]


def trimap_seeds() -> list[bytes]:
    kinds = ("PNG", None), ("PNG", "RGB"), ("PNG", "P"), ("BMP", None), ("TIFF", None), ("GIF", None)
    return [encoded(TRIMAP, *kind) for kind in kinds]


CELLS = [
    b"../../x", b"/etc/passwd", b"a/../../b", b"..", b"~", b"\0", b"\xff\xfe", b"nan", b"-1", b"1e999", b"1.5",
    b"9" * 400, b"-9223372036854775809", b"a" * 100_000, b'"', b",", b"\n", b"\r", b'"\n"', b"C:\\x", b"=1+1",
    b"images/" + b"x" * 300 + b".png", "ä\u202e\U0001f600".encode(), b",,,,,,,,,,,,,,,,,,,,", b"train,test",
]  # fmt: skip
YAML = [
    b"!!python/object/apply:os.system ['touch hacked']", b"!!python/name:os.system", b"&a [*a]", b"<<: *a", b"*x",
    b"[" * 3000, b"{a: " * 3000, b"? " * 500, b"- " * 3000, b"!!timestamp 2026-13-45", b"2026-99-99",
    b"!!binary ===", b"0x" + b"f" * 5000, b"9" * 5000, b".inf", b"-.nan", b"1_000", b"1:60:60", b"\t", b"\0",
    b"\xff\xfe", b"---\n---", b"!!float x", b"!!int x", b"%YAML 9.9\n---", b"%TAG ! x\n", b"'", b'"\\xZZ"',
    b"|\n  x", b"=", b"!!set {a, b}",
    b"\na: &a [x,x,x,x,x,x,x,x,x]\n"
    + b"".join(b"%c: &%c [%s]\n" % (n, n, b",".join([b"*%c" % (n - 1)] * 9)) for n in range(98, 110)),
]  # fmt: skip
JSON = [
    b"[" * 100_000, b'{"a":' * 100_000, b"9" * 5000, b"1e999", b"NaN", b"null", b"[]", b"{}", b'"', b"-1", b"\xff",
    b"true", b"1e9", b'"\\ud800"', b"0.5", b"1000000000000",
]  # fmt: skip


@st.composite
def table_case(draw: st.DrawFn, root: Path) -> tuple[str, bytes]:
    name = draw(st.sampled_from(["library/library.csv", "composites/manifest.csv", "trimaps/trimaps.csv"]))
    return name, draw(damaged([(root / name).read_bytes()], CELLS))


@st.composite
def folder_case(draw: st.DrawFn, folder: Path) -> tuple[str, bytes, bool]:
    """A file of a folder, its new content, and whether the hashes follow it, as an attacker's would."""
    file = draw(st.sampled_from(sorted(path for path in folder.iterdir() if path.is_file())))
    hostile = JSON if file.suffix == ".json" else CELLS if file.suffix == ".csv" else []
    return file.name, draw(damaged([file.read_bytes()], hostile)), draw(st.booleans())


def forge(folder: Path, name: str) -> None:
    """Make the records of a folder agree with the file that was changed."""
    if name.endswith(".json"):
        content = (folder / name).read_bytes()
        try:
            parsed = json.loads(content)
        except (ValueError, RecursionError):
            return
        if name == "features.json" and isinstance(parsed, dict):
            kept = {key: value for key, value in parsed.items() if not key.startswith("sha256_")}
            try:
                write_record(kept, folder / name)
            except ValueError:  # NaN
                (folder / name).write_bytes(content)
    elif name == "student.safetensors":
        record = read_json(folder / "student.json") | {"sha256": sha256(folder / name)}
        write_json(record, folder / "student.json")
    elif (folder / "features.json").is_file():
        record = read_json(folder / "features.json")
        record.pop("sha256_of_the_rest")
        record["sha256"][name] = sha256(folder / name)
        write_record(record, folder / "features.json")


def fuzz(count: int, strategy: st.SearchStrategy, check: Callable[[object], str]) -> None:
    """Check so many drawn cases, the same ones each time; some must be refused, so that damage is damage."""
    said = []

    @settings(max_examples=count, derandomize=True, **QUIET)
    @given(strategy)
    def run(case: object) -> None:
        said.append(check(case))

    run()
    refused = sum({*answer.split(" | ")} != {OK} for answer in said)
    taken = sum(OK in answer.split(" | ") for answer in said)
    print(f"{len(said)} cases, {refused} refused by some reader, {taken} read by some")
    assert len(said) >= count  # hypothesis may run out of new cases
    assert min(refused, taken) > len(said) / 30


def check_kind(kind: str, count: int, reader: Reader, made: Path, folder: Path) -> None:
    """Fuzz one kind of file."""
    for name, content in (("photo.png", png(IMAGE)), ("trimap.png", png(TRIMAP)), ("alpha.png", png(TRIMAP))):
        (folder / name).write_bytes(content)

    def read_one(content: object) -> str:
        assert isinstance(content, bytes)
        (folder / "damaged").write_bytes(content)
        return reader.read(kind, folder)

    def read_table_case(case: object) -> str:
        name, content = case
        original = (made / name).read_bytes()
        try:
            (made / name).write_bytes(content)
            if hashlib.sha256(content).digest()[0] > 25:  # a tenth keeps the hash of before
                write_hash(made / name)
            return reader.read("table", made)
        finally:
            (made / name).write_bytes(original)
            write_hash(made / name)

    def read_folder_case(case: object) -> str:
        name, content, forged = case
        copy = folder / "copy"
        shutil.rmtree(copy, ignore_errors=True)
        shutil.copytree(made / ("features" if kind == "cache" else "student"), copy)
        (copy / name).write_bytes(content)
        if forged:
            forge(copy, name)
        return reader.read(kind, copy)

    files = {"cache": made / "features", "student": made / "student"}
    strategies = {
        "image": lambda: (damaged(image_seeds(), []), read_one),
        "trimap": lambda: (damaged(trimap_seeds(), []), read_one),
        "request": lambda: (damaged(trimap_seeds(), []), read_one),
        "params": lambda: (damaged([(ROOT / "params.yaml").read_bytes()], YAML), read_one),
        "table": lambda: (table_case(made), read_table_case),
        "cache": lambda: (folder_case(files["cache"]), read_folder_case),
        "student": lambda: (folder_case(files["student"]), read_folder_case),
    }
    fuzz(count, *strategies[kind]())
    assert not (folder / "hacked").exists()


KINDS = ["image", "trimap", "table", "params", "cache", "student", "request"]


@pytest.mark.parametrize("kind", KINDS)
def test_damaged_files_are_read_or_refused(kind: str, reader: Reader, made: Path, tmp_path: Path) -> None:
    check_kind(kind, SHORT, reader, made, tmp_path)


@pytest.mark.nightly
@pytest.mark.parametrize("kind", KINDS)
def test_many_damaged_files_are_read_or_refused(kind: str, reader: Reader, made: Path, tmp_path: Path) -> None:
    check_kind(kind, LONG, reader, made, tmp_path)
