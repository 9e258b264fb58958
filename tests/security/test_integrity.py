"""A flipped byte and a missing end are found in every cache, table and file of weights, before it is used."""

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import mlflow
import numpy as np
import pytest

from erkd.data.validation.facts import ROW_TYPES, read_frame
from erkd.export.onnx import export_student
from erkd.features.cache import open_features
from erkd.inference.engines import onnx_engine
from erkd.io.files import InputError, read_json, read_record, write_hash, write_json, write_record
from erkd.io.tables import TrimapRow, read_table
from erkd.params import ExportParams
from erkd.students.student import load_student
from erkd.teachers.bootstrap.tune import build, model_config
from erkd.teachers.teacher import load_teacher, save_teacher
from erkd.tracking.fetch import fetch
from tests.support.exported import make_student
from tests.support.sound_tables import make_sound_files, table_paths
from tests.support.teachers import TEACHER_PARAMS

FLIPS = 12  # places in a file, its first and last byte among them


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One folder with every kind of file, as the stages write them."""
    root = make_sound_files(tmp_path_factory.mktemp("made"))
    export_student(make_student(), root / "onnx", ExportParams(opset=18, tolerance=1e-4), "0" * 64)
    settings = {"source": "bootstrap", "output_stride": 16, "prompts": ["a net"], "vocabulary": ["a net"]}
    save_teacher(root / "teacher", build(TEACHER_PARAMS, seed=0), model_config(TEACHER_PARAMS), settings)
    return root


CACHE = "features.json", "composites.npy", "composites.basis.npy", "composites.csv", "text.npy", "vocabulary.npy"
TEACHER = "teacher.json", "open_clip_config.json", "open_clip_model.safetensors"
USES: dict[str, Callable[[Path], object]] = {
    **{
        path.relative_to("/").as_posix(): lambda root, name=name: read_table(table_paths(root)[name], ROW_TYPES[name])
        for name, path in table_paths(Path("/")).items()
    },
    **{f"features/{name}": lambda root: open_features(root / "features") for name in CACHE},
    "student/student.safetensors": lambda root: load_student(root / "student"),
    "onnx/student.onnx": lambda root: onnx_engine(root / "onnx/student.onnx"),
    "onnx/student.fp16.onnx": lambda root: onnx_engine(root / "onnx/student.fp16.onnx"),
    **{f"teacher/{name}": lambda root: load_teacher(root / "teacher") for name in TEACHER},
}


@pytest.mark.parametrize("name", USES)
def test_a_flipped_byte_and_a_missing_end_are_named(made: Path, tmp_path: Path, name: str) -> None:
    shutil.copytree(made / Path(name).parent, tmp_path / Path(name).parent)
    file, use = tmp_path / name, USES[name]
    content = file.read_bytes()
    places = sorted({*np.linspace(0, len(content) - 2, FLIPS).astype(int)})  # the last is a line's end
    damaged = [content[:place] + bytes([content[place] ^ 0x10]) + content[place + 1 :] for place in places]
    for bad in [*damaged, content[: len(content) // 2], content[:-2], b""]:
        file.write_bytes(bad)
        with pytest.raises(InputError) as caught:
            use(tmp_path)
        told = str(caught.value)
        assert told.startswith(f"{file}: ")
        assert "\n" not in told
        assert any(word in told for word in ("changed since it was written", "not JSON", "it holds no")), told
        assert "`" in told or "anew" in told or "not JSON" in told  # how to mend it
    file.unlink()
    with pytest.raises(InputError, match="no such"):
        use(tmp_path)
    file.write_bytes(content)
    use(tmp_path)


def test_a_table_that_was_changed_on_purpose_is_taken_with_its_hash(made: Path, tmp_path: Path) -> None:
    shutil.copytree(made / "trimaps", tmp_path / "trimaps")
    table = table_paths(tmp_path)["trimaps"]
    table.write_text(table.read_text().replace("train-0", "train-9"))
    mend = r"trimaps\.csv: .* run `sha256sum trimaps.csv > trimaps.csv.sha256`"
    for read in (lambda: read_frame(table), lambda: read_table(table, TrimapRow)):
        with pytest.raises(InputError, match=mend):
            read()
    write_hash(table)
    assert read_table(table, TrimapRow)[0].sample_id == "train-9"
    table.with_name("trimaps.csv.sha256").unlink()
    absent = r"trimaps\.csv\.sha256: no such file, so trimaps.csv cannot be trusted"
    with pytest.raises(InputError, match=absent):
        read_table(table, TrimapRow)


def test_hashes_are_what_sha256sum_reads(made: Path) -> None:
    note = table_paths(made)["library"].with_name("library.csv.sha256")
    subprocess.run(["sha256sum", "--check", "--strict", note.name], cwd=note.parent, check=True)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda record: record["config"].update(width=24), "not the shape of its weights"),
        # no such memory
        (lambda record: record["config"].update(width=10**7), "not the shape of its weights"),
        (lambda record: record["config"].update(backbone="../../x"), "not the shape of its weights"),
        (lambda record: record["config"].update(size=3), "not a student's record"),
        (lambda record: record.pop("sha256"), "not a student's record"),
        (lambda record: record.update(sha256=None), "changed since it was written"),
    ],
)
def test_a_students_record_that_does_not_fit_is_named(
    made: Path, tmp_path: Path, change: Callable[[dict], object], told: str
) -> None:
    shutil.copytree(made / "student", tmp_path / "student")
    record = read_json(tmp_path / "student/student.json")
    change(record)
    write_json(record, tmp_path / "student/student.json")
    with pytest.raises(InputError, match=told) as caught:
        load_student(tmp_path / "student")
    assert "\n" not in str(caught.value)


def test_an_export_without_its_record_is_taken_and_a_broken_record_is_not(made: Path, tmp_path: Path) -> None:
    shutil.copytree(made / "onnx", tmp_path / "onnx")
    write_json({"sha256": 1}, tmp_path / "onnx/onnx.json")
    with pytest.raises(InputError, match=r"onnx\.json: not the record of an export"):
        onnx_engine(tmp_path / "onnx/student.onnx")
    (tmp_path / "onnx/onnx.json").unlink()
    onnx_engine(tmp_path / "onnx/student.onnx")


def test_a_record_survives_another_layout_and_no_other_content(tmp_path: Path) -> None:
    path = tmp_path / "record.json"
    write_record({"b": [1, 0.1], "a": "ä"}, path)
    write_json(dict(reversed(read_json(path).items())), path)
    assert read_record(path, "mend") == {"a": "ä", "b": [1, 0.1]}
    write_json(read_json(path) | {"a": "b"}, path)
    with pytest.raises(InputError, match=r"record\.json: changed since it was written; mend"):
        read_record(path, "mend")


def test_a_registered_file_that_was_damaged_is_neither_fetched_nor_served(
    made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from erkd.tracking.registry import register
    from tests.support.registered import NAME, candidate_of

    monkeypatch.setenv("DVC_ROOT", str(tmp_path))
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    onnx = made / "onnx/student.onnx"
    register(tmp_path, NAME, candidate_of(onnx), False, True)
    address = f"models:/{NAME}@champion"
    assert fetch(address, tmp_path).read_bytes() == onnx.read_bytes()
    mlflow.pyfunc.load_model(address)
    (stored,) = (tmp_path / "mlartifacts").rglob("student.onnx")
    content = bytearray(stored.read_bytes())
    content[len(content) // 2] ^= 1
    stored.write_bytes(content)
    with pytest.raises(InputError, match=r"student\.onnx: truncated or changed .* `dvc repro -sf register`"):
        fetch(address, tmp_path)
    with pytest.raises(mlflow.MlflowException, match="truncated or changed since it was written"):
        mlflow.pyfunc.load_model(address)
