"""Atomic writes, what is refused, texts, JSON and hashes."""

import codecs
import errno
import hashlib
import os

import pytest

from erkd.io.files import (
    InputError,
    atomic,
    check_writable,
    one_line,
    read_json,
    read_text,
    sha256,
    write_json,
    write_text,
)


def test_an_atomic_write_leaves_nothing_behind_when_it_fails(tmp_path):
    target = tmp_path / "new/table.csv"

    def write():
        with atomic(target) as temporary:
            temporary.write_text("half")
            raise RuntimeError("disk")

    with pytest.raises(RuntimeError, match="disk"):
        write()
    assert list(target.parent.iterdir()) == []


def test_an_atomic_write_replaces_the_old_file_whole(tmp_path):
    target = tmp_path / "table.csv"
    target.write_text("old")
    with atomic(target) as temporary:
        temporary.write_text("new")
        assert temporary.suffix == ".csv"
        assert target.read_text() == "old"
    assert [file.name for file in tmp_path.iterdir()] == ["table.csv"]
    assert target.read_text() == "new"


def test_json_survives_a_round_trip_and_refuses_nan(tmp_path):
    write_json({"sad": 1.5, "name": "Grün"}, tmp_path / "a.json")
    assert read_json(tmp_path / "a.json") == {"sad": 1.5, "name": "Grün"}
    with pytest.raises(ValueError, match="not JSON compliant"):
        write_json({"sad": float("nan")}, tmp_path / "a.json")


@pytest.mark.parametrize("content", [b"{", b"\xff\xfe"])
def test_unreadable_json_is_named(tmp_path, content):
    file = tmp_path / "metrics.json"
    with pytest.raises(InputError, match=r"metrics\.json: no such file"):
        read_json(file)
    file.write_bytes(content)
    with pytest.raises(InputError, match=r"metrics\.json: not JSON"):
        read_json(file)


def test_a_file_hashes_by_its_bytes_and_a_folder_by_names_and_bytes(tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "a/x").write_bytes(b"1")
    assert sha256(tmp_path / "a/x") == hashlib.sha256(b"1").hexdigest()
    before = sha256(tmp_path / "a")
    (tmp_path / "a/x").rename(tmp_path / "a/y")
    assert sha256(tmp_path / "a") != before


@pytest.fixture
def refused(tmp_path):
    """Paths that the operating system would not write to, by why."""
    (tmp_path / "file.png").touch()
    (tmp_path / "loop").symlink_to("loop")
    (tmp_path / "folder").mkdir()
    return {
        "is no folder": tmp_path / "file.png/below/a.png",
        "loop is no folder": tmp_path / "loop/a.png",
        "it is a folder": tmp_path / "folder",
        "255 bytes": tmp_path / f"{'ü' * 130}.png",
    }


def test_what_the_system_would_refuse_is_found_before_and_when_it_happens(tmp_path, refused):
    for why, path in refused.items():
        with pytest.raises(InputError, match=f"cannot be written.*{why}"):
            check_writable(path)
        with pytest.raises(InputError, match=r"cannot be written \("), atomic(path) as temporary:
            temporary.write_text("new")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file.png", "folder", "loop"]
    check_writable(tmp_path / "new/below/a.png")
    check_writable(tmp_path / f"{'ü' * 125}.png")


def test_a_folder_without_the_right_to_write_is_named_before(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "access", lambda path, right: path != tmp_path)  # the tests may run as root
    with pytest.raises(InputError, match=f"cannot be written; {tmp_path} lets you write nothing"):
        check_writable(tmp_path / "new/a.png")


@pytest.mark.parametrize(("code", "message"), [(errno.EACCES, "Permission denied"), (errno.EROFS, "Read-only file")])
def test_a_refusal_while_it_is_written_leaves_nothing(tmp_path, monkeypatch, code, message):
    def refuse(source, target):
        raise OSError(code, os.strerror(code), str(source), None, str(target))

    monkeypatch.setattr(os, "replace", refuse)
    with pytest.raises(InputError, match=rf"a\.png: cannot be written \({message}"), atomic(tmp_path / "a.png"):
        pass
    assert list(tmp_path.iterdir()) == []


def test_an_error_of_another_file_is_not_the_output_s(tmp_path):
    with pytest.raises(FileNotFoundError), atomic(tmp_path / "a.txt"):
        (tmp_path / "elsewhere").read_text()


@pytest.mark.parametrize(("mask", "rights"), [(0o022, 0o644), (0o077, 0o600), (0o002, 0o664)])
def test_a_file_gets_the_rights_that_the_umask_leaves(tmp_path, mask, rights):
    before = os.umask(mask)
    try:
        write_text("new", tmp_path / "a.txt")
    finally:
        os.umask(before)
    assert (tmp_path / "a.txt").stat().st_mode & 0o777 == rights


def test_the_longest_name_can_be_written(tmp_path):
    name = "n" * 251 + ".txt"
    write_text("new", tmp_path / name)
    assert [path.name for path in tmp_path.iterdir()] == [name]


@pytest.mark.parametrize(
    "content",
    [
        "größe\nzwei\n".encode(),
        codecs.BOM_UTF8 + "größe\r\nzwei\r\n".encode(),
        "größe\rzwei\r".encode(),
        "größe\r\nzwei\r\n".encode("utf-16"),
        codecs.BOM_UTF16_BE + "größe\nzwei\n".encode("utf-16-be"),
    ],
)
def test_a_text_of_any_editor_is_read(tmp_path, content):
    (tmp_path / "a.txt").write_bytes(content)
    assert read_text(tmp_path / "a.txt") == "größe\nzwei\n"


def test_what_is_no_text_is_named(tmp_path):
    (tmp_path / "a.txt").write_bytes("größe".encode("latin-1"))
    with pytest.raises(InputError, match=r"a\.txt: not a text in UTF-8 \(byte 2\); save it as that"):
        read_text(tmp_path / "a.txt")
    with pytest.raises(InputError, match=r"cannot be read \(Is a directory\)"):
        read_text(tmp_path)


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_json_of_any_editor_is_read(tmp_path, encoding):
    (tmp_path / "a.json").write_bytes('{"name":\r\n"Grün"}'.encode(encoding))
    assert read_json(tmp_path / "a.json") == {"name": "Grün"}


def test_a_name_that_is_no_utf8_goes_through_json(tmp_path):
    name = os.fsdecode(b"gr\xfcn.png")
    write_json({name: 1}, tmp_path / "a.json")
    assert read_json(tmp_path / "a.json") == {name: 1}


def test_a_message_stays_in_one_line():
    assert one_line("a\nb\x1b[31m\u2028c: ü") == r"a\nb\x1b[31m\u2028c: ü"
