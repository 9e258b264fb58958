"""Matter: from arrays to arrays, with a stand-in for the student."""

import subprocess
import sys
import threading

import numpy as np
import pytest

from erkd import Matter
from erkd.io.files import InputError
from erkd.io.images import save_image
from tests.support.onnx_student import write_student
from tests.support.photo import photo


@pytest.fixture(scope="module")
def matter(tmp_path_factory):
    return Matter.load(write_student(tmp_path_factory.mktemp("student") / "student.onnx"), "cpu")


def test_known_pixels_come_back_and_the_rest_is_in_range_whatever_the_types(matter):
    image, trimap = photo()
    alpha = matter(image, trimap)
    for given, before in zip((image, trimap), photo(), strict=True):
        np.testing.assert_array_equal(given, before)  # inputs stay as they are
    assert (alpha.shape, alpha.dtype) == ((70, 100), np.float32)
    assert (alpha[trimap == 255] == 1).all()
    assert (alpha[trimap == 0] == 0).all()
    unknown = alpha[trimap == 128]
    assert 0 <= unknown.min() < unknown.max() <= 1
    floats = image.astype(np.float32) / 255, np.select([trimap == 0, trimap == 255], [0.0, 1.0], 0.5)
    np.testing.assert_allclose(matter(*floats), alpha, atol=1e-6)
    whole = np.empty(trimap.shape, np.uint8)
    matter.write(image, trimap, whole)
    np.testing.assert_array_equal(whole, np.rint(alpha * 255))


def test_threads_do_not_disturb_each_other(matter):
    pairs = [photo(50 + 7 * seed, 60, seed) for seed in range(6)]
    expected, found = matter.batch(pairs), [None] * len(pairs)

    def run(index):
        for _ in range(5):
            found[index] = matter(*pairs[index])

    threads = [threading.Thread(target=run, args=(index,)) for index in range(len(pairs))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_array_equal(one, other)


IMAGE, TRIMAP = photo(8, 9)
FLOAT = IMAGE.astype(np.float32) / 255
BAD = {
    "image: H x W x 3 is expected; found 8 x 9": IMAGE[:, :, 0],
    "image: H x W x 3 is expected; found 8 x 9 x 4": np.dstack([IMAGE, TRIMAP]),
    "image: H x W x 3 is expected; found list": [[1]],
    "image: uint8 or a floating type is expected; found int64": IMAGE.astype(np.int64),
    r"image: values in \[0, 1\] are expected; found 0.* to 255": IMAGE.astype(np.float32),
    r"image: values in \[0, 1\] are expected; found nan": np.where(FLOAT.max() == FLOAT, np.nan, FLOAT),
    r"trimap: the image's 8 x 9 \(height x width\) is expected; found 7 x 9": TRIMAP[:7],
    "trimap: the image's 8 x 9 .* found 8 x 9 x 1": TRIMAP[:, :, None],
    "trimap: a mask, an alpha or a photo": np.where(TRIMAP == 128, np.uint8(200), TRIMAP),
    r"trimap: values in \[0, 1\] are expected; found 0 to 255": TRIMAP.astype(np.float32),
    r"trimap: values in \[0, 1\] are expected; found nan": np.full((8, 9), np.nan),
    "trimap: uint8 or a floating type is expected; found bool": TRIMAP == 0,
    "trimap: no pixel is unknown": np.where(TRIMAP == 128, np.uint8(0), TRIMAP),
}


@pytest.mark.parametrize("message", BAD)
def test_a_bad_image_or_trimap_is_refused_by_name(matter, message):
    with pytest.raises(InputError, match=message):
        matter(**{"image": IMAGE, "trimap": TRIMAP, message.partition(":")[0]: BAD[message]})


def test_a_tile_smaller_than_what_it_must_see_is_refused(tmp_path):
    path = write_student(tmp_path / "student.onnx", margin=64)
    with pytest.raises(InputError, match="tile: 159 pixels; 160 at least"):
        Matter.load(path, "cpu", tile=159)
    assert Matter.load(path, "cpu", tile=160).tile == 160


HEAVY = {"torch", "pandas", "scipy", "skimage", "numba", "matplotlib", "mlflow", "joblib", "onnx", "rich.progress"}


def test_matting_a_photo_imports_nothing_heavy(tmp_path):
    """Neither torch nor what would make `erkd matte` start late."""
    student = write_student(tmp_path / "student.onnx")
    files = [tmp_path / name for name in ("photo.png", "trimap.png", "alpha.png")]
    for array, file in zip(photo(40, 40), files, strict=False):
        save_image(array, file)
    command = ["matte", files[0], "--trimap", files[1], "-o", files[2], "--model", student, "--device", "cpu"]
    code = (
        "import sys; from erkd.cli import app; app(sys.argv[1:], standalone_mode=False);"
        f"print(*{HEAVY} & set(sys.modules))"
    )
    run = subprocess.run([sys.executable, "-c", code, *map(str, command)], capture_output=True, text=True, check=True)
    assert run.stdout.split() == []
    assert files[2].is_file()
