"""Every command of the guides, run in order, as a reader would."""

import base64
import json
import socket
import subprocess
import time
import urllib.request
from contextlib import contextmanager

import numpy as np
import pytest
from PIL import Image
from ruamel.yaml import YAML

from tests.support import ROOT
from tests.support.documents import blocks, section
from tests.support.project import copy_of, merge, run, stages_run
from tests.support.served import IMAGE, TRIMAP, ask, huge_header, png_text, records

pytestmark = pytest.mark.nightly
GUIDES = ROOT / "docs/guides"


@pytest.fixture(scope="module")
def home(project, tmp_path_factory):
    """A colleague's copy of a finished project, with a photo and its trimap in it."""
    folder = copy_of(project, tmp_path_factory.mktemp("walk") / "erkd")
    assert stages_run(run("dvc repro", folder)) == ["register"]  # its own MLflow store
    Image.fromarray(IMAGE).save(folder / "photo.png")
    Image.fromarray(TRIMAP).save(folder / "trimap.png")
    return folder


def script(lines: list[str]) -> str:
    """Shell blocks as one script that ends at the first failure."""
    return "\n".join(["set -eo pipefail", *lines])


@contextmanager
def running(command: str, folder, port: int):
    """A server that a shell command starts, from its first answer to the end of the block."""
    with (folder / "server.log").open("w") as log:
        parts = ["bash", "-c", command]
        server = subprocess.Popen(parts, cwd=folder, stdout=log, stderr=log, start_new_session=True)
    try:
        for _ in range(240):
            assert server.poll() is None, (folder / "server.log").read_text()
            try:
                urllib.request.urlopen(f"http://127.0.0.1:{port}/ping", timeout=5)
                break
            except OSError:
                time.sleep(0.5)
        yield
    finally:
        subprocess.run(["bash", "-c", f"kill -- -{server.pid}"], check=False)
        server.wait()


def bad_requests() -> dict[str, bytes]:
    """Request bodies by a part of what has to be said about them."""
    image, trimap = png_text(IMAGE), png_text(TRIMAP)
    return {
        "a trimap or a mask is expected": records(image=image),
        "missing inputs ['image']": records(trimap=trimap),
        "not base64 text": records(image="%%%", trimap=trimap),
        "image: not a readable image": records(image=base64.b64encode(b"junk").decode(), trimap=trimap),
        "9000 x 9000 pixels; at most": records(image=huge_header(), trimap=trimap),
        "50 x 70 (height x width) is expected; found 40 x 70": records(image=image, trimap=png_text(TRIMAP[:40])),
        "valid JSON": b"{hello",
        "JSON dictionary": b"[1]",
        "exactly one of the input fields": b"{}",
        "same length": json.dumps({"inputs": {"image": [image, image], "trimap": [trimap]}}).encode(),
    }


def test_the_served_champion_answers_curl_and_survives_bad_requests(home):
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    address = f"http://127.0.0.1:{port}"
    shown = section(GUIDES / "engineer.md", "As a service")
    server, client = (text.replace("5001", str(port)) for text in shown)
    start = f"export PATH={ROOT / '.venv/bin'}:$PATH MLFLOW_ALLOW_PICKLE_DESERIALIZATION=false\n"
    with running(start + server, home, port):
        run(script([client]), home)
        alpha = np.asarray(Image.open(home / "alpha.png"))
        assert alpha.shape == TRIMAP.shape
        known = TRIMAP != 128
        assert (alpha[known] == TRIMAP[known]).all()
        for told, body in bad_requests().items():
            status, answer = ask(address, body, 60)
            assert (status, told in answer["message"]) == (400, True), (told, answer)
            assert "INVALID_PARAMETER_VALUE" in (answer["error_code"], answer.get("error_class"))
            assert not answer.get("stack_trace"), told
            assert not {"Traceback", "site-packages", ".py"} & set(answer["message"].split())
        status, answer = ask(address, (home / "request.json").read_bytes(), 60)
        assert (status, answer) == (200, json.loads((home / "answer.json").read_text()))


def test_an_engineers_commands(home):
    (home / "use.py").write_text(blocks(GUIDES / "engineer.md", "python")[0] + "\nprint(alpha.shape)\n")
    assert run("PYTHONPATH=. python use.py", home) == "(50, 70)\n"
    run(script(section(GUIDES / "engineer.md", "In continuous integration")), home)


def test_a_researchers_experiment_reaches_a_colleague(home, tmp_path):
    lab, storage = tmp_path / "lab.git", tmp_path / "storage"
    run(f"git init -q --bare -b main {lab}", home)
    first = student(home)
    run(script(blocks(GUIDES / "researcher.md", "sh")), home, LAB=str(lab), STORAGE=str(storage))
    colleague = home / "colleague"
    assert YAML().load(colleague / "params.yaml")["kd"]["weight"] == 0.5
    assert student(colleague) == student(home) != first
    run("git checkout -q . && dvc checkout", colleague)
    assert student(colleague) == first
    run("git checkout -q . && dvc checkout", home)


def student(folder) -> bytes:
    return (folder / "models/student/student.safetensors").read_bytes()


def draw_pictures(folder):
    """Six cut-outs of red balls and six backgrounds of noise."""
    for name in ("cutouts", "backgrounds"):
        (folder / name).mkdir()
    rows, columns = np.mgrid[:80, :80]
    for number in range(6):
        alpha = np.clip((24 + number - np.hypot(rows - 40, columns - 40 - number)) / 6, 0, 1)
        colour = np.full((80, 80, 3), (200, 60, 30 * number))
        cutout = np.dstack([colour, alpha * 255]).astype(np.uint8)
        Image.fromarray(cutout).save(folder / f"cutouts/red ball {number}.png")
        noise = np.random.default_rng(number).integers(0, 255, (100, 90, 3), np.uint8)
        Image.fromarray(noise).save(folder / f"backgrounds/{number}.png")


def test_own_cutouts_become_a_registered_student(home):
    guide = GUIDES / "own-data.md"
    start, train, again = blocks(guide, "sh")
    draw_pictures(home)
    run(script([start]), home)
    yaml = YAML()
    params = yaml.load(home / "params.yaml")
    merge(params, YAML(typ="safe").load(blocks(guide, "yaml")[0]))
    yaml.dump(params, home / "params.yaml")
    output = run(script([train]), home)
    assert "my-student version 1: it is the first champion" in output
    record = json.loads((home / "models/student/student.json").read_text())["training"]
    given = json.loads((home / "models/start/student.json").read_text())
    assert record["init_from_sha256"] == given["sha256"]
    library = (home / "data/library/library.csv").read_text()
    assert "red ball 0" in library
    assert stages_run(run(script([again]), home)) == ["library"]  # the same pictures
