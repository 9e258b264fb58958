"""What counts as background, unknown and foreground, and that every door says so alike."""

import io
import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from erkd.demo import services
from erkd.inference.matter import Matter, check_trimap
from erkd.io.files import InputError
from erkd.io.images import load_pair, load_trimap
from erkd.io.trimap_values import TrimapWarning, missing_kinds, snap_trimap
from tests.support.command import erkd
from tests.support.demo_site import encoded, pixels, png
from tests.support.odd_trimaps import IMAGE, REFUSED, TAKEN, TRIMAP
from tests.support.onnx_student import write_student

PHOTO = png(IMAGE)


@pytest.fixture(scope="module")
def matter(tmp_path_factory: pytest.TempPathFactory) -> Matter:
    return Matter.load(write_student(tmp_path_factory.mktemp("student") / "student.onnx"), "cpu")


def through_every_door(folder: Path, trimap: bytes) -> dict[str, np.ndarray | str]:
    """What a trimap's file is taken for, or how it is refused: by data, command, Python and page."""
    (folder / "photo.png").write_bytes(PHOTO)
    (folder / "t.png").write_bytes(trimap)
    doors = {
        "data": lambda: np.rint(load_trimap(folder / "t.png") * 255).astype(np.uint8),
        "command": lambda: load_pair(folder / "photo.png", folder / "t.png")[1],
        "Python": lambda: check_trimap(pixels(trimap), IMAGE.shape),
        "Python, floats": lambda: check_trimap(pixels(trimap) / 255, IMAGE.shape),
        "page": lambda: pixels(services.read_trimap(PHOTO, trimap)),
    }
    found: dict[str, np.ndarray | str] = {}
    for door, read in doors.items():
        try:
            found[door] = read()
        except InputError as error:
            found[door] = str(error).partition(": ")[2]
    return found


@pytest.mark.parametrize("kind", TAKEN)
def test_values_near_the_three_are_taken_at_every_door(tmp_path: Path, kind: str) -> None:
    found = through_every_door(tmp_path, TAKEN[kind])
    for door, trimap in found.items():
        assert not isinstance(trimap, str), (door, trimap)
        np.testing.assert_array_equal(trimap, found["data"], err_msg=door)
    new = found["data"] != TRIMAP
    assert new.mean() <= {"JPEG": 0.03, "antialiased": 0.06}.get(kind, 0)  # ringing and borders: unknown
    assert (found["data"][new] == 128).sum() >= 0.9 * new.sum()


@pytest.mark.parametrize("kind", REFUSED)
def test_masks_photos_and_colours_are_refused_at_every_door(tmp_path: Path, kind: str) -> None:
    content, told = REFUSED[kind]
    found = through_every_door(tmp_path, content)
    if pixels(content).ndim == 3 or pixels(content).dtype != np.uint8:  # which arrays have other words for
        found = {door: said for door, said in found.items() if "Python" not in door}
    assert all(isinstance(said, str) and re.search(told, said) for said in found.values()), found


@pytest.mark.parametrize("kind", ["JPEG", "PNG"])
def test_a_trimap_of_the_stored_pixels_is_turned_with_its_photo_at_every_door(tmp_path: Path, kind: str) -> None:
    """Orientation 6: the camera lay on its side."""
    exif = Image.Exif()
    exif[0x0112] = 6
    photo_file = encoded(IMAGE, kind, exif=exif)
    (tmp_path / "photo").write_bytes(photo_file)
    upright = np.rot90(TRIMAP, -1)
    for trimap in (TRIMAP, upright):
        (tmp_path / "t.png").write_bytes(png(np.ascontiguousarray(trimap)))
        np.testing.assert_array_equal(load_pair(tmp_path / "photo", tmp_path / "t.png")[1], upright)
        at_the_page = services.read_trimap(photo_file, (tmp_path / "t.png").read_bytes())
        np.testing.assert_array_equal(pixels(at_the_page), upright)


def test_the_table_by_hand() -> None:
    values = np.uint8([[0, 25, 26, 96, 128, 128, 128, 160, 229, 230, 255]])
    expected = [[0, 0, 128, 128, 128, 128, 128, 128, 128, 255, 255]]
    assert snap_trimap(values, "t").tolist() == expected
    with pytest.raises(InputError, match=r"t: a mask, an alpha or a photo, no trimap: .* 50% are far"):
        snap_trimap(np.uint8([[0, 95, 161, 128, 128]]), "t")
    exact = np.uint8([[0, 128, 255]])
    assert snap_trimap(exact, "t") is exact


LACKING = {"foreground (255)": 255, "background (0)": 0}


@pytest.mark.filterwarnings("default::erkd.io.trimap_values.TrimapWarning")
@pytest.mark.parametrize("kind", LACKING)
def test_a_missing_kind_is_told_at_every_door(tmp_path: Path, matter: Matter, kind: str) -> None:
    trimap = np.where(LACKING[kind] == TRIMAP, np.uint8(128), TRIMAP)
    told = re.escape(f"no pixel is {kind}, so alpha is a guess")
    with pytest.warns(TrimapWarning, match=f"^trimap: {told}"):
        matter(IMAGE, trimap)
    Image.fromarray(IMAGE).save(tmp_path / "photo.png")
    Image.fromarray(trimap).save(tmp_path / "t.png")
    student = matter.engine.name.partition("(")[2].rstrip(")")
    words = ["matte", tmp_path / "photo.png", "--trimap", tmp_path / "t.png", "-o", tmp_path / "o.png"]
    run = erkd(*words, "--model", student)
    assert (run.returncode, run.stderr.count("\n")) == (0, 1)
    assert re.match(f"warning: {re.escape(str(tmp_path / 't.png'))}: {told}", run.stderr)
    assert missing_kinds(np.full((2, 2), 128, np.uint8)).startswith("no pixel is background (0) or foreground (255)")
    assert missing_kinds(TRIMAP) == ""


def test_an_image_lies_in_memory_as_it_likes(matter: Matter) -> None:
    """Views with negative strides, Fortran's order, read-only arrays."""
    expected = matter(IMAGE, TRIMAP)
    for image, trimap in ((IMAGE[::-1][::-1], TRIMAP[:, ::-1][:, ::-1]), map(np.asfortranarray, (IMAGE, TRIMAP))):
        np.testing.assert_array_equal(matter(image, trimap), expected)
    stored = np.frombuffer(io.BytesIO(TRIMAP.tobytes()).getvalue(), np.uint8).reshape(TRIMAP.shape)
    np.testing.assert_array_equal(matter(IMAGE, stored), expected)
