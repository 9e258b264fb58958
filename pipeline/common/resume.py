"""What survives a kill: a folder outside the stages' outputs, named by everything the result rests on.

DVC deletes a stage's outputs before it runs, so finished work is kept in `.erkd/<stage>-<key>/`. The same
work finds it again by the key; work with another setting, other data or other code gets another folder.
"""

import hashlib
import json
import os
import shutil
import socket
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from erkd.io.files import InputError, read_json, sha256, write_json
from erkd.runtime.cluster_worker import PACKAGES, package_version
from erkd.runtime.project import project_root

CODE = Path(__file__).resolve().parents[2]


def scratch_folder(root: Path, stage: str, key: str) -> Path:
    """`.erkd/<stage>-<key>/` of the project that holds `root`."""
    return project_root(root) / ".erkd" / f"{stage}-{key}"


@contextmanager
def scratch(root: Path, stage: str, key: str) -> Iterator[Path]:
    """Yield `scratch_folder`, for this process alone.

    It is as a killed run left it, less half-written files. It is removed when the block ends without an
    error, and kept otherwise. Raises InputError that names folder and process when another one holds it.
    """
    from filelock import FileLock, Timeout

    folder = scratch_folder(root, stage, key)
    folder.parent.mkdir(parents=True, exist_ok=True)
    lock, owner = FileLock(f"{folder}.lock", timeout=0), folder / "owner.json"
    try:
        lock.acquire()
    except Timeout:
        raise InputError(f"{folder}: {_describe(owner)} does the same work; wait for it, or end it") from None
    try:
        folder.mkdir(exist_ok=True)
        _remove_halves(folder)
        write_json({"pid": os.getpid(), "host": socket.gethostname()}, owner)
        yield folder
        shutil.rmtree(folder)
        Path(lock.lock_file).unlink()  # before its release: who waits for it then sees that it is gone
    finally:
        lock.release()


def _remove_halves(folder: Path) -> None:
    for half in folder.rglob(".*.tmp*"):
        half.unlink(missing_ok=True)


def _describe(owner: Path) -> str:
    try:
        content = read_json(owner)
        return f"process {content['pid']} on {content['host']}"
    except (InputError, KeyError, TypeError):  # it has only just begun
        return "another process"


def stage_key(root: Path, stage: str, *further: str, item: str = "") -> str:
    """16 hex digits over what `stage` of dvc.yaml rests on: parameters, code, data and packages.

    Parameters and data are read below `root`, by the stage's own `params` and `deps`; files by their bytes.
    `further` is what dvc.yaml cannot say: a resolved device or thread count. `item` is the key of a stage that
    stands there once for each, with `foreach`.
    """
    from ruamel.yaml import YAML

    yaml = YAML(typ="safe", pure=True)
    described = yaml.load(CODE / "dvc.yaml")["stages"][stage]
    params = yaml.load(root / "params.yaml")
    content = _value(params, f"{described['foreach'][2:-1]}.{item}") if item else None
    values = content if isinstance(content, dict) else {}
    filled = {"${key}": item, "${item}": str(content)} | {f"${{item.{k}}}": str(v) for k, v in values.items()}
    described = described.get("do", described)
    digest = hashlib.sha256(item.encode())
    for name in _fill(described.get("params", []), filled):
        digest.update(f"{name}={json.dumps(_value(params, name), sort_keys=True)}\n".encode())
    for dep in _fill(described.get("deps", []), filled):
        base = CODE if dep.startswith(("erkd/", "pipeline/")) else root
        digest.update(f"{dep}:{sha256(base / dep)}\n".encode())
    for line in (*(f"{name} {package_version(name)}" for name in PACKAGES), *further):
        digest.update(f"{line}\n".encode())
    return digest.hexdigest()[:16]


def file_states(paths: Iterable[Path]) -> str:
    """Names, sizes and times of files outside the project, as one line to add to a stage's key."""
    states = ((path, path.stat()) for path in paths)
    lines = (f"{path} {state.st_size} {state.st_mtime_ns}\n" for path, state in states)
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def _fill(names: Iterable[str], filled: dict[str, str]) -> Iterator[str]:
    for name in names:
        for placeholder, value in filled.items():
            name = name.replace(placeholder, value)
        yield name


def _value(params: Any, dotted: str) -> Any:
    for part in dotted.split("."):
        params = params.get(part) if isinstance(params, dict) else None
    return params


def replace_folder(made: Path, target: Path) -> None:
    """Put the finished folder `made` in the place of `target`, whatever stood there; on another disk, a copy."""
    if target.is_symlink() or target.is_file():
        target.unlink()
    elif target.exists():
        shutil.rmtree(target)
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.move(made, target)


@contextmanager
def resumable(root: Path, stage: str, out_dir: Path, *further: str, item: str = "") -> Iterator[tuple[Path, Path]]:
    """Yield two scratch folders: one for the stage's files, which becomes `out_dir` at the end, and `done`.

    `done` is where finished rows are recorded (`erkd.runtime.parallel.map_rows`). Killed and started again with the
    same key (`stage_key`), a stage finds both as they were; `out_dir` is whole or not touched.
    """
    with scratch(root, stage, stage_key(root, stage, *further, item=item)) as folder:
        made, done = folder / "made", folder / "done"
        if not made.exists():  # it took its place, and the run was killed right then
            shutil.rmtree(done, ignore_errors=True)
        made.mkdir(exist_ok=True)
        yield made, done
        _remove_halves(made)  # of a killed run's workers, which may have outlived it
        replace_folder(made, out_dir)
