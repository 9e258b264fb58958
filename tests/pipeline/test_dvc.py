"""dvc.yaml says what is true: every stage depends on the code that its outputs come from."""

import re
from pathlib import Path

import grimp
import pytest
import yaml

from tests.support import ROOT

GRAPH = grimp.build_graph("erkd", "pipeline", exclude_type_checking_imports=True, cache_dir=None)


def local_files(module: str) -> set[Path]:
    """The files of this project that importing `module` runs, every `__init__.py` on the way among them."""
    found, waiting = set(), {module}
    while waiting:
        name = waiting.pop()
        parents = {name.rsplit(".", depth)[0] for depth in range(1, name.count(".") + 1)}
        found.add(name)
        waiting |= (parents | GRAPH.find_modules_directly_imported_by(name)) - found
    files = (Path(*name.split(".")) for name in found)
    return {file / "__init__.py" if (ROOT / file).is_dir() else file.with_suffix(".py") for file in files}


def stages_of(folder: str) -> dict:
    """By name, without the list of those that a stage is made for."""
    found = yaml.safe_load((ROOT / folder / "dvc.yaml").read_text(encoding="utf-8"))["stages"]
    return {name: stage.get("do", stage) for name, stage in found.items()}


STAGES, ABLATION, RELEASE = map(stages_of, ("", "ablation", "release"))
EVERY = STAGES | {
    f"{folder} {name}": stage
    for folder, stages in (("ablation", ABLATION), ("release", RELEASE))
    for name, stage in stages.items()
}

START = r"(?:-m|\$\{launch\.\w+\})"
NO_BYTES = [  # what a stage imports and dvc.yaml leaves out, since it cannot change a byte of an output
    "erkd/__init__.py", "erkd/params.py", "erkd/telemetry.py", "erkd/tracking",
    "erkd/runtime/__init__.py", "erkd/runtime/cluster.py", "erkd/runtime/cluster_worker.py",
    "erkd/runtime/numba_cache.py", "erkd/runtime/openmp.py",
    "erkd/runtime/parallel.py", "erkd/runtime/project.py", "erkd/runtime/signals.py", "erkd/runtime/threads.py",
    "erkd/data/__init__.py", "erkd/data/sources/__init__.py", "erkd/evaluation/__init__.py",
    "erkd/experiments/__init__.py", "erkd/inference/__init__.py", "erkd/report/__init__.py",
    "pipeline/__init__.py", "pipeline/ablation/__init__.py",
    "pipeline/common/__init__.py", "pipeline/common/resume.py", "pipeline/common/stage.py",
]  # fmt: skip


def test_the_stages_of_the_design_are_there():
    assert {
        "library", "composite", "trimap", "validate", "baselines", "teacher", "features", "distill",
        "evaluate", "export", "register", "report", "wrong_trimaps", "robustness",
    } <= set(STAGES)  # fmt: skip


@pytest.mark.parametrize("name", EVERY)
def test_code_deps_cover_the_imports(name):
    stage = EVERY[name]
    module = re.search(rf"{START} (pipeline[\w.]+)", stage["cmd"]).group(1)
    declared = [dep for dep in stage["deps"] if dep.startswith(("erkd/", "pipeline/"))]
    imported = {file.as_posix() for file in local_files(module)}
    lacking = {file for file in imported if not _is_below(file, [*declared, *NO_BYTES])}
    assert lacking == set(), f"dvc.yaml, stage {name}"
    unused = [dep for dep in declared if not any(_is_below(file, [dep]) for file in imported)]
    assert unused == [], f"dvc.yaml, stage {name}"


def _is_below(file: str, places: list[str]) -> bool:
    return any(file == place or file.startswith(f"{place}/") for place in places)


def _code(name: str) -> list[str]:
    return [dep for dep in STAGES[name]["deps"] if dep.startswith(("erkd/", "pipeline/"))]


@pytest.mark.parametrize(
    ("changed", "stages"),
    [
        ("erkd/report/page.py", {"library", "teacher", "features", "distill", "baselines", "evaluate"}),
        ("erkd/doctor/examine.py", set(STAGES)),
        ("erkd/demo/server.py", set(STAGES)),
        ("erkd/cli.py", set(STAGES)),
        ("erkd/students/decoder.py", {"library", "composite", "trimap", "baselines", "teacher", "features"}),
        ("erkd/export/onnx.py", {"teacher", "features", "distill"}),
    ],
)
def test_what_a_change_does_not_rerun(changed, stages):
    assert {name for name in stages if _is_below(changed, _code(name))} == set()


def test_a_changed_decoder_trains_the_student_again():
    assert _is_below("erkd/students/decoder.py", _code("distill"))


def test_every_section_of_params_steers_a_stage():
    used = {param.split(".")[0] for stage in STAGES.values() for param in stage.get("params", [])}
    used |= {section for stage in STAGES.values() for section in re.findall(r"\$\{(\w+)\.\w+\}", stage["cmd"])}
    sections = set(yaml.safe_load((ROOT / "params.yaml").read_text(encoding="utf-8")))
    assert sections == used


def test_everything_after_validation_depends_on_its_verdict():
    for name in ("teacher", "features", "distill", "baselines", "wrong_trimaps"):
        assert "reports/validation.json" in STAGES[name]["deps"], name


@pytest.mark.parametrize("name", sorted(STAGES.keys() & ABLATION.keys()))
@pytest.mark.parametrize(("root", "stages"), [("ablation", ABLATION), ("release", RELEASE)])
def test_experiment_and_release_share_the_stages_of_the_pipeline(root, stages, name):
    """Under their own folders, with the same dependencies, settings and outputs."""
    ours, theirs = STAGES[name], stages[name]
    assert theirs["cmd"] == f"{ours['cmd']} --root {root}"
    assert theirs["deps"] == [
        dep if dep.startswith(("erkd/", "pipeline/", "data/photographs")) else f"{root}/{dep}" for dep in ours["deps"]
    ]
    outs = [*ours.get("outs", []), *(next(iter(metric)) for metric in ours.get("metrics", []))]
    assert theirs["outs"] == [{f"{root}/{out}": {"cache": False}} for out in outs]
    assert theirs["params"] == [{f"{root}/params.yaml": ours["params"]}]


@pytest.mark.parametrize("stages", [ABLATION, RELEASE], ids=["ablation", "release"])
def test_only_the_pipeline_keeps_outputs_in_the_cache(stages):
    """Of a cached output that was never made, a plain `dvc checkout`, `pull` or `exp apply` fails."""
    for stage in stages.values():
        assert all(settings["cache"] is False for out in stage["outs"] for settings in out.values())


def test_trials_depend_on_every_setting_of_training():
    """All sections but those of other stages; `seed` comes from the trial."""
    other = {
        "seed", "data", "composite", "validate", "baselines", "wrong_trimaps", "teacher", "evaluate", "export",
        "register", "report",
    }  # fmt: skip
    sections = set(yaml.safe_load((ROOT / "ablation/params.yaml").read_text(encoding="utf-8")))
    for name in ("trial", "matting_teacher"):
        used = {key.split(".")[0] for key in ABLATION[name]["params"][0]["ablation/params.yaml"]}
        assert used == sections - other


def test_folders_that_dvc_ignores():
    assert "__pycache__/" in Path(ROOT / ".dvcignore").read_text(encoding="utf-8")
