"""Nothing that comes from outside is run, no path leads out of its folder, no small file asks for much memory."""

import base64
import io
import json
import os
import pickle
import re
import resource
import struct
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from erkd.data.validation.facts import read_frame
from erkd.features.cache import open_features
from erkd.inference.engines import onnx_engine
from erkd.io.files import InputError, read_json, sha256, write_hash, write_json, write_record
from erkd.io.tables import TrimapRow, read_table, resolve, write_table
from erkd.params import load_params
from erkd.students.student import load_student, save_student
from erkd.tracking.fetch import fetch
from erkd.tracking.store import connect
from tests.support import ROOT
from tests.support.demo_site import photo_and_trimap, png
from tests.support.fuzzing import promising
from tests.support.students import small_student
from tests.support.teachers import TEACHER_PARAMS

SOURCES = [*sorted((ROOT / "erkd").rglob("*.py")), *sorted((ROOT / "pipeline").rglob("*.py"))]


def lines_with(*words: str) -> list[str]:
    """The lines of the project's code that hold one of some words; what can be told from calls, ruff finds."""
    lines = [line.strip() for file in SOURCES for line in file.read_text(encoding="utf-8").splitlines()]
    return [line for line in lines if any(word in line for word in words)]


def test_no_option_runs_what_a_file_holds_and_every_image_is_opened_in_a_format_that_is_named() -> None:
    """Pillow would start Ghostscript for PostScript, whatever a file is called."""
    assert lines_with("np.load(", "torch.load(", "YAML(")
    assert not lines_with("allow_pickle=True", "weights_only=False", "trust_remote_code=True", 'typ="unsafe"')
    opened = lines_with("Image.open(")
    assert len(opened) >= 4
    assert [line for line in opened if "formats=" not in line] == []


RUNS = [
    "import pickle", "from cloudpickle import loads", "torch.load(f)", "joblib.load(f)", "yaml.load(f)",
    "pd.read_pickle(f)", "eval(text)", "exec(text)", "subprocess.run(c, shell=True)", "os.system(c)",
]  # fmt: skip


def test_ruff_finds_every_line_that_unpickles_or_runs_text() -> None:
    text = "\n".join(["import joblib, os, subprocess, torch, yaml; import pandas as pd", *RUNS, ""])
    command = [sys.executable, "-m", "ruff", "check", "--output-format=json", "--stdin-filename=erkd/any.py", "-"]
    done = subprocess.run(command, cwd=ROOT, input=text, capture_output=True, text=True, check=False)
    found = {one["location"]["row"] - 1 for one in json.loads(done.stdout) if re.match(r"S\d|TID", one["code"])}
    assert found == {*range(1, 1 + len(RUNS))}


class Harm:
    """Unpickled, it makes a file."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[Callable[[str], object], tuple[str]]:
        return os.mkdir, (str(self.mark),)


@pytest.fixture
def mark(tmp_path: Path) -> Path:
    return tmp_path / "harmed"


@pytest.fixture
def harm(mark: Path) -> bytes:
    content = pickle.dumps(Harm(mark))
    pickle.loads(content)
    assert mark.is_dir()  # it would work
    mark.rmdir()
    return content


def test_a_pickle_in_place_of_a_model_is_refused(tmp_path: Path, mark: Path, harm: bytes) -> None:
    import torch

    torch_file = io.BytesIO()
    torch.save({"weights": Harm(mark)}, torch_file)
    save_student(small_student(), tmp_path / "student", {})
    for content in (harm, torch_file.getvalue()):
        (tmp_path / "student/student.safetensors").write_bytes(content)
        with pytest.raises(InputError, match="truncated or changed"):
            load_student(tmp_path / "student")
        weights = tmp_path / "student/student.safetensors"
        record = read_json(tmp_path / "student/student.json")
        write_json(record | {"sha256": sha256(weights)}, tmp_path / "student/student.json")
        with pytest.raises(InputError, match="not the shape of its weights"):
            load_student(tmp_path / "student")
        (tmp_path / "student.onnx").write_bytes(content)
        with pytest.raises(InputError, match="not a readable ONNX model"):
            onnx_engine(tmp_path / "student.onnx")
    assert not mark.exists()


def test_a_pickle_in_place_of_a_teacher_is_refused(tmp_path: Path, mark: Path) -> None:
    import torch

    from erkd.teachers.open_clip_models import open_model

    torch.save({"state_dict": Harm(mark)}, tmp_path / "clip.pt")
    given = {"source": "open_clip", "model": "ViT-S-32-alt", "pretrained": str(tmp_path / "clip.pt")}
    params = TEACHER_PARAMS.model_copy(update=given)
    with pytest.raises(InputError, match="cannot load ViT-S-32-alt"):
        open_model(params)
    assert not mark.exists()


def test_pickled_objects_in_a_cache_are_refused(tmp_path: Path, mark: Path, harm: bytes) -> None:
    """Even where all hashes are right."""
    np.save(tmp_path / "text.npy", np.array([Harm(mark)]), allow_pickle=True)
    (tmp_path / "composites.csv").write_text("row,rows,columns,height,width,id\n0,3,3,3,3,a\n")
    np.save(tmp_path / "composites.npy", np.zeros((9, 2), np.float16))
    np.save(tmp_path / "vocabulary.npy", np.zeros((1, 2), np.float32))
    level = {"mean": [0, 0], "shape": [9, 2], "basis": False}
    record = {
        "kinds": {"composites": {"images": "", "levels": {"composites": level}}}, "prompts": ["a"], "teacher": {},
        "vocabulary": ["a"], "settings": {},
    }  # fmt: skip
    for content in ((tmp_path / "text.npy").read_bytes(), harm):
        (tmp_path / "text.npy").write_bytes(content)
        hashes = {path.name: sha256(path) for path in tmp_path.iterdir() if path.suffix != ".json"}
        write_record(record | {"sha256": hashes}, tmp_path / "features.json")
        with pytest.raises(InputError, match=r"text\.npy: not a NumPy array"):
            open_features(tmp_path)
    assert not mark.exists()


def test_a_pickled_model_in_the_registry_is_not_loaded(
    tmp_path: Path, mark: Path, harm: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`erkd matte --model models:/...` takes the ONNX file alone, and MLflow's own loader refuses too."""
    import mlflow

    monkeypatch.setenv("DVC_ROOT", str(tmp_path))
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    client, experiment = connect(tmp_path)
    mlflow.set_tracking_uri(f"sqlite:///{tmp_path}/mlflow.db")
    model = client.create_logged_model(experiment, "evil")
    folder = tmp_path / "evil"
    folder.mkdir()
    (folder / "python_model.pkl").write_bytes(harm)
    flavour = "{loader_module: mlflow.pyfunc.model, python_model: python_model.pkl, python_version: 3.11.0}"
    (folder / "MLmodel").write_text(f"flavors: {{python_function: {flavour}}}\n")
    client.log_model_artifacts(model.model_id, str(folder))
    client.finalize_logged_model(model.model_id, "READY")
    client.create_registered_model("evil")
    client.create_model_version("evil", f"models:/{model.model_id}", model_id=model.model_id)
    with pytest.raises(InputError, match="no ONNX file in this model"):
        fetch("models:/evil/1", tmp_path)
    assert os.environ["MLFLOW_ALLOW_PICKLE_DESERIALIZATION"] == "false"
    with pytest.raises(mlflow.MlflowException, match="using pickle is disallowed"):
        mlflow.pyfunc.load_model("models:/evil/1")
    assert not mark.exists()


@pytest.mark.parametrize("tag", ["!!python/object/apply:os.mkdir ['{}']", "!!python/name:os.mkdir"])
def test_yaml_makes_no_objects(tmp_path: Path, mark: Path, tag: str) -> None:
    path = tmp_path / "params.yaml"
    path.write_text(f"seed: {tag.format(mark)}\n")
    with pytest.raises(InputError, match=r"params\.yaml: "):
        load_params(path)
    assert not mark.exists()


def test_yaml_that_grows_when_it_is_shown_is_refused_in_a_line(tmp_path: Path) -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 30)]
    (tmp_path / "params.yaml").write_text("\n".join(lines))
    with pytest.raises(InputError) as caught:
        load_params(tmp_path / "params.yaml")
    assert len(str(caught.value)) < 20_000


def test_a_path_in_a_table_stays_in_its_folder(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "secret.png").write_bytes(png(photo_and_trimap()[1]))
    table = tmp_path / "data/trimaps.csv"
    (tmp_path / "data/link.png").symlink_to(tmp_path / "secret.png")
    (tmp_path / "data/folder").symlink_to(tmp_path)
    (tmp_path / "data/round").symlink_to(tmp_path / "data/round")
    assert resolve(table, "a/b.png") == tmp_path.resolve() / "data/a/b.png"
    upwards = str(tmp_path / "secret.png"), "../secret.png", "a/../../secret.png"
    for name in (*upwards, "link.png", "folder/secret.png", "round/x.png", "a\0b.png"):
        with pytest.raises(InputError, match=r"trimaps\.csv: the path "):
            resolve(table, name)
    write_table([TrimapRow("a", "train", "link.png", 1, 1, 0.5, 0)], table)
    assert read_frame(table).trimap[0] == "link.png"
    from erkd.data.validation.facts import _look

    assert _look(table, "link.png")[0] == "the path leaves the table's folder"


@pytest.mark.parametrize("name", ["../a", "/a", "a/b", "..", ".a", "a\\b", ""])
def test_an_id_in_a_table_names_a_file_and_no_folder(tmp_path: Path, name: str) -> None:
    """Predictions, trimaps and masks are written under a sample's id."""
    write_table([TrimapRow(name, "train", "a.png", 1, 1, 0.5, 0)], tmp_path / "t.csv")
    with pytest.raises(InputError, match="is no file name"):
        read_table(tmp_path / "t.csv", TrimapRow)


def postscript() -> bytes:
    return b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 10 10\n%%EndComments\n(x) print\n%%EOF\n"


def endless_jpeg() -> bytes:
    """A small file whose last scan is repeated; each goes over all pixels."""
    stream = io.BytesIO()
    Image.new("RGB", (6000, 4000)).save(stream, "JPEG", progressive=True)
    content = stream.getvalue()
    return content[:-2] + content[content.rindex(b"\xff\xda") : -2] * 20_000 + content[-2:]


def wide_tiff() -> bytes:
    """A TIFF that claims one strip of 2^31 rows."""
    stream = io.BytesIO()
    Image.new("L", (8, 8)).save(stream, "TIFF")
    return stream.getvalue().replace(
        struct.pack("<HHI", 257, 4, 1) + struct.pack("<I", 8), struct.pack("<HHII", 257, 4, 1, 2**31 - 1)
    )


def large(mode: str, side: int) -> bytes:
    """Nothing but zeros, in a few thousand bytes."""
    stream = io.BytesIO()
    Image.new(mode, (side, side)).save(stream, "PNG", compress_level=9)
    return stream.getvalue()


BOMBS = {
    "PostScript": (postscript, "not a readable image"),
    "endless JPEG": (endless_jpeg, "a JPEG of 2"),
    "TIFF header": (wide_tiff, "x 2147483647 pixels|not a readable image"),
    "PNG header": (lambda: promising(2**31 - 1, 2**31 - 1), "not a readable image"),
    "PNG header below Pillow's limit": (lambda: promising(13_000, 13_000), "not a readable image"),
    "large bitmap": (lambda: large("1", 14_500), "at most|not a readable image|holds 0|no pixel"),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", BOMBS)
def test_a_bomb_is_refused_within_memory(tmp_path: Path, name: str) -> None:
    make, told = BOMBS[name]
    (tmp_path / "photo.png").write_bytes(make())
    code = f"""
import re
from pathlib import Path
from erkd.io.files import InputError
from erkd.io.image_files import open_image
from erkd.io.images import load_cutout, load_image, load_trimap
for read in (open_image, load_image, load_cutout, load_trimap):
    try:
        read(Path("photo.png"))
    except InputError as error:
        assert re.search({told!r}, str(error)), error
    else:
        assert {name!r} == "large bitmap", read
print(int(re.search(r"VmHWM:\\s+(\\d+)", Path("/proc/self/status").read_text())[1]) // 1024)  # its own peak
"""
    command = [sys.executable, "-W", "ignore", "-c", code]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) < 2048


def test_headers_of_weights_that_promise_more_are_refused(tmp_path: Path) -> None:
    save_student(small_student(), tmp_path, {})
    weights = tmp_path / "student.safetensors"
    absurd = b'{"w":{"dtype":"F32","shape":[1099511627776],"data_offsets":[0,4398046511104]}}'
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for content in (struct.pack("<Q", 2**62), struct.pack("<Q", len(absurd)) + absurd + bytes(8)):
        weights.write_bytes(content)
        record = read_json(tmp_path / "student.json") | {"sha256": sha256(weights)}
        write_json(record, tmp_path / "student.json")
        with pytest.raises(InputError, match="not the shape of its weights"):
            load_student(tmp_path)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 200_000


def test_an_onnx_file_reaches_no_other_file_and_no_absurd_tensor(tmp_path: Path) -> None:
    import onnx
    from onnx import TensorProto

    from tests.support.onnx_student import write_student

    write_student(tmp_path / "m/student.onnx")
    (tmp_path / "secret").write_bytes(bytes(64))
    for location, dims in (("../secret", 16), (str(tmp_path / "secret"), 16), ("", 2**40)):
        model = onnx.load(tmp_path / "m/student.onnx")
        tensor = next(one for one in model.graph.initializer if one.name == "one")
        tensor.ClearField("raw_data")
        tensor.dims[:] = [dims]
        if location:
            tensor.data_location = TensorProto.EXTERNAL
            tensor.external_data.add(key="location", value=location)
            tensor.external_data.add(key="length", value="64")
        else:
            tensor.raw_data = bytes(4)
        (tmp_path / "m/other.onnx").write_bytes(model.SerializeToString())
        with pytest.raises(InputError, match="not a readable ONNX model"):
            onnx_engine(tmp_path / "m/other.onnx")


def test_a_request_to_the_served_model_is_refused_by_its_header() -> None:
    from erkd.inference.served_model import decode

    cut = png(np.zeros((2, 2), np.uint8))[:30]
    for content in (promising(2**31 - 1, 2**31 - 1), promising(60_000, 60_000), postscript(), cut):
        with pytest.raises(InputError, match=r"image: (not a readable image|.* pixels; at most)"):
            decode(base64.b64encode(content).decode(), "image")


def test_hashes_do_not_follow_a_link_out(tmp_path: Path) -> None:
    """A table's own hash file is written beside it, whatever a link says."""
    write_table([TrimapRow("a", "train", "a.png", 1, 1, 0.5, 0)], tmp_path / "t.csv")
    (tmp_path / "elsewhere").write_text("mine")
    (tmp_path / "t.csv.sha256").unlink()
    (tmp_path / "t.csv.sha256").symlink_to(tmp_path / "elsewhere")
    write_hash(tmp_path / "t.csv")
    assert (tmp_path / "elsewhere").read_text() == "mine"
    assert read_table(tmp_path / "t.csv", TrimapRow)[0].sample_id == "a"


def test_an_audit_without_network_is_one_line() -> None:
    nowhere = dict.fromkeys(("https_proxy", "HTTPS_PROXY"), "http://127.0.0.1:9")
    done = subprocess.run(
        ["make", "audit"], cwd=ROOT, env=os.environ | nowhere, capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert "pypi.org cannot be reached from here" in done.stderr
