"""`erkd matte` on files: what is written, and what is refused."""

import pickle

import numpy as np
import pytest
from PIL import Image

from erkd import Matter
from erkd.inference.hints import TrimapFile
from erkd.inference.jobs import find_jobs
from erkd.io.files import InputError
from erkd.io.image_files import open_image
from erkd.io.images import load_alpha, load_image, save_image
from tests.support import ROOT
from tests.support.command import erkd
from tests.support.demo_site import encoded, png
from tests.support.documents import blocks, commands
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


# ---- from a mask or a box


@pytest.fixture
def drawn(files):
    """scene.png, on which the student sees a disc; mask.png, that disc; its box."""
    rows, columns = np.ogrid[:70, :100]
    disc = np.hypot(rows - 35, columns - 50) < 20
    noise = np.random.default_rng(0).integers(0, 9, (70, 100, 3), np.uint8)
    save_image(
        np.where(disc[:, :, None], np.uint8([0, 60, 90]), np.uint8([240, 180, 160])) + noise, files / "scene.png"
    )
    save_image(np.uint8(255) * disc, files / "mask.png")
    return files


def erkd_on(files, command, *arguments):
    return erkd(command, files / "scene.png", "-o", files / "out.png", "--model", files / "student.onnx", *arguments)


@pytest.mark.parametrize(
    "given", [("--mask", "mask.png"), ("--box", "25,10,75,60"), ("--mask", "mask.png", "--band", "4")]
)
def test_a_mask_or_a_box_gives_the_alpha_of_the_trimap_that_erkd_trimap_writes(drawn, given):
    words = [drawn / word if word.endswith(".png") else word for word in given]
    assert erkd_on(drawn, "trimap", *words).returncode == 0
    trimap = (drawn / "out.png").rename(drawn / "from.png")
    values = np.asarray(Image.open(trimap))
    assert np.unique(values).tolist() == [0, 128, 255]
    assert (values[35, 50], values[3, 3], values[35, 70]) == (255, 0, 128)
    run = erkd_on(drawn, "matte", *words)
    assert (run.returncode, run.stdout, run.stderr) == (0, "", "")
    alpha = (drawn / "out.png").rename(drawn / "alpha.png").read_bytes()
    assert erkd_on(drawn, "matte", "--trimap", trimap).returncode == 0
    assert (drawn / "out.png").read_bytes() == alpha


def test_masks_as_programs_write_them_give_one_trimap(drawn):
    values = np.asarray(Image.open(drawn / "mask.png"))
    kinds = {
        "bits": Image.fromarray(values).convert("1"),
        "deep": Image.fromarray(values.astype(np.uint16) * 257),
        "colour": Image.fromarray(values).convert("RGB"),
        "cutout": Image.merge("RGBA", [*Image.open(drawn / "scene.png").split(), Image.fromarray(values)]),
        "flags": Image.fromarray(values // 255),
    }
    assert erkd_on(drawn, "trimap", "--mask", drawn / "mask.png").returncode == 0
    expected = (drawn / "out.png").read_bytes()
    for name, image in kinds.items():
        image.save(drawn / f"{name}_mask.png")
        run = erkd_on(drawn, "trimap", "--force", "--mask", drawn / f"{name}_mask.png")
        assert run.returncode == 0, run.stderr
        assert (drawn / "out.png").read_bytes() == expected, name


def test_a_mask_drawn_on_the_stored_pixels_of_a_rotated_photo_is_rotated_with_it(drawn):
    exif = Image.Exif()
    exif[0x0112] = 6
    scene, mask = (Image.open(drawn / name) for name in ("scene.png", "mask.png"))
    scene.transpose(Image.Transpose.ROTATE_90).save(drawn / "turned.png", exif=exif)
    for name, drawing in (("upright", mask), ("stored", mask.transpose(Image.Transpose.ROTATE_90))):
        drawing.save(drawn / f"{name}_mask.png")
        run = erkd("trimap", drawn / "turned.png", "--mask", drawn / f"{name}_mask.png", "-o", drawn / f"{name}.png",
                   "--model", drawn / "student.onnx")  # fmt: skip
        assert run.returncode == 0, run.stderr
    assert (drawn / "upright.png").read_bytes() == (drawn / "stored.png").read_bytes()


def test_masks_in_a_folder_pair_by_name(drawn):
    for name in ("one", "two", "three"):
        Image.open(drawn / "scene.png").save(drawn / f"photos/{name}.jpg")
        Image.open(drawn / "mask.png").save(drawn / f"trimaps/{name}.png")
    for command in ("matte", "trimap"):
        run = erkd(command, drawn / "photos", "--mask", drawn / "trimaps", "-o", drawn / command,
                   "--model", drawn / "student.onnx")  # fmt: skip
        assert run.returncode == 0, run.stderr
        assert sorted(path.name for path in (drawn / command).iterdir()) == ["one.png", "three.png", "two.png"]


def test_the_guide_to_masks_works(drawn, monkeypatch):
    monkeypatch.chdir(drawn)
    quick = Matter.load(drawn / "student.onnx", "cpu")
    monkeypatch.setattr(Matter, "load", lambda *_, **__: quick)
    (drawn / "trimap.png").unlink()
    for source, names in (("scene.png", ("photo.jpg", "photos/a.jpg")), ("mask.png", ("masks/a.png",))):
        for name in names:
            (drawn / name).parent.mkdir(exist_ok=True)
            Image.open(drawn / source).save(drawn / name, quality=95)
    for path in (drawn / "photos").glob("[!a]*"):
        path.unlink()
    guide = ROOT / "docs/guides/masks.md"
    for command in commands(guide):
        run = erkd(*command.split()[1:])
        assert (command, run.returncode, run.stderr) == (command, 0, "")
    assert {"alpha.png", "cutout.png", "trimap.png", "painted.png"} < {path.name for path in drawn.iterdir()}
    np.testing.assert_array_equal(load_alpha(drawn / "painted.png"), load_alpha(drawn / "alpha.png"))
    names = {}
    exec(blocks(guide, "python")[0], names)
    np.testing.assert_allclose(names["alpha"], load_alpha(drawn / "alpha.png"), atol=0.51 / 255)
    assert names["boxed"].shape == names["alpha"].shape


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((), "none is given: --trimap FILE (drawn), --mask FILE"),
        (("--mask", "mask.png", "--box", "1,2,3,4"), "more than one is given"),
        (("--trimap", "mask.png", "--band", "3"), "--band is for a mask or a box"),
        (("--mask", "none.png"), "none.png: no such file"),
        (
            ("--mask", "scene.png"),
            "scene.png: a mask is one grey channel, or the alpha of an RGBA; found opaque colours",
        ),
        (("--mask", "photo.png"), "photo.png: 80 x 62 pixels, but"),
        (("--mask", "given.png"), "given.png: a trimap, no mask"),
        (("--box", "1,2,3"), "box 1,2,3: four numbers LEFT,TOP,RIGHT,BOTTOM"),
        (("--box", "2,2,9,9"), "scene.png: nothing in box 2,2,9,9 can be told from what is outside"),
        (("--box", "10,10,101,60"), "scene.png: box 10,10,101,60 does not lie within the photo's 100 x 70"),
    ],
)
def test_a_wrong_mask_or_box_is_one_line_and_exit_code_2(drawn, arguments, message):
    save_image(photo(70, 100)[1], drawn / "given.png")
    run = erkd_on(drawn, "matte", *(drawn / word if word.endswith(".png") else word for word in arguments))
    assert (run.returncode, run.stdout, run.stderr.count("\n")) == (2, "", 1), run.stderr
    assert message in run.stderr
    assert not (drawn / "out.png").exists()


def test_a_photo_alone_is_told_the_ways_and_then_where_to_write(drawn):
    for command, ways in (("matte", ": --trimap FILE (drawn), --mask FILE"), ("trimap", ": --mask FILE")):
        run = erkd(command, drawn / "scene.png")
        assert (run.returncode, run.stderr.count("\n")) == (2, 1)
        assert ways in run.stderr
        run = erkd(command, drawn / "scene.png", "--mask", drawn / "mask.png")
        assert (run.returncode, run.stderr.count("\n")) == (2, 1)
        assert "-o says where to write" in run.stderr


def test_a_box_is_of_one_photo(drawn):
    run = erkd("matte", drawn / "photos", "--box", "1,1,9,9", "-o", drawn / "out")
    assert (run.returncode, run.stderr.count("\n")) == (2, 1)
    assert "--box: a folder of masks is expected, since there are 3 photos" in run.stderr


# ---- files


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
    ("--quality", "fast", "quality fast names a student of the package, model"),
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
            find_jobs(images, TrimapFile(trimap), output, force=True)
