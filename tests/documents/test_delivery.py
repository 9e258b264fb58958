"""The container and the workflow, as far as they can be tested without running them."""

import os
import re
import tomllib

import pytest
import yaml

from tests.support import ROOT

DOCKERFILE = (ROOT / "Dockerfile").read_text(encoding="utf-8")


def test_everything_copied_into_the_image_exists_and_is_let_in():
    let_in = {line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    copied = {source for line in re.findall(r"^COPY (.*)$", DOCKERFILE, re.M) for source in line.split()[:-1]}
    assert "erkd" in copied
    assert [name for name in copied if not (ROOT / name).exists()] == []
    assert copied == let_in


def test_the_image_installs_on_a_given_base_with_pins_and_extras_that_exist():
    assert DOCKERFILE.index("ARG BASE=python:3.1") < DOCKERFILE.index("FROM ${BASE}")
    assert re.search(r'pip install .*-c constraints\.txt "\.\$\{INSTALL:\+\[\$INSTALL\]\}"', DOCKERFILE)
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    named = {name for list_ in re.findall(r"INSTALL=([\w,]+)", DOCKERFILE) for name in list_.split(",")}
    assert {"torch", "pipeline"} <= named
    assert named <= set(extras)


@pytest.mark.parametrize(
    ("name", "events", "command"),
    [("ci", {"push", "pull_request"}, ".ci/run"),
     ("nightly", {"schedule", "workflow_dispatch"}, ".ci/run test-all")],
)  # fmt: skip
def test_a_workflow_runs_what_make_runs(name, events, command):
    workflow = yaml.safe_load((ROOT / f".github/workflows/{name}.yml").read_text())
    job = workflow["jobs"]["test"]
    assert [step["run"] for step in job["steps"] if "run" in step][-1] == command
    assert set(workflow[True]) == events  # YAML reads `on` as true
    target = command.partition(" ")[2] or "test"
    assert re.search(rf"^{target}:", (ROOT / "Makefile").read_text(encoding="utf-8"), re.M)
    assert 'make "${1:-test}"' in (ROOT / ".ci/run").read_text(encoding="utf-8")
    assert os.access(ROOT / ".ci/run", os.X_OK)


def test_every_supported_python_is_tested_and_named():
    job = yaml.safe_load((ROOT / ".github/workflows/ci.yml").read_text())["jobs"]["test"]
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    assert all(python in readme for python in job["strategy"]["matrix"]["python"])
