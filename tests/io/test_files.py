"""Atomic writes, JSON and hashes."""

import hashlib

import pytest

from erkd.io.files import InputError, atomic, read_json, sha256, write_json


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
