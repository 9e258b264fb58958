"""`erkd doctor`: what is stale, missing, damaged or left over is named, and mended on --fix."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

import pytest

from erkd.doctor.check import Check
from erkd.doctor.damage import find_damage
from erkd.doctor.examine import check_store, examine
from erkd.doctor.pipeline_state import describe_stages, find_scratch, stage_states
from erkd.io.files import InputError, write_json
from erkd.io.tables import LayerRow, read_table
from erkd.tracking.store import connect
from pipeline.common.resume import scratch
from tests.support.project import run
from tests.support.sound_tables import make_sound_tables

KEY = "0123456789abcdef"
STAGES = """
stages:
  library:
    cmd: mkdir -p data && cp -r source data/library
    deps: [source]
    outs: [data/library]
  student:
    cmd: mkdir -p models/student && cp weights models/student/student.safetensors
    deps: [weights]
    outs: [models/student]
"""


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project of two stages, run, in a path that tests copy it from."""
    root = tmp_path_factory.mktemp("finished")
    shutil.move(make_sound_tables(root / "tables") / "library", root / "source")
    (root / "weights").write_bytes(bytes(1000))
    (root / "dvc.yaml").write_text(STAGES)
    (root / ".gitignore").write_text("/data\n/models\n/.erkd\n/mlflow.db*\n/mlartifacts\n")
    run("git init -q -b main && dvc init -q && dvc repro -q && git add -A", root)
    run("git -c user.name=a -c user.email=a@b commit -qm start", root)
    return root


@pytest.fixture
def project(finished: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("DVC_ROOT", "MLFLOW_TRACKING_URI"):
        monkeypatch.delenv(name, raising=False)
    return Path(shutil.copytree(finished, tmp_path / "project"))


def stages(project: Path) -> list[Check]:
    states = stage_states(project)
    assert isinstance(states, dict), states
    return [*describe_stages(project, states)]


def wrong(checks: Iterable[Check]) -> list[Check]:
    return [check for check in checks if check.mend]


def doctor(project: Path, *options: str) -> tuple[int, str]:
    """Exit code and output of the command."""
    command = [sys.executable, "-m", "erkd.cli", "doctor", *options]
    done = subprocess.run(command, cwd=project, capture_output=True, text=True, check=False)
    assert "Traceback" not in done.stderr
    return done.returncode, done.stdout


def test_a_further_pipeline_counts_once_it_has_been_run(project):
    (project / "more").mkdir()
    stage = "stages: {copy: {cmd: mkdir -p data && cp ../weights data/copy, deps: [../weights], outs: [data/copy]}}"
    (project / "more/dvc.yaml").write_text(stage)
    assert not wrong(stages(project))
    run("dvc repro -q more/dvc.yaml", project)
    assert not wrong(stages(project))
    (project / "more/data").rename(project / "more/elsewhere")  # as in a clone, which has the lock alone
    assert not wrong(stages(project))
    (project / "more/elsewhere").rename(project / "more/data")
    (project / "weights").write_bytes(bytes(2000))
    assert {"stale student", "stale more/dvc.yaml:copy"} == {check.name for check in wrong(stages(project))}


def test_nothing_is_wrong_with_a_finished_project(project: Path) -> None:
    assert [check.found for check in stages(project)] == ["every stage is up to date"]
    assert [check.found for check in find_damage(project)] == ["1 tables and folders are what they were"]
    assert [*find_scratch(project, ())] == []


def test_stale_and_changed_stages_say_what_changed(project: Path) -> None:
    (project / "weights").write_bytes(bytes(999))
    (project / "data/library/more.txt").write_text("mine")
    found = {check.name: check for check in wrong(stages(project))}
    assert {*found} == {"stale student", "changed library"}
    stale, changed = found["stale student"], found["changed library"]
    assert (stale.found, stale.mend, stale.fix) == ("weights modified", "`dvc repro`", None)
    assert changed.found == "data/library is not what the stage wrote"
    assert "dvc repro library" in changed.mend


def test_a_missing_output_comes_back_from_the_cache_or_is_made_anew(project: Path) -> None:
    shutil.rmtree(project / "data/library")
    (missing,) = wrong(stages(project))
    assert (missing.name, missing.found) == ("missing library", "data/library")
    assert missing.fix
    missing.fix()
    assert len(read_table(project / "data/library/library.csv", LayerRow)) == 6
    assert wrong(stages(project)) == []
    shutil.rmtree(project / "data/library")
    shutil.rmtree(project / ".dvc/cache")
    missing, uncached = wrong(stages(project))
    assert (missing.name, missing.found) == ("missing library", "data/library")
    assert missing.mend.endswith("`dvc repro` makes it anew")
    assert missing.fix
    with pytest.raises(InputError, match="data/library: DVC's cache does not have it"):
        missing.fix()
    assert (uncached.name, uncached.mend) == ("uncached student", "`dvc commit student` keeps it again")
    assert uncached.found == "models/student: DVC's cache has it no longer"


def flip(path: Path) -> None:
    """Change one byte behind everybody's back: size and time stay, as when a disk does it."""
    state, content = path.stat(), bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    os.utime(path, ns=(state.st_atime_ns, state.st_mtime_ns))


@pytest.mark.slow
def test_a_flipped_byte_is_found_where_dvc_sees_none_and_taken_back(project: Path) -> None:
    table = project / "data/library/library.csv"
    flip(table)
    code, told = doctor(project)
    assert code == 2
    (line,) = (line for line in told.splitlines() if line.startswith("damaged"))
    assert f"{table}: truncated or changed since it was written" in line
    assert "`erkd doctor --fix` takes it from DVC's cache" in told
    code, told = doctor(project, "--fix")
    assert "-> mended" in told
    assert len(read_table(table, LayerRow)) == 6
    assert not wrong(find_damage(project))
    assert not [*(project / "data").glob(".*.damaged")]


@pytest.mark.slow
def test_what_cannot_be_mended_stays_as_it_is(project: Path) -> None:
    table = project / "data/library/library.csv"
    flip(table)
    damaged = table.read_bytes()
    shutil.rmtree(project / ".dvc/cache")
    code, told = doctor(project, "--fix")
    assert code == 2
    assert "-> not mended" in told
    assert "`dvc repro`" in told
    assert table.read_bytes() == damaged


@pytest.mark.parametrize(
    ("record", "content", "told"),
    [
        ("models/student/student.json", {"sha256": "0"}, "student.safetensors: truncated or changed"),
        ("models/student/student.json", [], "student.json: not the record that it should be"),
        ("models/onnx/onnx.json", {"sha256": "0", "fp16": {"sha256": "0"}}, "student.onnx: no such file"),
        ("models/onnx/onnx.json", {"sha256": "0"}, "onnx.json: not the record of an export"),
        ("models/teacher/teacher.json", {"sha256": {}}, "teacher.json: it holds no sha256_of_the_rest"),
    ],
)
def test_damaged_models_are_named(project: Path, record: str, content: object, told: str) -> None:
    write_json(content, project / record)
    damaged = wrong(find_damage(project))
    assert told in damaged[0].found
    assert damaged[0].bad


def test_scratch_is_kept_while_somebody_may_want_it(project: Path) -> None:
    held, left = project / f".erkd/library-{KEY}", project / f".erkd/student-{KEY}"
    left.mkdir(parents=True)
    (left / "weights").write_bytes(bytes(2_000_000))
    left.with_name(f"{left.name}.lock").touch()
    (project / ".erkd/store.lock").touch()
    with scratch(project, "library", KEY):
        (unfinished,) = find_scratch(project, ["student"])
        assert (unfinished.name, unfinished.mend) == ("unfinished", "`dvc repro` goes on with it")
        assert f"{left}: 2.0 MB" in unfinished.found
        assert [check.name for check in find_scratch(project, None)] == ["unfinished"]
        (left_over,) = find_scratch(project, ())
        assert left_over.name == "left over"
        assert left_over.fix
        left_over.fix()
        assert held.is_dir()
    assert [path.name for path in (project / ".erkd").iterdir()] == ["store.lock"]


@pytest.mark.slow
def test_a_moved_store_says_how_it_finds_its_artifacts_again(project: Path) -> None:
    client, experiment = connect(project)
    run_id = client.create_run(experiment).info.run_id
    client.log_artifact(run_id, str(project / "weights"), "student")
    assert not check_store(project).mend
    copied = check_store(Path(shutil.copytree(project, project.with_name("copied"))))
    assert f"before the project was copied lies in {project / 'mlartifacts'}, what is logged now in" in copied.found
    moved = project.rename(project.with_name("moved"))
    check = check_store(moved)
    assert f"looks for artifacts in {project / 'mlartifacts'}, which is gone" in check.found
    run(check.mend.split("`")[1], moved)
    assert not check_store(moved).mend
    client, _ = connect(moved)
    assert Path(client.download_artifacts(run_id, "student/weights")).read_bytes() == bytes(1000)


def test_a_pipeline_that_dvc_cannot_read_and_a_store_that_is_no_database_are_said(project: Path) -> None:
    (project / "mlflow.db").write_bytes(b"no database" * 100)
    assert "file is not a database" in check_store(project).found
    assert check_store(project).bad
    (project / "dvc.yaml").write_text("stages: [")
    assert "dvc.yaml" in str(stage_states(project))
    found = {check.name: check.found for check in examine(project)}
    assert "`dvc status` does not answer" in found["pipeline"]
    assert found["hashes"] == "1 tables and folders are what they were"


def test_a_folder_that_is_no_project_is_asked_no_such_question(tmp_path: Path) -> None:
    names = [check.name for check in examine(tmp_path)]
    assert names[:3] == ["erkd", "processor", "packages"]
    assert not {"pipeline", "hashes"} & {*names}
