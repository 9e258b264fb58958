"""The web page, asked for directly and used in headless Chromium as a person uses it."""

import io
import json
import math
import re
import socket
import subprocess
import sys
from contextlib import ExitStack

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import expect

from erkd.demo.samples import sample_file
from erkd.inference.boxes import Box, mask_from_box
from erkd.inference.cutouts import cutout
from erkd.inference.masks import trimap_from_mask
from erkd.inference.matter import Matter
from erkd.io.images import to_bytes
from tests.support.browser import open_tab
from tests.support.demo_site import MAX_MB, photo_and_trimap, pixels, png, running_site
from tests.support.fuzzing import promising

pytestmark = pytest.mark.slow  # a server and a browser
IMAGE, TRIMAP = photo_and_trimap()
PHOTO_FILE, TRIMAP_FILE = png(IMAGE), png(TRIMAP)


@pytest.fixture(scope="module")
def site():
    with running_site() as running:
        yield running
        assert [file for folder in running.written for file in folder.rglob("*")] == []


# ---- the services


def test_an_alpha_and_a_cut_out_are_answered(site):
    status, kind, body = site.post("/matte", image=PHOTO_FILE, trimap=TRIMAP_FILE)
    assert (status, kind) == (200, "image/png")
    alpha = pixels(body)
    np.testing.assert_array_equal(alpha, to_bytes(site.matter()(IMAGE, TRIMAP)))
    status, _, body = site.post("/cutout", image=PHOTO_FILE, alpha=png(alpha))
    assert status == 200
    np.testing.assert_array_equal(pixels(body)[:, :, 3], alpha)
    np.testing.assert_array_equal(pixels(body), to_bytes(cutout(IMAGE, alpha)))


def test_a_mask_and_a_box_are_answered_with_their_trimap(site):
    thing = np.uint8(255) * (TRIMAP > 0)
    status, _, body = site.post("/mask", image=PHOTO_FILE, mask=png(thing))
    assert status == 200
    np.testing.assert_array_equal(pixels(body), trimap_from_mask(site.matter(), IMAGE, thing))
    status, _, body = site.post("/box", image=PHOTO_FILE, box=b"20,10,80,62")
    assert status == 200
    found = mask_from_box(IMAGE, Box(20, 10, 80, 62))
    np.testing.assert_array_equal(pixels(body), trimap_from_mask(site.matter(), IMAGE, found))


@pytest.mark.parametrize(
    ("path", "files", "said"),
    [
        ("/mask", {"mask": png(IMAGE)}, "mask: a mask is one grey channel"),
        ("/mask", {"mask": png(np.zeros_like(TRIMAP))}, "mask: no pixel is above half"),
        ("/mask", {"mask": TRIMAP_FILE}, "mask: a trimap, no mask"),
        ("/mask", {"mask": png(TRIMAP[:, 1:])}, "mask: 99 x 72 pixels"),
        ("/box", {"box": b"1,2,3"}, "four numbers"),
        ("/box", {"box": b"\xff" * 1000}, "four numbers"),
        ("/box", {"box": b"0,0,101,50"}, "photo: box 0,0,101,50 does not lie within the photo's 100 x 72"),
    ],
)
def test_a_bad_mask_or_box_is_one_line(site, path, files, said):
    message = site.refusal(path, image=PHOTO_FILE, **files)
    assert said in message
    assert "\n" not in message


def test_a_photo_is_turned_as_its_exif_data_says_and_16_bits_are_read(site):
    exif = Image.Exif()
    exif[0x0112] = 6  # lies on its side
    stream = io.BytesIO()
    Image.fromarray(np.rot90(IMAGE)).save(stream, "PNG", exif=exif)
    turned = site.post("/matte", image=stream.getvalue(), trimap=TRIMAP_FILE)
    assert turned == site.post("/matte", image=PHOTO_FILE, trimap=TRIMAP_FILE)
    grey = IMAGE[:, :, 0]
    deep = site.post("/matte", image=png(grey.astype(np.uint16) * 257), trimap=TRIMAP_FILE)
    assert deep == site.post("/matte", image=png(grey), trimap=TRIMAP_FILE)
    assert deep[0] == 200


@pytest.mark.parametrize(
    ("files", "said"),
    [
        ({"image": b"no image", "trimap": TRIMAP_FILE}, "photo: not a readable image"),
        ({"image": b"", "trimap": TRIMAP_FILE}, "photo: not a readable image"),
        ({"image": PHOTO_FILE[:200], "trimap": TRIMAP_FILE}, "photo: not a readable image"),
        ({"image": PHOTO_FILE, "trimap": b"GIF89a"}, "trimap: not a readable image"),
        ({"image": PHOTO_FILE, "trimap": png(TRIMAP[:, 1:])}, "trimap: 99 x 72 pixels; the photo's 100 x 72"),
        ({"image": PHOTO_FILE, "trimap": png(np.full_like(TRIMAP, 255))}, "no pixel is unknown"),
        ({"image": promising(6000, 6000), "trimap": TRIMAP_FILE}, "6000 x 6000 pixels"),
        ({"image": PHOTO_FILE}, "the files image and trimap"),
        ({"image": PHOTO_FILE, "trimap": TRIMAP_FILE, "more": b""}, "Too many files"),
    ],
)
def test_a_bad_upload_gets_one_line_and_the_server_goes_on(site, files, said):
    message = site.refusal("/matte", **files)
    assert said in message
    assert "\n" not in message
    assert "BytesIO" not in message
    assert site.post("/matte", image=PHOTO_FILE, trimap=TRIMAP_FILE)[0] == 200


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        ("text/plain", b"image"),
        ("multipart/form-data", b"no boundary"),
        ("multipart/form-data; boundary=cut", b"no part"),
        ("multipart/form-data; boundary=cut", b"--cut\r\nContent-Disposition: nothing\r\n\r\nx\r\n--cut--\r\n"),
        ("multipart/form-data; boundary=cut", b'--cut\r\nContent-Disposition: form-data; name="image"'),
    ],
)
def test_a_broken_form_is_refused(site, kind, body):
    status, _, answer = site.ask("POST", "/matte", body, {"Content-Type": kind})
    assert status == 400, answer
    assert json.loads(answer)["error"]


def test_too_large_an_upload_is_refused_before_it_is_read(site):
    host, port = site.address.removeprefix("http://").split(":")
    form = "Host: x\r\nContent-Type: multipart/form-data; boundary=cut\r\n"
    with socket.create_connection((host, int(port)), timeout=20) as connection:
        connection.sendall(f"POST /matte HTTP/1.1\r\n{form}Content-Length: 99000000000\r\n\r\n".encode())
        assert b" 413 " in connection.recv(1000)
    with socket.create_connection((host, int(port)), timeout=20) as connection:
        connection.sendall(f"POST /matte HTTP/1.1\r\n{form}Transfer-Encoding: chunked\r\n\r\n".encode())
        sent, piece = 0, b"10000\r\n" + b"x" * 65536 + b"\r\n"
        connection.sendall(b'46\r\n--cut\r\nContent-Disposition: form-data; name="image"; filename="i"\r\n\r\n\r\n')
        try:
            while sent < 40 * MAX_MB * 1e6:
                connection.sendall(piece)
                sent += len(piece)
        except OSError:
            pass  # the server has hung up
        assert sent < 40 * MAX_MB * 1e6
    assert f"more than {MAX_MB} MB" in site.refusal("/matte", image=bytes(1_100_000), trimap=b"")


@pytest.mark.parametrize(
    "path",
    [
        "/../../../../etc/passwd", "//etc/passwd", "/%2e%2e/%2e%2e/server.py", "/server.py", "/index.html",
        "/samples/../../server.py", "/samples/crab.py", "/samples/none.jpg", "/samples/%2fetc%2fpasswd.png", "/docs",
    ],
)  # fmt: skip
def test_no_other_file_is_given(site, path):
    assert site.ask("GET", path)[0] == 404


def test_a_taken_port_is_one_line_and_exit_code_2(site):
    port = site.address.rsplit(":", 1)[1]
    command = [sys.executable, "-m", "erkd.cli", "demo", "--model", str(site.student), "--port", port]
    run = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert (run.returncode, run.stdout) == (2, "")
    assert "Address already in use" in run.stderr
    assert run.stderr.count("\n") == 1


# ---- the page


@pytest.fixture
def open_page(site, browser):
    """Opens the page at a width; its tab is closed at the end, and has asked nobody else for anything."""
    with ExitStack() as stack:
        tabs = []

        def open_at(width):
            tabs.append(stack.enter_context(open_tab(browser, site.address, width)))
            tabs[-1].page.wait_for_selector("body[data-ready=yes]")
            return tabs[-1]

        yield open_at
        own = f"{site.address}/", "blob:", "data:"
        assert all(address.startswith(own) for tab in tabs for address in tab.requests)


def drag(page, radius, start=0, end=24):
    """Move the pressed mouse around the middle of the photo, from one 24th of a turn to another; `radius` is a share
    of its shorter side."""
    marks = page.locator("#marks")
    marks.scroll_into_view_if_needed()
    box = marks.bounding_box()
    x, y, side = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2, min(box["width"], box["height"])
    angles = [2 * math.pi * turn / 24 for turn in range(start, end)]
    points = [(x + side * radius * math.cos(angle), y + side * radius * math.sin(angle)) for angle in angles]
    page.mouse.move(*points[0])
    page.mouse.down()
    for point in points[1:]:
        page.mouse.move(*point)
    page.mouse.up()


def download(page, selector, path):
    """The pixels of the file that a click gives, under its own name at `path`."""
    with page.expect_download() as arriving:
        page.click(selector)
    assert arriving.value.suggested_filename == path.name
    arriving.value.save_as(path)
    return pixels(path.read_bytes())


@pytest.mark.parametrize("width", [1280, 390])
def test_a_sample_is_painted_matted_and_downloaded(site, open_page, tmp_path, width):
    tab = open_page(width)
    page = tab.page
    page.click("button[title=giraffe]")
    expect(page.locator("#matte")).to_be_enabled()
    page.click("[value=unknown]")
    drag(page, 0.2, 0, 12)
    page.click("[value=background]")
    drag(page, 0.48, 16, 20)
    trimap = download(page, "#save-trimap", tmp_path / "giraffe-trimap.png")[:, :, 0]
    photo, given = (pixels(sample_file("giraffe", suffix)) for suffix in ("jpg", "png"))
    assert np.unique(trimap).tolist() == [0, 128, 255]
    assert (trimap != given).mean() > 0.01  # what was painted
    assert (trimap == given).mean() > 0.8

    page.click("#matte")
    expect(page.locator("#outcome")).to_be_visible()
    alpha = download(page, "[data-save=alpha]", tmp_path / "giraffe-alpha.png")
    np.testing.assert_array_equal(alpha, to_bytes(site.matter()(photo, trimap)))
    rgba = download(page, "[data-save=cutout]", tmp_path / "giraffe-cutout.png")
    np.testing.assert_array_equal(rgba[:, :, 3], alpha)

    page.click("[value=composite]")
    page.fill("#colour", "#ff0000")
    composite = download(page, "[data-save=composite]", tmp_path / "giraffe-composite.png")
    share = alpha[:, :, None] / 255.0
    expected = share * rgba[:, :, :3] + (1 - share) * [255, 0, 0]
    assert np.abs(composite[:, :, :3] - expected).max() <= 2
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert tab.errors == []


def test_the_quality_is_chosen_on_the_page(browser, tmp_path):
    with running_site("--quality", "fast") as site, open_tab(browser, site.address, 390) as tab:
        page = tab.page
        page.wait_for_selector("body[data-ready=yes]")
        page.click("button[title=giraffe]")
        expect(page.locator("[value=fast]")).to_be_checked()
        page.check("[value=best]")
        page.click("#matte")
        expect(page.locator("#outcome")).to_be_visible()
        alpha = download(page, "[data-save=alpha]", tmp_path / "giraffe-alpha.png")
        photo, trimap = (pixels(sample_file("giraffe", suffix)) for suffix in ("jpg", "png"))
        np.testing.assert_array_equal(alpha, to_bytes(Matter.load(quality="best")(photo, trimap)))
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        assert tab.errors == []
        assert site.ask("POST", "/matte/finest")[0] == 404


def test_an_outline_becomes_a_trimap_and_is_undone_by_keys(site, open_page, tmp_path):
    (tmp_path / "disc.png").write_bytes(png(np.repeat(np.repeat(IMAGE, 4, 0), 4, 1)))
    tab = open_page(1280)
    page = tab.page
    page.set_input_files("#photo", tmp_path / "disc.png")
    expect(page.locator("#editor")).to_be_visible()
    expect(page.locator("#matte")).to_be_disabled()
    drag(page, 0.3)
    expect(page.locator("#matte")).to_be_enabled()
    trimap = download(page, "#save-trimap", tmp_path / "disc-trimap.png")[:, :, 0]
    assert trimap.shape == (288, 400)
    assert trimap[144, 200] == 255
    assert trimap[144, round(200 + 288 * 0.3)] == 128
    assert trimap[5, 5] == trimap[280, 390] == 0

    page.keyboard.press("Control+z")
    expect(page.locator("#matte")).to_be_disabled()
    page.keyboard.press("Control+y")
    expect(page.locator("#matte")).to_be_enabled()
    page.keyboard.press("Control+z")
    page.set_input_files("#trimap", tmp_path / "disc-trimap.png")
    expect(page.locator("#matte")).to_be_enabled()
    again = download(page, "#save-trimap", tmp_path / "disc-trimap.png")
    np.testing.assert_array_equal(again[:, :, 0], trimap)
    assert tab.errors == []


def test_a_mask_or_a_box_becomes_a_trimap_that_can_be_painted_on(site, open_page, tmp_path):
    image, large = (np.repeat(np.repeat(array, 4, 0), 4, 1) for array in (IMAGE, TRIMAP))
    mask = np.uint8(255) * (large > 0)
    (tmp_path / "disc.png").write_bytes(png(image))
    (tmp_path / "mask.png").write_bytes(png(mask))
    tab = open_page(1280)
    page = tab.page
    page.set_input_files("#photo", tmp_path / "disc.png")
    expect(page.locator("#editor")).to_be_visible()
    page.set_input_files("#mask", tmp_path / "mask.png")
    expect(page.locator("#matte")).to_be_enabled()
    made = download(page, "#save-trimap", tmp_path / "disc-trimap.png")[:, :, 0]
    np.testing.assert_array_equal(made, trimap_from_mask(site.matter(), image, mask))

    page.click("#clear")
    expect(page.locator("#matte")).to_be_disabled()
    page.click("[value=box]")
    marks = page.locator("#marks").bounding_box()
    scale = marks["width"] / 400
    page.mouse.move(marks["x"] + 80 * scale, marks["y"] + 40 * scale)
    page.mouse.down()
    page.mouse.move(marks["x"] + 200 * scale, marks["y"] + 200 * scale)
    page.mouse.move(marks["x"] + 320 * scale, marks["y"] + 250 * scale)
    expect(page.locator("#pointer path")).to_have_attribute("d", re.compile("^M80,40H320V250H80Z$"))
    page.mouse.up()
    expect(page.locator("#matte")).to_be_enabled()
    made = download(page, "#save-trimap", tmp_path / "disc-trimap.png")[:, :, 0]
    expected = trimap_from_mask(site.matter(), image, mask_from_box(image, Box(80, 40, 320, 250)))
    np.testing.assert_array_equal(made, expected)

    page.click("[value=background]")
    drag(page, 0.1)
    painted = download(page, "#save-trimap", tmp_path / "disc-trimap.png")[:, :, 0]
    assert (made[144, 200 - 29], painted[144, 200 - 29]) == (255, 0)
    (tmp_path / "empty.png").write_bytes(png(np.zeros_like(mask)))
    page.set_input_files("#mask", tmp_path / "empty.png")
    expect(page.locator("#error")).to_contain_text("mask: no pixel is above half")
    page.click("#matte")
    expect(page.locator("#outcome")).to_be_visible()
    assert all("400 (Bad Request)" in error for error in tab.errors)


def test_a_bad_file_gives_a_message_on_the_page_and_it_goes_on(site, open_page, tmp_path):
    tab = open_page(1280)
    page = tab.page
    said = page.locator("#error")
    (tmp_path / "words.png").write_bytes(b"no image")
    page.set_input_files("#photo", tmp_path / "words.png")
    expect(said).to_contain_text("words.png is not a picture")
    expect(said).to_be_visible()
    (tmp_path / "large.png").write_bytes(bytes(1_100_000))
    page.set_input_files("#photo", tmp_path / "large.png")
    expect(said).to_contain_text("at most 1 MB")
    page.click("button[title=giraffe]")
    expect(page.locator("#matte")).to_be_enabled()
    expect(said).to_be_hidden()
    (tmp_path / "small.png").write_bytes(TRIMAP_FILE)
    page.set_input_files("#trimap", tmp_path / "small.png")
    expect(said).to_contain_text("trimap: 100 x 72 pixels; the photo's 896 x 504 are expected")

    # a picture that the browser can read and the server does not take
    Image.fromarray(IMAGE).save(tmp_path / "photo.avif")
    page.set_input_files("#photo", tmp_path / "photo.avif")
    expect(page.locator("#marks")).to_have_js_property("width", 100)
    page.set_input_files("#trimap", tmp_path / "small.png")
    expect(said).to_contain_text("photo: not a readable image; taken are PNG, JPEG")
    expect(page.locator("#progress")).to_be_hidden()

    page.click("button[title=giraffe]")
    expect(page.locator("#marks")).to_have_js_property("width", 896)
    expect(page.locator("#matte")).to_be_enabled()
    page.click("#matte")
    expect(page.locator("#outcome")).to_be_visible()
    assert all("400 (Bad Request)" in error for error in tab.errors)
