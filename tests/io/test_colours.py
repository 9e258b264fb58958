"""Photos are read through what their files say of their colours."""

import numpy as np
import pytest
from PIL import Image, ImageCms, PngImagePlugin

from erkd.io.colours import in_space, read_colours
from erkd.io.files import InputWarning
from erkd.io.image_files import is_plain_jpeg, kept, open_image
from erkd.io.images import image_bytes, load_alpha, load_image
from tests.support.profiles import ADOBE, CMYK, GREY, SWAPPED

OWN_SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
LIGHT = 188  # sRGB's number for half the light


def read(path):
    """What `erkd matte` reads: pixels, and the profile that they are in."""
    image = open_image(path)
    colours = read_colours(image, path)
    return image_bytes(image, colours), colours.profile


@pytest.mark.parametrize("mode", ["L", "LA", "I;16", "F"])
def test_grey_is_converted_by_its_profile(tmp_path, mode):
    image = Image.new("L", (3, 2), 128).convert(mode if mode == "LA" else "L")
    if mode == "I;16":
        image = Image.fromarray(np.full((2, 3), 128 * 257, np.uint16))
    if mode == "F":
        image = Image.fromarray(np.full((2, 3), 128 / 255, np.float32))
    path = tmp_path / ("a.tif" if mode == "F" else "a.png")
    image.save(path, icc_profile=GREY)
    pixels, profile = read(path)
    assert (profile, pixels.shape) == (None, (2, 3, 3))
    np.testing.assert_allclose(pixels, LIGHT, atol=1)
    np.testing.assert_allclose(load_image(path) * 255, LIGHT, atol=1)


def test_numbers_of_an_alpha_or_trimap_are_no_colours(tmp_path):
    Image.new("L", (3, 2), 128).save(tmp_path / "a.png", icc_profile=GREY)
    np.testing.assert_array_equal(load_alpha(tmp_path / "a.png") * 255, 128)


@pytest.mark.parametrize("suffix", ["jpg", "tif"])
@pytest.mark.parametrize(("inks", "expected"), [((0, 0, 0, 0), 255), ((255, 0, 0, 0), 207), ((0, 0, 0, 128), 118)])
def test_inks_are_converted_by_their_profile(tmp_path, suffix, inks, expected):
    """Lightness 83.3 is 207, and 49.8 is 118; without a profile cyan would be (0, 255, 255)."""
    options = {"quality": 100} if suffix == "jpg" else {}
    Image.new("CMYK", (8, 8), inks).save(tmp_path / f"a.{suffix}", icc_profile=CMYK, **options)
    pixels, profile = read(tmp_path / f"a.{suffix}")
    assert profile is None
    np.testing.assert_allclose(pixels, expected, atol=2)


def test_lab_becomes_srgb(tmp_path):
    Image.new("LAB", (3, 2), (128, 128, 128)).save(tmp_path / "a.tif")
    np.testing.assert_allclose(load_image(tmp_path / "a.tif") * 255, 119, atol=1)  # lightness 50.2


def test_wide_rgb_keeps_its_numbers_and_its_profile_and_data_are_srgb(tmp_path):
    Image.new("RGB", (3, 2), (144, 255, 60)).save(tmp_path / "a.png", icc_profile=ADOBE)
    pixels, profile = read(tmp_path / "a.png")
    assert profile == ADOBE
    np.testing.assert_array_equal(pixels, np.broadcast_to([144, 255, 60], (2, 3, 3)))
    np.testing.assert_allclose(load_image(tmp_path / "a.png")[0, 0] * 255, [0, 255, 0], atol=2)  # sRGB's green


def test_srgb_by_any_name_is_left_as_it_is(tmp_path):
    for name, profile in (("plain", None), ("own", OWN_SRGB)):
        Image.new("RGB", (8, 8), (10, 200, 90)).save(tmp_path / f"{name}.jpg", icc_profile=profile, quality=100)
        assert is_plain_jpeg(tmp_path / f"{name}.jpg")
        assert read(tmp_path / f"{name}.jpg")[1] == profile
    np.testing.assert_array_equal(load_image(tmp_path / "plain.jpg"), load_image(tmp_path / "own.jpg"))
    Image.new("RGB", (8, 8)).save(tmp_path / "wide.jpg", icc_profile=ADOBE)
    assert not is_plain_jpeg(tmp_path / "wide.jpg")


def test_grey_pixels_under_an_rgb_profile_are_rgb(tmp_path):
    Image.new("L", (3, 2), 100).save(tmp_path / "a.png", icc_profile=ADOBE)
    pixels, profile = read(tmp_path / "a.png")
    assert (profile, pixels.min(), pixels.max()) == (ADOBE, 100, 100)


@pytest.mark.parametrize(
    ("mode", "profile", "message"),
    [
        ("RGB", ADOBE[:300], "a broken colour profile is ignored"),
        ("RGB", b"no profile at all", "a colour profile for .* on an RGB image is ignored"),
        ("RGB", CMYK, "a colour profile for CMYK on an RGB image is ignored"),
        ("CMYK", OWN_SRGB[:16] + b"CMYK" + OWN_SRGB[20:], "a broken colour profile is ignored"),
        ("L", OWN_SRGB[:16] + b"GRAY" + OWN_SRGB[20:], "a broken colour profile is ignored"),
    ],
)
def test_a_profile_that_cannot_be_meant_is_told_and_goes_no_further(tmp_path, mode, profile, message):
    Image.new(mode, (8, 8)).save(tmp_path / "a.jpg", icc_profile=profile, quality=100)
    with pytest.warns(InputWarning, match=rf"a\.jpg: {message}"):
        pixels, found = read(tmp_path / "a.jpg")
    assert found is None
    np.testing.assert_array_equal(pixels, 255 if mode == "CMYK" else 0)


@pytest.mark.parametrize(
    ("gamma", "points", "expected"),
    [
        (1.0, None, LIGHT),  # linear light
        (1 / 2.2, None, 128),
        (1 / 2.2, (0.31271, 0.32902, 0.64, 0.33, 0.3, 0.6, 0.15, 0.06), 128),  # as ImageMagick writes them
        (1e-9, None, 128),  # nonsense
        (1.0, (0, 0, 0, 0, 0, 0, 0, 0), 128),
    ],
)
def test_a_png_s_gamma_and_primaries_count(tmp_path, gamma, points, expected):
    chunks = PngImagePlugin.PngInfo()
    chunks.add(b"gAMA", round(gamma * 1e5).to_bytes(4, "big"))
    if points:
        chunks.add(b"cHRM", b"".join(round(value * 1e5).to_bytes(4, "big") for value in points))
    Image.new("RGB", (3, 2), (128, 128, 128)).save(tmp_path / "a.png", pnginfo=chunks)
    np.testing.assert_allclose(load_image(tmp_path / "a.png") * 255, expected, atol=1)


def test_a_camera_s_adobe_rgb_needs_no_profile(tmp_path):
    exif = Image.Exif()
    exif.get_ifd(0x8769)[0xA005] = {1: "R03"}
    Image.new("RGB", (8, 8), (144, 255, 60)).save(tmp_path / "a.jpg", exif=exif, quality=100, subsampling=0)
    _, profile = read(tmp_path / "a.jpg")
    np.testing.assert_allclose(
        in_space(np.full((1, 1, 3), (0, 255, 0), np.uint8), None, profile)[0, 0], [144, 255, 60]
    )
    np.testing.assert_allclose(load_image(tmp_path / "a.jpg")[4, 4] * 255, [0, 255, 0], atol=4)


def test_colours_look_the_same_in_another_space():
    red = np.full((2, 2, 3), (230, 30, 30), np.uint8)
    np.testing.assert_array_equal(in_space(red, None, None), red)
    swapped = in_space(red, None, SWAPPED)
    np.testing.assert_allclose(swapped[0, 0], [30, 230, 30], atol=6)  # its curve is not sRGB's
    np.testing.assert_allclose(in_space(swapped, SWAPPED, None), red, atol=1)
    np.testing.assert_allclose(in_space(swapped, SWAPPED, ADOBE), in_space(red, None, ADOBE), atol=1)


def test_resolution_and_harmless_exif_are_kept(tmp_path):
    exif = Image.Exif()
    exif[0x0112], exif[271], exif[33432] = 6, "Camera", "Jörg".encode()
    exif.get_ifd(0x8769).update({36867: "2026:01:02 03:04:05", 33434: 0.01, 0x927C: b"maker", 40962: 6})
    exif.get_ifd(0x8825)[1] = "N"  # where
    Image.new("RGB", (6, 4)).save(tmp_path / "a.jpg", exif=exif, dpi=(300, 300))
    found = kept(open_image(tmp_path / "a.jpg"))
    assert found["dpi"] == (300, 300)
    for suffix in ("png", "webp", "tif"):
        Image.new("RGBA", (4, 6)).save(tmp_path / f"cut.{suffix}", **found)
        with Image.open(tmp_path / f"cut.{suffix}") as image:
            again = image.getexif()
            assert suffix == "webp" or image.info["dpi"] == pytest.approx((300, 300), abs=0.01)
            assert (again.get(271), again.get(33432), again.get(0x0112), again.get(0x8825)) == (
                "Camera", "Jörg".encode().decode("latin-1"), None, None,
            )  # fmt: skip
            assert dict(again.get_ifd(0x8769)) == {36867: "2026:01:02 03:04:05", 33434: pytest.approx(0.01)}
    Image.new("RGB", (6, 4)).save(tmp_path / "b.tif")
    assert kept(open_image(tmp_path / "b.tif")) == {}  # its size and strips are no EXIF
