"""Files that are whole or absent: atomic writes, hashes, JSON; and the error meant for the user's eyes."""

import codecs
import contextlib
import errno
import hashlib
import json
import os
import re
import secrets
import sys
import unicodedata
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

OWN_HASH = "sha256_of_the_rest"
ESCAPED = "backslashreplace"  # how names that are no UTF-8 stand in texts; in JSON it is their escape
LONGEST_NAME = 255  # bytes, on every usual file system
CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")
FULL = (errno.ENOSPC, errno.EDQUOT)


class InputError(Exception):
    """Something the user gave is wrong; the message names it, says what was found and how to mend it.

    Commands print the message alone, or several, a line each, and exit with code 2; every other exception is a bug
    and keeps its traceback.
    """


class InputWarning(UserWarning):
    """Something the user gave is odd, and the work goes on; one line that names it. Commands print it alone."""


def warn(message: str) -> None:
    """Warn of something odd in what the caller was given."""
    warnings.warn(InputWarning(message), stacklevel=3)


def print_warning(message: Warning | str, *_: object, **__: object) -> None:
    """What commands and stages do with a warning (`warnings.showwarning`): a line on standard error."""
    print(one_line(f"warning: {message}"), file=sys.stderr)


def one_line(message: object) -> str:
    """A message in one line, whatever the names in it hold: control characters are written as escapes."""
    return CONTROL.sub(lambda found: ascii(found[0])[1:-1], str(message))


def composed(name: str) -> str:
    """A file's name in Unicode's composed form (NFC), in which names are compared; macOS hands on others."""
    return unicodedata.normalize("NFC", name)


@contextmanager
def atomic(path: Path) -> Iterator[Path]:
    """Yield a temporary path beside `path` that takes its name when the block ends without an error.

    The temporary name keeps `path`'s suffix, since image writers choose the format by it. Missing parent folders are
    made; the file gets the rights that the user's umask leaves. What the operating system refuses is an InputError
    that names the file, or the folder when its disk is full.
    """
    temporary = path.with_name(f".{secrets.token_hex(8)}.tmp{path.suffix[:32]}")  # a short name always fits
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary.open("xb").close()
        yield temporary
        os.replace(temporary, path)
    except OSError as error:
        if error.errno in FULL:
            raise InputError(disk_full(path.parent)) from None
        if error.errno is None or error.filename not in (None, str(temporary), *map(str, path.parents)):
            raise
        raise InputError(f"{path}: cannot be written ({error.strerror})") from None
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)


def check_writable(path: Path) -> None:
    """Raise InputError if the operating system would refuse to write `path`, as far as can be told before."""
    folder = path.parent
    while not os.path.lexists(folder) and folder != folder.parent:
        folder = folder.parent
    if not os.path.isdir(folder):
        raise InputError(f"{path}: cannot be written, since {folder} is no folder")
    if not os.access(folder, os.W_OK | os.X_OK):
        raise InputError(f"{path}: cannot be written; {folder} lets you write nothing")
    if os.path.isdir(path):
        raise InputError(f"{path}: cannot be written, since it is a folder")
    if any(len(os.fsencode(part)) > LONGEST_NAME for part in path.parts):
        raise InputError(f"{path}: cannot be written, since a name may have {LONGEST_NAME} bytes")


def disk_full(folder: Path | str) -> str:
    """What is said when nothing more can be written there."""
    return f"{folder}: the disk is full; make room, and the same command goes on with what is finished"


def write_text(text: str, path: Path) -> None:
    """Write UTF-8 `text` atomically."""
    with atomic(path) as temporary:
        temporary.write_text(text, encoding="utf-8", errors=ESCAPED)


def read_text(path: Path) -> str:
    """Read a text that a person wrote, by any editor: UTF-8, or UTF-16 with its mark; lines end with a newline.

    Raises InputError that names the file when it is missing or no text.
    """
    content = read_bytes(path)
    marked = content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    try:
        text = content.decode("utf-16" if marked else "utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: not a text in UTF-8 (byte {error.start}); save it as that") from None
    return text.replace("\r\n", "\n").replace("\r", "\n")


def read_bytes(path: Path) -> bytes:
    """A file's content. Raises InputError that names the file when it cannot be read."""
    try:
        return path.read_bytes()
    except FileNotFoundError:
        raise InputError(f"{path}: no such file") from None
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror})") from None


def write_json(content: Any, path: Path) -> None:
    """Write `content` as indented JSON, atomically. NaN and infinity are refused: JSON has neither."""
    write_text(json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False) + "\n", path)


def read_json(path: Path) -> Any:
    """Read a JSON file. Raises InputError that names the file when it is missing or not JSON."""
    content = read_bytes(path)
    try:
        return json.loads(content)
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
