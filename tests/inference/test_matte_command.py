"""`erkd matte` on files: what is written, and what is refused."""

import io
import pickle
import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from erkd import Matter
from erkd.inference.matte_files import choose_finish, find_jobs
from erkd.io.files import InputError
from erkd.io.image_files import open_image
from erkd.io.images import load_alpha, load_image, save_image
from tests.support.command import erkd
from tests.support.onnx_student import write_student
from tests.support.photo import photo


@pytest.fixture
def files(tmp_path):
    """photo.png, trimap.png, student.onnx, and folders photos and trimaps with three pairs."""
    for number, name in enumerate(("one", "two", "three")):
        image, trimap = photo(60 + number, 80, number)
        save_image(image, tmp_path / f"photos/{name}.jpg")
        save_image(trimap, tmp_path / f"trimaps/{name}.png")
    save_image(image, tmp_path / "photo.png")
    save_image(trimap, tmp_path / "trimap.png")
    write_student(tmp_path / "student.onnx")
    return tmp_path


def matte(files, *arguments, image="photo.png", trimap="trimap.png", output="out.png"):
    """Run `erkd matte` on the files; those named None are left out."""
    model = () if "--model" in arguments else ("--model", files / "student.onnx")
    return erkd("matte", files / image, "--trimap", files / trimap, "-o", files / output, *model, *arguments)


def test_an_alpha_is_what_matter_says(files):
    run = matte(files)
    assert (run.returncode, run.stdout, run.stderr) == (0, "", "")
    image, trimap = (np.asarray(open_image(files / name)) for name in ("photo.png", "trimap.png"))
    expected = Matter.load(files / "student.onnx", "cpu")(image, trimap)
    assert open_image(files / "out.png").mode == "L"
    np.testing.assert_array_equal(load_alpha(files / "out.png") * 255, np.rint(expected * 255))


def test_nothing_is_overwritten_without_force(files):
    (files / "out.png").write_bytes(b"precious")
    run = matte(files)
    assert (run.returncode, run.stderr) == (2, f"{files / 'out.png'} exists already; --force overwrites\n")
    assert (files / "out.png").read_bytes() == b"precious"
    assert matte(files, "--force").returncode == 0
    assert load_alpha(files / "out.png").shape == (62, 80)


def test_folders_pair_by_name_and_one_bad_file_stops_no_other(files):
    (files / "photos/two.jpg").write_bytes(b"no image")
    run = matte(files, image="photos", trimap="trimaps", output="alphas")
    assert run.returncode == 2
    assert f"{files / 'photos/two.jpg'}: not a readable image" in run.stderr
    assert "Traceback" not in run.stderr
    assert sorted(path.name for path in (files / "alphas").iterdir()) == ["one.png", "three.png"]
    assert load_alpha(files / "alphas/one.png").shape == (60, 80)


def test_a_cutout_and_another_background(files):
    assert matte(files, "--cutout", output="cut.png").returncode == 0
    assert open_image(files / "cut.png").mode == "RGBA"
    assert matte(files, "--background", "#0000ff", output="blue.png").returncode == 0
    blue = load_image(files / "blue.png")
    np.testing.assert_allclose(blue[0, 0], [0, 0, 1])
    save_image(np.zeros((9, 9, 3), np.float32), files / "black.png")
    assert (
        matte(
            files, "--background", files / "black.png", output="black_out.png", trimap="trimaps/three.png"
        ).returncode
        == 0
    )
    assert load_image(files / "black_out.png")[0, 0].max() == 0


def test_grey_sixteen_bit_and_rotated_photos(files):
    _, trimap = photo(62, 80)
    ramp = np.tile(np.linspace(0, 65535, 80).astype(np.uint16), (62, 1))
    Image.fromarray(ramp).save(files / "photo.png")
    assert matte(files, "--force").returncode == 0
    assert load_alpha(files / "out.png").shape == (62, 80)
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(np.uint8(ramp // 257)).save(files / "side.jpg", exif=exif)
    save_image(np.rot90(trimap, -1), files / "upright.png")
    assert matte(files, image="side.jpg", trimap="upright.png", output="side.png").returncode == 0
    assert load_alpha(files / "side.png").shape == (80, 62)


def huge_header():
    """A PNG whose header promises 60,000 x 60,000 pixels."""
    stream = io.BytesIO()
    Image.new("L", (4, 4)).save(stream, "PNG")
    png = bytearray(stream.getvalue())
    png[16:24] = struct.pack(">II", 60000, 60000)
    png[29:33] = struct.pack(">I", zlib.crc32(bytes(png[12:29])))
    return bytes(png)


def half(path):
    content = path.read_bytes()
    return content[: len(content) // 2]


BAD_FILES = {
    "photo.png: not a readable image": ("photo.png", lambda files: b"no image"),
    "photo.png: not a readable image (": ("photo.png", lambda files: half(files / "photo.png")),
    "photo.png: not a readable image (Image size": ("photo.png", lambda files: huge_header()),
    "trimap.png: not a readable image": ("trimap.png", lambda files: b""),
    "trimap.png: 80 x 60 pixels, but": ("trimap.png", lambda files: (files / "trimaps/one.png").read_bytes()),
    "trimap.png: one grey channel is expected": ("trimap.png", lambda files: (files / "photo.png").read_bytes()),
    "student.onnx: not a readable ONNX model": ("student.onnx", lambda files: b"junk"),
    "student.onnx: not a readable ONNX model (": ("student.onnx", lambda files: pickle.dumps({"weights": [1.0]})),
}


@pytest.mark.parametrize("message", BAD_FILES)
def test_a_bad_file_is_one_line_and_no_output(files, message):
    name, content = BAD_FILES[message]
    (files / name).write_bytes(content(files))
    refused(matte(files), files, message)


BAD_TRIMAPS = {"no pixel is unknown (128)": (128, 0), "found 100 too": (128, 100)}


@pytest.mark.parametrize("message", BAD_TRIMAPS)
def test_a_bad_trimap_is_one_line_and_no_output(files, message):
    old, new = BAD_TRIMAPS[message]
    trimap = np.asarray(open_image(files / "trimap.png"))
    save_image(np.where(trimap == old, np.uint8(new), trimap), files / "trimap.png")
    refused(matte(files), files, message)


def test_nan_in_a_photo_is_refused(files):
    samples = np.full((62, 80), 0.5, np.float32)
    samples[3, 3] = np.nan
    Image.fromarray(samples).save(files / "photo.tif")
    refused(matte(files, image="photo.tif"), files, "photo.tif: not a readable image (NaN or infinite")


BAD_ARGUMENTS = {
    "nowhere: no such student": ("--model", "nowhere"),
    "tile: 20 pixels; 96 at least": ("--tile", "20"),
    "device: tpu; it is one of auto, cpu, cuda": ("--device", "tpu"),
    "student.onnx: CUDA needs a student's folder": ("--device", "cuda"),
    "plaid: neither an image file nor a colour": ("--background", "plaid"),
    "--cutout and --background: one of them": ("--cutout", "--background", "red"),
}


@pytest.mark.parametrize("message", BAD_ARGUMENTS)
def test_a_bad_argument_is_one_line_and_no_output(files, message):
    refused(matte(files, *BAD_ARGUMENTS[message]), files, message)


def refused(run, files, message):
    assert run.returncode == 2
    assert message in run.stderr
    assert run.stderr.count("\n") == 1, run.stderr
    assert "Traceback" not in run.stderr
    left = {"photo.png", "trimap.png", "student.onnx", "photos", "trimaps", "photo.tif"}
    assert {path.name for path in files.iterdir()} <= left


def test_files_that_cannot_be_paired(files):
    photos, trimaps = files / "photos", files / "trimaps"
    (trimaps / "two.png").unlink()
    with pytest.raises(InputError, match=r"trimaps: no trimap of the same name for two\.jpg"):
        find_jobs([photos], trimaps, files / "out", False)
    with pytest.raises(InputError, match="a folder of trimaps is expected, since there are 3 photos"):
        find_jobs([photos], files / "trimap.png", files / "out", False)
    with pytest.raises(InputError, match="have one name"):
        find_jobs([photos, photos / "one.jpg"], trimaps, files / "out", False)
    with pytest.raises(InputError, match="this is an input"):
        find_jobs([photos / "one.jpg"], trimaps, trimaps, True)
    (files / "empty").mkdir()
    with pytest.raises(InputError, match="no image in this folder"):
        find_jobs([files / "empty"], trimaps, files / "out", False)
    with pytest.raises(InputError, match="a folder is expected here"):
        find_jobs([files / "photo.png"], files / "trimap.png", files / "student.onnx", True)
    with pytest.raises(InputError, match="holds no alpha"):
        choose_finish(True, None, [files / "out.jpg"])
