"""What `erkd matte` makes of users' files and folders: colours, outputs, names, what is left out, memory."""

import io
import json
import os
import re
import subprocess
import sys
import unicodedata

import cv2
import numpy as np
import pytest
from PIL import Image, ImageCms

from erkd.cli import main
from erkd.evaluation.folders import match_files, results, write_csv
from erkd.evaluation.scores import score_file
from erkd.inference.hints import TrimapFile
from erkd.inference.jobs import find_jobs
from erkd.inference.matter import Matter
from erkd.io.files import InputError, write_json
from erkd.io.images import load_alpha, load_image, save_image
from tests.support import ROOT
from tests.support.command import erkd
from tests.support.onnx_student import write_student
from tests.support.photo import photo
from tests.support.profiles import ADOBE, CMYK, SWAPPED

IMAGE, TRIMAP = photo(62, 80)
RED = (230, 30, 30)


@pytest.fixture(scope="module")
def student(tmp_path_factory):
    return write_student(tmp_path_factory.mktemp("student") / "student.onnx")


@pytest.fixture
def matte(tmp_path, monkeypatch, student):
    """Run `erkd matte` in a folder with photo.png and trimap.png."""
    monkeypatch.chdir(tmp_path)
    save_image(IMAGE, tmp_path / "photo.png")
    save_image(TRIMAP, tmp_path / "trimap.png")

    def run(*arguments, image="photo.png", trimap="trimap.png", output="out.png"):
        return erkd("matte", image, "--trimap", trimap, "-o", output, "--model", student, *arguments)

    return run


def pairs(folder, *names):
    """photos/NAME.jpg and trimaps/NAME.png in a folder."""
    for name in names:
        save_image(IMAGE, folder / f"photos/{name}.jpg")
        save_image(TRIMAP, folder / f"trimaps/{name}.png")


def shown(path):
    """Pixels as a colour-managed viewer shows them, through ImageCms alone."""
    with Image.open(path) as image:
        profile = image.info.get("icc_profile")
        if profile is None:
            return np.asarray(image.convert("RGB"))
        own = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        assert own.profile.xcolor_space.strip() == "RGB"
        image = ImageCms.profileToProfile(image.convert("RGB"), own, ImageCms.createProfile("sRGB"))
        return np.asarray(image)


@pytest.mark.parametrize("profile", [None, SWAPPED, ADOBE])
def test_a_new_background_keeps_its_colours_whatever_the_photo_s_profile(tmp_path, matte, profile):
    Image.fromarray(IMAGE).save(tmp_path / "photo.png", icc_profile=profile)
    Image.new("RGB", (5, 5), (120, 200, 60)).save(tmp_path / "behind.png", icc_profile=ADOBE)
    assert matte("--background", "#e61e1e").stderr == ""
    np.testing.assert_allclose(shown(tmp_path / "out.png")[0, 0], RED, atol=2)
    assert matte("--background", "behind.png", output="other.png").stderr == ""
    np.testing.assert_allclose(shown(tmp_path / "other.png")[0, 0], shown(tmp_path / "behind.png")[0, 0], atol=2)
    for name in ("out.png", "other.png"):
        np.testing.assert_allclose(shown(tmp_path / name)[31, 40], shown(tmp_path / "photo.png")[31, 40], atol=1)


def test_a_cutout_of_inks_is_in_srgb_and_one_of_wide_rgb_in_its_own(tmp_path, matte):
    Image.new("CMYK", (80, 62), (255, 0, 0, 0)).save(tmp_path / "inks.tif", icc_profile=CMYK, dpi=(300, 300))
    assert matte("--cutout", image="inks.tif", output="inks.png").stderr == ""
    with Image.open(tmp_path / "inks.png") as cut:
        assert (cut.mode, cut.info.get("icc_profile"), round(cut.info["dpi"][0])) == ("RGBA", None, 300)
        np.testing.assert_allclose(cut.getpixel((40, 31)), [207, 207, 207, 255], atol=1)
    Image.fromarray(IMAGE).save(tmp_path / "photo.png", icc_profile=ADOBE)
    assert matte("--cutout").stderr == ""
    with Image.open(tmp_path / "out.png") as cut:
        assert cut.info["icc_profile"] == ADOBE
        assert cut.getpixel((40, 31)) == (*IMAGE[31, 40], 255)
    assert matte(output="alpha.png").stderr == ""
    with Image.open(tmp_path / "alpha.png") as alpha:
        assert alpha.info.get("icc_profile") is None


def test_transparency_that_does_not_count_is_told(tmp_path, matte):
    for name, alpha in (("opaque", 255), ("clear", 254)):
        save_image(np.dstack([IMAGE, np.full_like(TRIMAP, alpha)]), tmp_path / f"{name}.png")
    assert matte("--background", "opaque.png", image="opaque.png").stderr == ""
    run = matte("--background", "clear.png", "--force", image="clear.png")
    assert run.stderr == "warning: clear.png: its transparency is ignored\n" * 2


@pytest.mark.parametrize("suffix", ["png", "webp", "bmp", "tif"])
def test_a_matte_loses_nothing_and_serves_as_photo_and_as_alpha(tmp_path, matte, suffix):
    assert matte().stderr == ""
    assert matte(output=f"a/out.{suffix}").stderr == ""
    np.testing.assert_array_equal(load_alpha(tmp_path / f"a/out.{suffix}"), load_alpha(tmp_path / "out.png"))
    assert matte(image=f"a/out.{suffix}", output="again.png").stderr == ""
    save_image(TRIMAP, tmp_path / f"trimaps/out.{suffix}")
    assert matte(trimap=f"trimaps/out.{suffix}", output="third.png").stderr == ""
    written = tmp_path / f"a/out.{suffix}"
    assert score_file(written, tmp_path / "out.png", tmp_path / f"trimaps/out.{suffix}").sad == 0


@pytest.mark.parametrize(
    ("output", "message"),
    [
        ("a.gif", r"a\.gif: files of this type are not written; \.png, \.jpg"),
        ("a.HEIC", "files of this type are not written"),
        ("a.jpg", r"a\.jpg: JPEG would change the values; write it as PNG"),
        ("photo.png/a.png", r"photo\.png/a\.png: cannot be written, since photo\.png is no folder"),
        ("photo.png/a", r"cannot be written, since photo\.png is no folder"),
        ("n" * 252 + ".png", "a name may have 255 bytes"),
        ("n" * 256, "a name may have 255 bytes"),
        ("/dev/full", r"/dev/full: cannot be written \(No space left on device\)"),
    ],
)
def test_an_output_that_cannot_be_is_one_line_and_makes_nothing(tmp_path, matte, output, message):
    run = matte(output=output)
    assert (run.returncode, run.stderr.count("\n")) == (2, 1), run.stderr
    assert re.search(message, run.stderr)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["photo.png", "trimap.png"]


def test_a_cutout_in_a_format_without_alpha_is_refused_and_a_folder_may_have_a_dot(matte):
    for name in ("out.jpg", "out.bmp"):
        assert matte("--cutout", output=name).stderr == (
            f"{name}: this type of file holds no alpha; write a cut-out as PNG\n"
        )
    assert matte(output="out.v2").returncode == 0
    assert os.path.isfile("out.v2/photo.png")


def test_trimaps_are_written_by_the_same_rules(tmp_path, matte, student):
    for name in ("one", "two"):
        save_image(IMAGE, tmp_path / f"photos/{name}.jpg")
        save_image(np.where(TRIMAP == 255, np.uint8(255), np.uint8(0)), tmp_path / f"masks/{name}.png")
    words = ("trimap", "photos", "--mask", "masks", "--model", student, "-o")
    assert erkd("trimap", "photos/one.jpg", *words[2:], "a.jpg").stderr == (
        "a.jpg: JPEG would change the values; write it as PNG\n"
    )
    (tmp_path / "masks/one.png").write_bytes(b"")
    run = erkd(*words, "photos")  # beside the photos
    assert (run.returncode, sorted(os.listdir("photos"))) == (2, ["one.jpg", "two.jpg", "two.png"])
    assert "masks/one.png: not a readable image" in run.stderr.splitlines()[-1]
    assert erkd(*words, "photos", "--skip-existing").stderr.startswith("warning: photos: 1 of 2 exist already")


def test_a_picture_too_large_for_its_format_is_told_before_the_work(tmp_path, matte, monkeypatch):
    save_image(np.zeros((2, 20000, 3), np.uint8), tmp_path / "photo.png")
    save_image(np.full((2, 20000), 128, np.uint8), tmp_path / "trimap.png")
    monkeypatch.setattr(Matter, "write", None)
    run = matte(output="out.webp")
    assert (run.returncode, run.stderr) == (
        2,
        "out.webp: this type of file holds 16383 pixels a side; write 20000 as PNG\n",
    )


def test_standard_output_gets_a_png_and_nothing_else_and_devices_stay(tmp_path, matte, monkeypatch):
    assert matte().returncode == 0
    run = matte(output="-")
    assert (run.returncode, run.stderr) == (0, "")
    assert os.fsencode(run.stdout) == (tmp_path / "out.png").read_bytes()
    assert matte(output="/dev/null").returncode == 0
    assert os.path.exists("/dev/null")
    assert not os.path.isfile("/dev/null")
    os.mkfifo(tmp_path / "pipe")
    reader = os.open(tmp_path / "pipe", os.O_RDONLY | os.O_NONBLOCK)
    assert matte(output="pipe").returncode == 0
    assert os.read(reader, 1 << 20) == (tmp_path / "out.png").read_bytes()
    os.close(reader)
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO((tmp_path / "photo.png").read_bytes())))
    assert matte(image="-", output="-").stdout == run.stdout
    pairs(tmp_path, "one", "two")
    for output in ("-", "/dev/null", "/dev/stdout", "out.tif"):
        run = matte(image="photos", trimap="trimaps", output=output)
        assert run.stderr == f"{output}: a folder is expected, since there are 2 photos\n"


@pytest.mark.parametrize("error", [MemoryError(), cv2.error("(-4:Insufficient memory)"), RuntimeError("bad_alloc")])
def test_short_memory_is_a_line_and_the_batch_goes_on(tmp_path, matte, monkeypatch, error):
    pairs(tmp_path, "one", "two")
    save_image(IMAGE[:50], tmp_path / "photos/two.jpg")
    save_image(TRIMAP[:50], tmp_path / "trimaps/two.png")
    write = Matter.write

    def short(matter, image, trimap, alpha, *name):
        if len(image) == 62:
            raise error
        write(matter, image, trimap, alpha, *name)

    monkeypatch.setattr(Matter, "write", short)
    run = matte(image="photos", trimap="trimaps", output="out")
    assert run.returncode == 2
    assert run.stderr.endswith("photos/one.jpg: it does not fit into memory; a smaller --tile takes less\n")
    assert os.listdir(tmp_path / "out") == ["two.png"]


def test_sub_folders_go_along_and_what_is_left_out_is_told(tmp_path, matte):
    pairs(tmp_path, "a", "day 1/a", "day 1/more/c")
    for name in ("notes.txt", "day 1/x.heic", ".DS_Store", "Thumbs.db", "._a.jpg", "__MACOSX/z.jpg", ".hidden/z.jpg"):
        path = tmp_path / "photos" / name
        path.parent.mkdir(exist_ok=True)
        path.touch()
    (tmp_path / "photos/linked").symlink_to("day 1")
    run = matte(image="photos", trimap="trimaps", output="out")
    assert run.returncode == 0
    told = "warning: photos: left out day 1/x.heic, linked/, notes.txt; taken are "
    assert run.stderr.splitlines()[0] == told + ".png, .jpg, .jpeg, .webp, .bmp, .tif, .tiff"
    found = sorted(path.relative_to(tmp_path / "out").as_posix() for path in (tmp_path / "out").rglob("*.png"))
    assert found == ["a.png", "day 1/a.png", "day 1/more/c.png"]
    assert [*match_files(tmp_path / "out", tmp_path / "out", tmp_path / "trimaps").files] == [
        "a", "day 1/a", "day 1/more/c",
    ]  # fmt: skip


@pytest.mark.parametrize("output", ["photos", "photos/alphas", "trimaps/alphas"])
def test_a_run_into_the_input_s_own_folder_can_be_repeated(tmp_path, matte, output):
    pairs(tmp_path, "one", "day/two")
    assert matte(image="photos", trimap="trimaps", output=output).returncode == 0
    (tmp_path / output / "one.png").unlink()
    (tmp_path / output / "day/two.png").write_bytes(b"kept")
    run = matte("--skip-existing", image="photos", trimap="trimaps", output=output)
    assert (run.returncode, run.stderr.splitlines()[0]) == (
        0,
        f"warning: {output}: 1 of 2 exist already and are skipped",
    )
    assert (tmp_path / output / "day/two.png").read_bytes() == b"kept"
    assert load_alpha(tmp_path / output / "one.png").shape == TRIMAP.shape
    run = matte(image="photos", trimap="trimaps", output=output)
    assert run.stderr.startswith(f"{output}/one.png, {output}/day/two.png exists already; --force overwrites, --skip")
    assert matte("--force", image="photos", trimap="trimaps", output=output).returncode == 0
    assert load_alpha(tmp_path / output / "day/two.png").shape == TRIMAP.shape


def test_earlier_results_below_the_photos_are_told_and_left_out(tmp_path, matte):
    pairs(tmp_path, "one", "day/two")
    assert matte(image="photos", trimap="trimaps", output="photos/alphas").returncode == 0
    run = matte("--cutout", image="photos", trimap="trimaps", output="photos/cutouts")
    assert (run.returncode, run.stderr.splitlines()[0]) == (
        0,
        "warning: trimaps: no folder alphas, alphas/day; photos in it are left out",
    )
    assert sorted(path.name for path in (tmp_path / "photos/cutouts").rglob("*.png")) == ["one.png", "two.png"]


def test_nothing_is_left_to_do(tmp_path, matte):
    assert matte().returncode == 0
    run = matte("--skip-existing", "--model", "nowhere")  # no model is needed
    assert (run.returncode, run.stderr) == (0, "warning: out.png: 1 of 1 exist already and are skipped\n")


@pytest.mark.parametrize("form", ["NFC", "NFD"])
def test_names_pair_across_unicode_s_forms(tmp_path, matte, form):
    pairs(tmp_path, unicodedata.normalize(form, "grün"))
    other = "NFD" if form == "NFC" else "NFC"
    (tmp_path / "trimaps" / unicodedata.normalize(form, "grün.png")).rename(
        tmp_path / "trimaps" / unicodedata.normalize(other, "grün.png")
    )
    assert matte(image="photos", trimap="trimaps", output="out").returncode == 0
    assert os.listdir(tmp_path / "out") == [unicodedata.normalize("NFC", "grün.png")]
    (tmp_path / "photos" / unicodedata.normalize(other, "grün.jpg")).write_bytes(b"")
    with pytest.raises(InputError, match="photos: both grün.jpg and grün.jpg; keep one".replace("ü", ".{1,2}")):
        find_jobs([tmp_path / "photos"], TrimapFile(tmp_path / "trimaps"), tmp_path / "out", True)


def test_names_pair_whatever_their_case_where_one_alone_is_meant(tmp_path, matte):
    pairs(tmp_path, "Day/IMG_1", "b")
    (tmp_path / "trimaps/Day").rename(tmp_path / "trimaps/day")
    (tmp_path / "trimaps/day/IMG_1.png").rename(tmp_path / "trimaps/day/img_1.PNG")
    assert matte(image="photos", trimap="trimaps", output="out").returncode == 0
    assert os.path.isfile("out/Day/IMG_1.png")
    save_image(TRIMAP, tmp_path / "trimaps/day/Img_1.png")
    with pytest.raises(InputError, match=r"day: no trimap of the same name for IMG_1\.jpg"):
        find_jobs([tmp_path / "photos/Day/IMG_1.jpg"], TrimapFile(tmp_path / "trimaps/day"), tmp_path / "o", True)


def test_odd_names_break_no_line_no_table_and_no_json(tmp_path, matte):
    names = ["two\nlines", os.fsdecode(b"gr\xfcn")]
    pairs(tmp_path, *names)
    assert matte(image="photos", trimap="trimaps", output="out").returncode == 0
    (tmp_path / f"photos/{names[0]}.jpg").write_bytes(b"")
    run = matte(image=f"photos/{names[0]}.jpg", trimap="trimaps", output="other")
    assert (run.returncode, run.stderr.count("\n")) == (2, 1)
    assert run.stderr.startswith(r"photos/two\nlines.jpg: not a readable image")
    matches = match_files(tmp_path / "out", tmp_path / "out", tmp_path / "trimaps").files
    scores = {"pred": {name: score_file(*files) for name, files in matches.items()}}
    write_json(results(scores), tmp_path / "scores.json")
    write_csv(scores, tmp_path / "scores.csv")
    assert {*json.loads((tmp_path / "scores.json").read_text())["images"]} == {*names}
    assert r"gr\udcfcn,0.0" in (tmp_path / "scores.csv").read_text()


def test_a_link_in_a_circle_and_a_name_too_long_are_a_line(tmp_path, matte):
    (tmp_path / "loop.png").symlink_to("loop.png")
    for given in ({"image": "loop.png"}, {"trimap": "loop.png"}, {"image": "n" * 300}, {"trimap": "n" * 300}):
        run = matte(**given)
        assert (run.returncode, run.stderr.count("\n")) == (2, 1)
        assert ": cannot be read (" in run.stderr


def test_what_may_not_be_read_is_told_and_the_batch_goes_on(tmp_path, matte, monkeypatch):
    """Said by the system's functions, since the tests may run as root, for whom nothing is refused."""
    pairs(tmp_path, "one", "two", "locked/three")

    def refuse_some(function):
        def call(path, *arguments, **options):
            if str(path).endswith(("locked", "one.jpg")):
                raise PermissionError(13, "Permission denied", str(path))
            return function(path, *arguments, **options)

        return call

    monkeypatch.setattr(os, "scandir", refuse_some(os.scandir))
    monkeypatch.setattr(Image, "open", refuse_some(Image.open))
    run = matte(image="photos", trimap="trimaps", output="out")
    assert (run.returncode, os.listdir("out")) == (2, ["two.png"])
    assert run.stderr.startswith("warning: photos: left out locked/; taken are")
    assert run.stderr.endswith("photos/one.jpg: cannot be read (Permission denied)\n")
    assert matte(image="photos/locked", trimap="trimaps").stderr == (
        "photos/locked: cannot be read (Permission denied)\n"
    )


def test_signs_that_a_terminal_has_not_are_escaped(monkeypatch):
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(io.BytesIO(), encoding="ascii"))
    monkeypatch.setattr(sys, "argv", ["erkd", "matte", "--help"])
    with pytest.raises(SystemExit):
        main()
    print("10\N{SUPERSCRIPT MINUS}\N{SUPERSCRIPT THREE} \udcff", flush=True)
    assert sys.stdout.buffer.getvalue().endswith(rb"10\u207b\xb3 \udcff" + b"\n")


def test_scores_that_cannot_be_written_are_told_before_the_work(tmp_path, matte):
    run = erkd("evaluate", "--pred", "a", "--alpha", "a", "--trimap", "a", "--json", "photo.png/scores.json")
    assert (run.returncode, run.stderr) == (
        2,
        "photo.png/scores.json: cannot be written, since photo.png is no folder\n",
    )


@pytest.mark.nightly
@pytest.mark.parametrize(("height", "width", "most"), [(4000, 6000, 1.3), (5164, 7746, 1.6)])
@pytest.mark.parametrize("finish", ["--cutout", "--background=#e61e1e"])
def test_the_peak_of_a_large_photo(tmp_path, rng, height, width, most, finish):
    """GiB that the whole process held at most, with the package's own student."""
    coarse = rng.integers(0, 256, (height // 8, width // 8, 3), np.uint8)
    save_image(cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC), tmp_path / "photo.jpg")
    rows, columns = np.ogrid[:height, :width]
    radius = np.hypot(rows - height / 2, columns - width / 2) / height
    save_image(np.select([radius < 0.3, radius > 0.34], [255, 0], 128).astype(np.uint8), tmp_path / "trimap.png")
    words = ["photo.jpg", "--trimap", "trimap.png", "-o", "out.png", finish]
    script = f"import sys; sys.argv = ['erkd', 'matte', *{words}]; from erkd.cli import main\n"
    script += "try: main()\nexcept SystemExit as end: assert not end.code\nprint(open('/proc/self/status').read())"
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=tmp_path, env=environment, check=True, capture_output=True, text=True
    )
    peak = next(line for line in done.stdout.splitlines() if line.startswith("VmHWM")).split()[1]
    assert int(peak) / 2**20 <= most
    assert load_image(tmp_path / "out.png").shape == (height, width, 3)
