"""Imports go one way, and slow or optional packages have one importer each."""

from itertools import product

import pytest

from tests.support.imports import ROOT, external_packages, imported_modules, local_files

MODULES = sorted(
    ".".join(file.relative_to(ROOT).with_suffix("").parts) for file in (ROOT / "erkd").rglob("*.py")
)
HEAVY = {"open_clip", "mlflow", "dvc", "great_expectations"}


@pytest.mark.parametrize("package", ["open_clip", "mlflow", "great_expectations", "pymatting"])
def test_a_heavy_package_has_few_importers(package):
    owners = {
        "open_clip": ("erkd/teachers/",),
        "mlflow": ("erkd/tracking/", "erkd/inference/served_model.py"),
        "great_expectations": ("erkd/data/validation/suite.py",),
        "pymatting": ("erkd/evaluation/baselines.py", "erkd/data/sources/alphamatting.py"),
    }[package]
    importers = [
        file.relative_to(ROOT).as_posix()
        for file in (ROOT / "erkd").rglob("*.py")
        if any(name.split(".")[0] == package for name in imported_modules(file))
    ]
    assert importers
    assert [file for file in importers if not file.startswith(owners)] == []


@pytest.mark.parametrize(
    ("module", "package"), [*product(["erkd.inference.predict", "erkd.training.loop"], sorted(HEAVY))]
)
def test_prediction_and_training_need_no_pipeline_tools(module, package):
    assert package not in external_packages(module)


def test_nothing_imports_in_a_circle_or_upwards():
    """No module of erkd is among the files that its own imports run."""
    for module in MODULES:
        own = ROOT.joinpath(*module.split(".")).with_suffix(".py")
        if own.name == "__init__.py":
            continue
        below = set().union(
            *(local_files(name) for name in imported_modules(own) if name.split(".")[0] == "erkd"), set()
        )
        assert own.relative_to(ROOT) not in below, module
        assert not any(file.parts[0] == "pipeline" for file in below), module


def test_only_stages_load_params():
    users = [
        file.relative_to(ROOT).as_posix()
        for file in (ROOT / "erkd").rglob("*.py")
        if "erkd.params.load_params" in imported_modules(file)
    ]
    # `make mlflow-sync` has no stage around it
    assert set(users) <= {"erkd/tracking/training_run.py"}
