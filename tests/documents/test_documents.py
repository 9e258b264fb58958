"""What documents name exists, every command of theirs is run by a test, and they keep to their size."""

import re
import tomllib

import pytest
from ruamel.yaml import YAML

from tests.support import ROOT
from tests.support.documents import commands

DOCUMENTS = sorted((*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")))
DECISIONS = sorted((ROOT / "docs/decisions").glob("[0-9]*.md"))
FOLDERS = "erkd|pipeline|tests|benchmarks|docs|ablation|release|presets"
PARAMS = YAML(typ="safe").load(ROOT / "params.yaml")

STAGES, PROJECT = "tests/pipeline/test_stages.py", "tests/support/project.py"
WALKS = "tests/documents/test_walkthroughs.py"
RUN_WHOLE = {  # the documents whose every shell block a test runs
    "docs/guides/ablation.md": "tests/experiments/test_ablation.py",
    "docs/guides/benchmarks.md": "tests/experiments/test_presets.py",
    "docs/guides/cluster.md": "tests/pipeline/test_cluster.py",
    "docs/guides/engineer.md": WALKS,
    "docs/guides/masks.md": "tests/inference/test_matte_command.py",
    "docs/guides/own-data.md": WALKS,
    "docs/guides/photographer.md": "tests/documents/test_light_install.py",
    "docs/guides/researcher.md": WALKS,
    "docs/guides/scoring.md": STAGES,
}
RUN_ELSEWHERE = {
    "make repro": "tests/conftest.py, before all that needs its outputs",
    "make test": "what runs this",
    "make test-fast": "a part of what runs this",
    "make test-all": "what runs this, and more",
    "make lint": "a part of `make test`",
    "make ui": f"{STAGES}, at another port",
    "source .venv/bin/activate": f"{PROJECT} puts the environment's bin first",
    "erkd demo": "tests/demo/test_server.py, at another port",
    "for stage in library composite trimap teacher features; "
    "do python -m pipeline.$stage --root release; done": "stages that `make repro` runs, on release/params.yaml",
    "python -m pipeline.release --root release --trial small --minutes 9": "an hour; tests/experiments",
    "make release MINUTES=30": "hours; tests/experiments",
}
USES = "erkd matte", "erkd export", "erkd doctor"  # run one by one, whatever stands behind them


def text_of(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_what_a_document_names_exists(document):
    text = document.read_text(encoding="utf-8")
    links = re.findall(r"\]\((?!https?:)([^)#]+)", text)
    assert [link for link in links if not (document.parent / link).exists()] == []
    if document.name == "CHANGELOG.md" or document.parent.name == "lab-notes":  # these name what was, too
        return
    prose = re.sub(r"```.*?```", "", text, flags=re.S)
    code = re.findall(r"`([^`\n]+)`", prose)
    paths = [path for path in code if re.fullmatch(rf"(?:{FOLDERS})/[\w./-]*", path)]
    made = [path for path in paths if re.search(r"NAME|STAGE|FOLDER|MODULE", path)]
    assert [path for path in paths if path not in made and not (ROOT / path).exists()] == []
    assert [path for path in made if not (ROOT / path).parent.parent.exists()] == []
    settings = [name for name in code if re.match(rf"({'|'.join(PARAMS)})\.\w", name)]
    assert [name for name in settings if not is_setting(name.split(":")[0])] == []
    modules = re.findall(r"python -m ((?:benchmarks|pipeline)(?:\.\w+)+)", text)
    assert [name for name in modules if not (ROOT / f"{name.replace('.', '/')}.py").exists()] == []


def is_setting(name: str) -> bool:
    """Whether `params.yaml` has a setting of this dotted name, or it is the name of a file."""
    value = PARAMS
    for key in name.split("."):
        if not isinstance(value, dict) or key not in value:
            return name.endswith((".json", ".csv", ".npy", ".py", ".onnx"))
        value = value[key]
    return True


@pytest.mark.parametrize("document", [path.relative_to(ROOT).as_posix() for path in DOCUMENTS])
def test_a_test_runs_every_command(document):
    if document in RUN_WHOLE:
        assert document.rsplit("/", 1)[1] in text_of(RUN_WHOLE[document])
        return
    sources = text_of(STAGES) + text_of("tests/conftest.py")
    light = commands(ROOT / "docs/guides/photographer.md")
    for command in commands(ROOT / document):
        known = command in RUN_ELSEWHERE or command in light or f'"{command}"' in sources
        assert known or (document == "README.md" and command.startswith(USES)), command


def test_targets_of_make_exist():
    targets = set(re.findall(r"^([a-z-]+):", text_of("Makefile"), re.M))
    texts = "\n".join(path.read_text(encoding="utf-8") for path in DOCUMENTS)
    named = set(re.findall(r"\bmake ([a-z]+(?:-[a-z]+)*)`", texts))
    assert {"setup", "repro", "test"} <= named
    assert named - targets == set()


def test_the_readme_is_short_and_its_map_is_the_tree_in_the_order_of_imports():
    readme = text_of("README.md")
    assert len(readme.splitlines()) <= 150
    shown = re.findall(r"^\| `(\w+)` \|", readme.split("## Map of erkd/")[1].split("\n## ")[0], re.M)
    folders = {path.name for path in (ROOT / "erkd").iterdir() if path.is_dir()} - {"__pycache__"}
    assert set(shown) == folders
    contracts = tomllib.loads(text_of("pyproject.toml"))["tool"]["importlinter"]["contracts"]
    layers = next(one["layers"] for one in contracts if one["type"] == "layers" and one["containers"] == ["erkd"])
    height = {name.strip(): number for number, layer in enumerate(layers) for name in layer.split("|")}
    heights = [height[name] for name in shown if name in height]
    assert heights == sorted(heights, reverse=True)


@pytest.mark.parametrize("record", DECISIONS, ids=lambda path: path.stem)
def test_a_decision_is_short_and_says_its_status_and_evidence(record):
    text, number = record.read_text(encoding="utf-8"), record.name[:3]
    assert number == f"{DECISIONS.index(record) + 1:03}"  # without a gap
    assert 10 <= len(text.splitlines()) <= 25
    assert text.startswith(f"# {number} ")
    status = re.search(r"^Status: (accepted|rejected|superseded by (\d{3})), \d{4}-\d\d-\d\d", text, re.M)
    assert status
    assert status[2] is None or any(other.name.startswith(status[2]) for other in DECISIONS)
    assert all(f"**{part}.**" in text for part in ("Context", "Decision", "Evidence"))
    assert text_of("docs/decisions/README.md").count(f"]({record.name}) {text.splitlines()[0][6:]}") == 1
