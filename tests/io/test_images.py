"""Reading and writing images, alphas and trimaps."""

import struct

import cv2
import numpy as np
import pytest
from PIL import Image

from erkd.io.files import InputError, InputWarning
from erkd.io.image_files import is_plain_jpeg, open_image, open_pair
from erkd.io.images import (
    image_bytes,
    load_alpha,
    load_cutout,
    load_image,
    load_trimap,
    resize_area,
    save_image,
    save_trimap,
)


def test_a_trimap_file_holds_0_128_255_and_an_array_0_half_1(tmp_path):
    trimap = np.array([[0, 0.5, 1]], np.float32)
    save_trimap(trimap, tmp_path / "t.png")
    assert np.asarray(Image.open(tmp_path / "t.png")).tolist() == [[0, 128, 255]]
    np.testing.assert_array_equal(load_trimap(tmp_path / "t.png"), trimap)


def test_a_trimap_file_is_written_from_exact_values_alone(tmp_path):
    with pytest.raises(ValueError, match="exactly"):
        save_trimap(np.array([[0.25]], np.float32), tmp_path / "u.png")


def test_three_equal_channels_count_as_grey_and_others_are_refused(tmp_path, rng):
    grey = rng.integers(0, 256, (4, 5, 1), np.uint8).repeat(3, axis=2)
    Image.fromarray(grey).save(tmp_path / "a.png")
    np.testing.assert_array_equal(load_alpha(tmp_path / "a.png"), grey[:, :, 0].astype(np.float32) / 255)
    grey[0, 0, 0] ^= 1
    Image.fromarray(grey).save(tmp_path / "b.png")
    with pytest.raises(InputError, match=r"b\.png: one grey channel"):
        load_alpha(tmp_path / "b.png")


def test_sixteen_bits_keep_their_range(tmp_path):
    Image.fromarray(np.array([[0, 32768, 65535]], np.uint16)).save(tmp_path / "a.png")
    np.testing.assert_allclose(load_alpha(tmp_path / "a.png"), [[0, 0.50001, 1]], atol=1e-5)
    assert load_image(tmp_path / "a.png").shape == (1, 3, 3)


@pytest.mark.parametrize("suffix", ["png", "tif"])
@pytest.mark.parametrize("channels", [3, 4])
def test_sixteen_bits_of_colour_are_kept(tmp_path, rng, channels, suffix):
    stored = rng.integers(0, 65536, (5, 6, channels)).astype(np.uint16)
    order = (2, 1, 0, 3)[:channels]  # OpenCV's files are in RGB, its arrays in BGR
    cv2.imwrite(str(tmp_path / f"ä 16.{suffix}"), np.ascontiguousarray(stored[:, :, order]))
    path = tmp_path / f"ä 16.{suffix}"
    np.testing.assert_array_equal(load_image(path), stored[:, :, :3].astype(np.float32) / np.float32(65535))
    if channels == 4:
        _, alpha = load_cutout(path)
        np.testing.assert_array_equal(alpha, stored[:, :, 3].astype(np.float32) / np.float32(65535))


def test_palettes_grey_and_bilevel(tmp_path, rng):
    colours = rng.integers(0, 256, (6, 7, 3)).astype(np.uint8)
    palette = Image.fromarray(colours).convert("P", palette=Image.Palette.ADAPTIVE, colors=8)
    palette.save(tmp_path / "p.png")
    expected = np.asarray(palette.convert("RGB"), np.float32) / 255
    np.testing.assert_array_equal(load_image(tmp_path / "p.png"), expected)
    grey = Image.fromarray(colours[:, :, 0])
    grey.save(tmp_path / "g.png")
    np.testing.assert_array_equal(load_image(tmp_path / "g.png")[:, :, 1], np.asarray(grey, np.float32) / 255)
    grey.convert("1").save(tmp_path / "b.png")
    assert set(np.unique(load_alpha(tmp_path / "b.png"))) == {0, 1}
    # a grey ramp in a palette is grey
    ramp = Image.fromarray(np.arange(42, dtype=np.uint8).reshape(6, 7) * 6).convert("P")
    ramp.save(tmp_path / "ramp.png")
    np.testing.assert_array_equal(load_alpha(tmp_path / "ramp.png"), np.asarray(ramp.convert("L"), np.float32) / 255)


def test_a_palette_with_a_transparent_entry_is_a_cutout(tmp_path):
    image = Image.new("P", (3, 1))
    image.putpalette([255, 0, 0, 0, 255, 0, 0, 0, 255])
    image.putdata([0, 1, 2])
    image.save(tmp_path / "cut.png", transparency=1)
    colours, alpha = load_cutout(tmp_path / "cut.png")
    assert alpha.tolist() == [[1, 0, 1]]
    assert colours[0, 2].tolist() == [0, 0, 1]


def test_cmyk_photographs_come_out_in_their_colours(tmp_path):
    Image.new("RGB", (16, 16), (200, 40, 90)).convert("CMYK").save(tmp_path / "print.jpg", quality=98)
    with Image.open(tmp_path / "print.jpg") as stored:
        assert stored.mode == "CMYK"
    np.testing.assert_allclose(load_image(tmp_path / "print.jpg")[8, 8] * 255, [200, 40, 90], atol=4)
    assert not is_plain_jpeg(tmp_path / "print.jpg")


def test_an_alpha_with_transparency_of_its_own_is_refused(tmp_path):
    Image.new("RGBA", (4, 4), (255, 255, 255, 90)).save(tmp_path / "a.png")
    with pytest.raises(InputError, match=r"a\.png: one grey channel is expected; found transparency"):
        load_alpha(tmp_path / "a.png")
    Image.new("RGBA", (4, 4), (90, 90, 90, 255)).save(tmp_path / "b.png")
    assert load_alpha(tmp_path / "b.png")[0, 0] == np.float32(90) / np.float32(255)


@pytest.mark.parametrize(
    ("samples", "message"),
    [
        (np.full((3, 3), 1 << 20, np.int32), "samples of more than 16 bits"),
        (np.full((3, 3), 130, np.int32), "samples of more than 16 bits"),  # black, as one of 2 ** 31
        (np.full((3, 3), 130, np.float32), "floating samples of 130 to 130, not 0 to 1"),
        (np.full((3, 3), -0.1, np.float32), "floating samples of -0.1 to -0.1, not 0 to 1"),
    ],
)
def test_samples_whose_white_nobody_knows_are_refused(tmp_path, samples, message):
    Image.fromarray(samples).save(tmp_path / "i.tif")
    for read in (load_image, load_alpha, load_trimap):
        with pytest.raises(InputError, match=rf"i.tif: {message}"):
            read(tmp_path / "i.tif")


def test_floating_samples_are_taken_as_they_are(tmp_path):
    Image.fromarray(np.array([[0.3, 1.0005]], np.float32)).save(tmp_path / "f.tif")
    np.testing.assert_allclose(load_image(tmp_path / "f.tif")[0, :, 1], [0.3, 1])
    np.testing.assert_allclose(load_alpha(tmp_path / "f.tif"), [[0.3, 1]])


@pytest.mark.parametrize(
    ("bits", "photometric", "data", "expected"),
    [
        (12, 1, b"\xff\xf8\x00", [1, 2048 / 4095]),
        (16, 1, b"\xff\xff\x00\x80", [1, 32768 / 65535]),
        (16, 0, b"\xff\xff\x00\x80", [0, 32767 / 65535]),  # white is zero
        (8, 0, b"\xff\x33", [0, 0.8]),
    ],
)
def test_grey_tiffs_have_their_own_white(tmp_path, bits, photometric, data, expected):
    tags = {256: 2, 257: 1, 258: bits, 259: 1, 262: photometric, 273: 122, 277: 1, 278: 1, 279: len(data)}
    entries = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in tags.items())
    (tmp_path / "a.tif").write_bytes(struct.pack("<2sHIH", b"II", 42, 8, 9) + entries + bytes(4) + data)
    np.testing.assert_allclose(load_image(tmp_path / "a.tif")[0, :, 0], expected, atol=1e-5)
    np.testing.assert_allclose(image_bytes(open_image(tmp_path / "a.tif"))[0, :, 0] / 255, expected, atol=2e-3)


@pytest.mark.parametrize(("suffix", "word"), [("tif", "3 pages"), ("gif", "3 frames"), ("webp", "3 frames")])
def test_of_several_pages_or_frames_the_first_is_taken_and_told(tmp_path, suffix, word):
    pages = [Image.new("L", (4, 4), value) for value in (255, 0, 128)]
    pages[0].save(tmp_path / f"a.{suffix}", save_all=True, append_images=pages[1:])
    with pytest.warns(InputWarning, match=rf"a\.{suffix}: {word}; the first one is taken"):
        assert load_image(tmp_path / f"a.{suffix}").min() == 1


def test_a_palette_with_shades_of_transparency_keeps_its_colours(tmp_path):
    Image.new("RGB", (4, 4), (200, 40, 90)).convert("P").save(tmp_path / "p.png", transparency=bytes([0, 99] * 90))
    with Image.open(tmp_path / "p.png") as image:
        expected = np.asarray(image.convert("RGBA").convert("RGB"))
    np.testing.assert_array_equal(image_bytes(open_image(tmp_path / "p.png")), expected)


def test_what_is_written_is_read_again_as_it_was(tmp_path, rng):
    alpha, image = rng.integers(0, 256, (9, 8), np.uint8), rng.integers(0, 256, (9, 8, 3), np.uint8)
    for suffix in ("png", "PNG", "webp", "bmp", "tif", "tiff"):
        save_image(alpha, tmp_path / f"alpha.{suffix}")
        np.testing.assert_array_equal(np.rint(load_alpha(tmp_path / f"alpha.{suffix}") * 255), alpha)
        save_image(image, tmp_path / f"image.{suffix}")
        np.testing.assert_array_equal(np.rint(load_image(tmp_path / f"image.{suffix}") * 255), image)
    rgba = np.dstack([image, alpha])
    for suffix in ("png", "webp", "tif"):
        save_image(rgba, tmp_path / f"cut.{suffix}")
        colours, found = load_cutout(tmp_path / f"cut.{suffix}")
        np.testing.assert_array_equal(np.rint(np.dstack([colours, found]) * 255), rgba)


def test_what_a_format_cannot_hold_is_refused_in_one_line(tmp_path):
    for name in ("wide.webp", "wide.xyz"):
        with pytest.raises(InputError, match=rf"{name}: cannot be written \("):
            save_image(np.zeros((1, 20000), np.uint8), tmp_path / name)
    assert list(tmp_path.iterdir()) == []


def test_images_stand_upright_or_as_stored_on_request(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.new("RGB", (6, 4)).save(tmp_path / "a.jpg", exif=exif)
    assert load_image(tmp_path / "a.jpg").shape == (6, 4, 3)
    assert load_image(tmp_path / "a.jpg", upright=False).shape == (4, 6, 3)
    assert not is_plain_jpeg(tmp_path / "a.jpg")


@pytest.mark.parametrize("content", [b"", b"not an image", b"\x89PNG\r\n\x1a\n", None])
def test_a_broken_file_is_named(tmp_path, rng, content):
    with pytest.raises(InputError, match="no such file"):
        load_image(tmp_path / "photo.png")
    save_image(rng.random((64, 64, 3), np.float32), tmp_path / "photo.png")
    whole = (tmp_path / "photo.png").read_bytes()
    (tmp_path / "photo.png").write_bytes(whole[: len(whole) // 2] if content is None else content)
    with pytest.raises(InputError, match=r"photo\.png: not a readable image"):
        load_image(tmp_path / "photo.png")


def test_area_resize_keeps_the_mean(rng):
    array = rng.random((64, 48), np.float32)
    assert resize_area(array, 16, 12).mean() == pytest.approx(array.mean(), abs=1e-6)
    assert resize_area(array, 128, 96).shape == (128, 96)


def test_sixteen_bit_trimaps_keep_their_three_values(tmp_path):
    Image.fromarray(np.array([[0, 32896, 65535]], np.uint16)).save(tmp_path / "t.png")
    assert load_trimap(tmp_path / "t.png").tolist() == [[0, 0.5, 1]]


@pytest.mark.parametrize("mode", ["RGB", "L", "RGBA", "P", "1", "I;16"])
def test_bytes_of_any_kind_of_image_are_what_load_image_reads(tmp_path, rng, mode):
    deep = rng.integers(0, 65536, (600, 5), np.uint16)  # taller than a strip
    colours = Image.fromarray(rng.integers(0, 256, (600, 5, 3), np.uint8))
    image = Image.fromarray(deep) if mode == "I;16" else colours.convert(mode)
    image.save(tmp_path / "a.png")
    found = image_bytes(open_image(tmp_path / "a.png"))
    assert (found.shape, found.dtype) == ((600, 5, 3), np.uint8)
    np.testing.assert_array_equal(found, np.rint(load_image(tmp_path / "a.png") * 255))


@pytest.mark.parametrize("suffix", ["jpg", "tif", "png", "webp"])
def test_a_photo_and_its_trimap_stand_upright_together(tmp_path, suffix):
    """Orientation 6: the camera lay on its side; stored 6 x 4, shown 4 x 6."""
    exif = Image.Exif()
    exif[0x0112] = 6
    path = tmp_path / f"photo.{suffix}"
    Image.new("RGB", (6, 4)).save(path, exif=exif)
    stored = Image.fromarray(np.arange(24, dtype=np.uint8).reshape(4, 6))
    upright = stored.transpose(Image.Transpose.ROTATE_270)
    trimaps = [
        (f"{name}.{kind}", trimap, tags)
        for kind in ("png", "tif")
        for name, trimap, tags in (
            ("upright", upright, {}),
            ("stored", stored, {}),
            ("tagged", stored, {"exif": exif}),
        )
    ]
    for name, trimap, tags in trimaps:
        trimap.save(tmp_path / name, **tags)
        image, found = open_pair(path, tmp_path / name)
        assert image.size == (4, 6)
        np.testing.assert_array_equal(found, upright)
    Image.new("L", (6, 5)).save(tmp_path / "other.png")
    with pytest.raises(InputError, match=rf"other\.png: 6 x 5 pixels, but .*photo\.{suffix} has 4 x 6"):
        open_pair(path, tmp_path / "other.png")


@pytest.mark.parametrize("mode", ["L", "P", "RGBA", "CMYK", "I;16"])
def test_a_turned_tiff_has_the_pixels_of_its_scene(tmp_path, mode):
    """Uncompressed, of one tile: Pillow would map such a file into memory."""
    exif = Image.Exif()
    exif[0x0112] = 6
    grey = Image.fromarray(np.arange(0, 240, 10, dtype=np.uint8).reshape(4, 6))
    stored = Image.fromarray(np.asarray(grey, np.uint16) * 257) if mode == "I;16" else grey.convert(mode)
    stored.save(tmp_path / "a.tif", exif=exif)
    upright = stored.transpose(Image.Transpose.ROTATE_270)
    np.testing.assert_array_equal(open_image(tmp_path / "a.tif"), upright)


def test_sixteen_bits_of_a_turned_tiff_are_read_upright(tmp_path, rng):
    """Stored 4 x 6, shown 6 x 4; the upper 8 bits are what is left of them."""
    stored = rng.integers(0, 65536, (4, 6, 3)).astype(np.uint16)
    path = tmp_path / "deep.tif"
    cv2.imwrite(str(path), stored[:, :, ::-1].copy(), [cv2.IMWRITE_TIFF_COMPRESSION, 1])
    content = bytearray(path.read_bytes())
    at = content.find(b"\x16\x01\x03\x00")  # of rows per strip, of which there is one: made the tag Orientation
    content[at], content[at + 8] = 0x12, 6
    path.write_bytes(content)
    np.testing.assert_allclose(load_image(path), np.rot90(stored, -1) / 65535, atol=1 / 255)
