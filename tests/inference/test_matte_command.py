"""`erkd matte` on files: what is written, and what is refused."""

import pickle

import numpy as np
import pytest
from PIL import Image

from erkd import Matter
from erkd.inference.matte_files import find_jobs
from erkd.io.files import InputError
from erkd.io.image_files import open_image
from erkd.io.images import load_alpha, load_image, save_image
from tests.support.command import erkd
from tests.support.demo_site import encoded, png
from tests.support.fuzzing import promising
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
    assert matte(files, "--background", files / "black.png", output="black_out.png").returncode == 0
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


def trimap_of(old, new):
    """The trimap with one of its three values replaced."""
    values = photo(62, 80, 2)[1]
    return png(np.where(values == old, np.uint8(new), values))


PHOTO = png(photo(62, 80, 2)[0])
NAN = np.full((62, 80), 0.5, np.float32)
NAN[3, 3] = np.nan
BAD_FILES = [
    ("photo.png", PHOTO[: len(PHOTO) // 2], "photo.png: not a readable image ("),
    ("photo.png", promising(60000, 60000), "photo.png: not a readable image (Image size"),
    ("photo.png", encoded(NAN, "TIFF"), "photo.png: not a readable image (NaN or infinite"),
    ("photo.png", encoded(np.full((62, 80), 130, np.float32), "TIFF"), "photo.png: floating samples of 130 to 130"),
    ("trimap.png", b"", "trimap.png: not a readable image"),
    ("trimap.png", png(photo(60, 80)[1]), "trimap.png: 80 x 60 pixels, but"),
    ("trimap.png", PHOTO, "trimap.png: one grey channel is expected"),
    ("trimap.png", trimap_of(128, 0), "no pixel is unknown (128)"),
    ("trimap.png", trimap_of(128, 200), "trimap.png: a mask, an alpha or a photo, no trimap"),
    ("student.onnx", b"junk", "student.onnx: not a readable ONNX model"),
    ("student.onnx", pickle.dumps({"weights": [1.0]}), "student.onnx: not a readable ONNX model ("),
]
BAD_ARGUMENTS = [
    ("--model", "nowhere", "nowhere: no such student"),
    ("--tile", "20", "tile: 20 pixels; 96 at least"),
    ("--device", "tpu", "device: tpu; it is one of auto, cpu, cuda"),
    ("--device", "cuda", "student.onnx: CUDA needs a student's folder"),
    ("--background", "plaid", "plaid: neither an image file nor a colour"),
    ("--cutout", "--background=red", "--cutout and --background: one of them"),
]


@pytest.mark.parametrize(("name", "content", "message"), BAD_FILES + BAD_ARGUMENTS)
def test_a_bad_file_or_argument_is_one_line_and_no_output(files, name, content, message):
    if name.startswith("--"):
        run = matte(files, name, content)
    else:
        (files / name).write_bytes(content)
        run = matte(files)
    assert (run.returncode, run.stderr.count("\n")) == (2, 1), run.stderr
    assert message in run.stderr
    assert "Traceback" not in run.stderr
    assert {path.name for path in files.iterdir()} == {"photo.png", "trimap.png", "student.onnx", "photos", "trimaps"}


def test_files_that_cannot_be_paired(files):
    photos, trimaps, out = files / "photos", files / "trimaps", files / "out"
    (trimaps / "two.png").unlink()
    (files / "empty").mkdir()
    for images, trimap, output, message in (
        ([photos], trimaps, out, r"trimaps: no trimap of the same name for two\.jpg"),
        ([photos], files / "trimap.png", out, "a folder of trimaps is expected, since there are 3 photos"),
        ([photos, photos / "one.jpg"], trimaps, out, "have one name"),
        ([photos / "one.jpg"], trimaps, trimaps, "this is an input"),
        ([files / "empty"], trimaps, out, "no image in this folder"),
        ([files / "photo.png"], files / "trimap.png", files / "student.onnx", "a folder is expected here"),
    ):
        with pytest.raises(InputError, match=message):
            find_jobs(images, trimap, output, force=True)
