"""Lists of names as people's editors and file systems hand them on."""

import unicodedata

import pytest

from erkd.data.sources.lists import find_files, read_lines
from erkd.io.files import InputError

NAMES = ["größe 1.png", "b.png"]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r", "  \n\n"])
def test_a_list_of_any_editor_is_read(tmp_path, encoding, end):
    (tmp_path / "names.txt").write_bytes("".join(name + end for name in NAMES).encode(encoding))
    assert read_lines(tmp_path / "names.txt", "look elsewhere") == NAMES


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "no such list; found other.txt; look elsewhere"),
        (b"\xef\xbb\xbf\r\n", "no names in it; look elsewhere"),
        ("größe.png".encode("latin-1"), "not a text in UTF-8"),
    ],
)
def test_what_is_no_list_is_named(tmp_path, content, message):
    (tmp_path / "other.txt").touch()
    if content is not None:
        (tmp_path / "names.txt").write_bytes(content)
    with pytest.raises(InputError, match=rf"names\.txt: {message}"):
        read_lines(tmp_path / "names.txt", "look elsewhere")


@pytest.mark.parametrize(("listed", "stored"), [("NFC", "NFD"), ("NFD", "NFC")])
def test_a_file_is_found_however_its_name_is_spelt(tmp_path, listed, stored):
    file = tmp_path / unicodedata.normalize(stored, NAMES[0])
    file.touch()
    assert find_files([unicodedata.normalize(listed, NAMES[0])], [tmp_path], "look elsewhere") == [file]
