"""Files that are whole or absent: atomic writes, hashes, JSON; and the error meant for the user's eyes."""

import errno
import hashlib
import json
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

OWN_HASH = "sha256_of_the_rest"
FULL = (errno.ENOSPC, errno.EDQUOT)


class InputError(Exception):
    """Something the user gave is wrong; the message names it, says what was found and how to mend it.

    Commands print the message alone and exit with code 2; every other exception is a bug and keeps its
    traceback.
    """


@contextmanager
def atomic(path: Path) -> Iterator[Path]:
    """Yield a temporary path beside `path` that takes its name when the block ends without an error.

    The temporary name keeps `path`'s suffix, since image writers choose the format by it. Missing parent
    folders are made. Raises InputError that names the folder when its disk is full.
    """
    temporary = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(prefix=f".{path.stem}.", suffix=f".tmp{path.suffix}", dir=path.parent)
        os.close(handle)
        temporary = Path(name)
        yield temporary
        temporary.chmod(0o644)  # mkstemp makes files that only their owner may read
        os.replace(temporary, path)
    except OSError as error:
        if error.errno not in FULL:
            raise
        raise InputError(disk_full(path.parent)) from None
    finally:
        if temporary is not None:
            temporary.unlink(missing_ok=True)


def disk_full(folder: Path | str) -> str:
    """What is said when nothing more can be written there."""
    return f"{folder}: the disk is full; make room, and the same command goes on with what is finished"


def write_text(text: str, path: Path) -> None:
    """Write UTF-8 `text` atomically."""
    with atomic(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def write_json(content: Any, path: Path) -> None:
    """Write `content` as indented JSON, atomically. NaN and infinity are refused: JSON has neither."""
    write_text(json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False) + "\n", path)


def read_json(path: Path) -> Any:
    """Read a JSON file. Raises InputError that names the file when it is missing or not JSON."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise InputError(f"{path}: no such file") from None
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}") from None
    except (ValueError, RecursionError) as error:  # bytes that are no text too, and too many digits
        raise InputError(f"{path}: not JSON: {error}") from None


def sha256(path: Path) -> str:
    """The SHA-256 of a file's bytes, or of a folder's relative names and bytes, as 64 hex digits.

    `__pycache__` does not count.
    """
    if path.is_file():
        with path.open("rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()
    digest = hashlib.sha256()
    files = (file for file in path.rglob("*") if file.is_file() and "__pycache__" not in file.parts)
    for file in sorted(files):
        digest.update(f"{file.relative_to(path).as_posix()}\0{sha256(file)}\n".encode())
    return digest.hexdigest()


def check_hash(path: Path, expected: object, mend: str) -> None:
    """Raise InputError that names `path` unless it is there and `expected` is its SHA-256."""
    if not path.is_file():
        raise InputError(f"{path}: no such file; {mend}")
    found = sha256(path)
    if found != expected:
        raise InputError(
            f"{path}: truncated or changed since it was written "
            f"(SHA-256 {found[:12]}, not {str(expected)[:12]}); {mend}"
        )


def write_hash(path: Path) -> None:
    """Note a file's SHA-256 beside it, in NAME.sha256, as the program `sha256sum` does."""
    write_text(f"{sha256(path)}  {path.name}\n", _beside(path))


def check_written_hash(path: Path, mend: str) -> None:
    """Raise InputError unless a file is as `write_hash` found it."""
    note = _beside(path)
    if not note.is_file():
        raise InputError(f"{note}: no such file, so {path.name} cannot be trusted; {mend}")
    check_hash(path, note.read_bytes()[:64].decode(errors="replace"), mend)


def _beside(path: Path) -> Path:
    return path.with_name(f"{path.name}.sha256")


def write_record(content: dict[str, Any], path: Path) -> None:
    """Write JSON that carries its own hash."""
    write_json(content | {OWN_HASH: _content_hash(content)}, path)


def read_record(path: Path, mend: str) -> dict[str, Any]:
    """What `write_record` wrote, without the hash. Raises InputError that names the file when it is not that."""
    content = read_json(path)
    if not isinstance(content, dict) or OWN_HASH not in content:
        raise InputError(f"{path}: it holds no {OWN_HASH}; {mend}")
    expected = content.pop(OWN_HASH)
    if _content_hash(content) != expected:
        raise InputError(f"{path}: changed since it was written; {mend}")
    return content


def _content_hash(content: dict[str, Any]) -> str:
    """The SHA-256 of JSON's content, whatever its layout."""
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
