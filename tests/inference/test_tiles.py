"""Tiles give what the whole gives, whatever the size."""

from dataclasses import replace

import cv2
import numpy as np
import pytest
import torch

from erkd.inference.engines import Engine, onnx_engine, torch_engine
from erkd.inference.predict import predict_alpha
from erkd.inference.tiles import Box, estimate, pool_known, tiles, upsampled_prior, whole_prior
from erkd.io.images import trimap_unit, unit
from erkd.students import PRIOR_STRIDES
from erkd.students.prior.closed_form import apply_linear_model
from erkd.students.prior.propagation import propagate
from erkd.students.student import save_student
from tests.support.onnx_student import write_student
from tests.support.photo import photo
from tests.support.students import small_student


@pytest.fixture(scope="module", params=[False, True], ids=["fine", "coarse"])
def student(request, tmp_path_factory):
    """A small network with random weights, and the engine that runs it."""
    network = small_student(coarse=request.param).eval()
    folder = tmp_path_factory.mktemp("student")
    save_student(network, folder, {})
    return network, torch_engine(folder, "cpu")


def run(engine, image, trimap, tile):
    alpha = np.empty(trimap.shape, np.float32)
    estimate(engine, image, trimap, alpha, tile)
    return alpha


def smooth_photo(height, width):
    """A photo with structure at several scales, and a trimap with an unknown ring."""
    rng = np.random.default_rng(0)
    image = sum(
        cv2.resize(rng.random((height // step, width // step, 3), np.float32), (width, height))
        for step in (4, 16, 64)
    )
    return np.uint8(image * 85), photo(height, width)[1]


@pytest.mark.parametrize("size", [(64, 96), (70, 101), (33, 20)])
def test_the_prior_is_that_of_propagation(student, size):
    image, trimap = photo(*size)
    padding = [(0, -side % 32) for side in size]
    inputs = (np.pad(unit(image), [*padding, (0, 0)], "symmetric"), np.pad(trimap_unit(trimap), padding, "symmetric"))
    expected = propagate(
        torch.from_numpy(inputs[0]).permute(2, 0, 1)[None],
        torch.from_numpy(inputs[1])[None, None],
        student[1].prior_stride,
    )
    found, stride = whole_prior(student[1], image, trimap)
    assert stride == student[1].prior_stride
    found = found.transpose(2, 0, 1)[None]
    np.testing.assert_allclose(found[:, :8], expected[:, :8].numpy(), atol=2e-5)
    means = torch.from_numpy(pool_known(image, trimap, stride, 32 // stride)[:, :3])
    guesses = [
        apply_linear_model(prior[:, 8:11], prior[:, 11:], means) for prior in (torch.from_numpy(found), expected)
    ]
    torch.testing.assert_close(*guesses, atol=1e-3, rtol=0)  # slopes along colours that do not vary are free


@pytest.mark.parametrize("stride", PRIOR_STRIDES)
def test_strips_do_not_show(stride):
    image, trimap = photo(600, 40)  # more than one strip
    both = pool_known(image, trimap, stride, 8), pool_known(unit(image), trimap, stride, 8)
    np.testing.assert_allclose(*both, atol=1e-6)


def test_priors_of_large_images_have_fewer_cells(student, monkeypatch):
    cell = student[1].prior_stride
    image, trimap = smooth_photo(64 * cell, 82 * cell)
    fine, _ = whole_prior(student[1], image, trimap)
    monkeypatch.setattr("erkd.inference.tiles.CELLS", 3000)
    coarse, stride = whole_prior(student[1], image, trimap)
    assert stride == 2 * cell
    assert coarse.shape == (32, -(-41 * cell // 32) * 32 // cell, 12)
    whole = upsampled_prior(coarse, stride, Box(0, 64 * cell, 0, 82 * cell), cell)
    assert whole.shape == (64, 82, 12)
    assert np.abs(whole[:, :, [0, 4]] - fine[:64, :82, [0, 4]]).mean() < 0.05
    box = Box(8 * cell, 40 * cell, 24 * cell, 80 * cell)
    np.testing.assert_array_equal(upsampled_prior(coarse, stride, box, cell), box.of(whole, cell))


@pytest.mark.parametrize("size", [(64, 96), (70, 101)])
def test_one_tile_is_the_whole(student, size):
    network, engine = student
    image, trimap = photo(*size)
    expected = predict_alpha(network, unit(image), trimap_unit(trimap))
    # 3e-5 since pairs of colours are weighed: OpenCV rounds the means of cells elsewhere than torch
    np.testing.assert_allclose(run(engine, image, trimap, 1024), expected, atol=6e-5)


@pytest.mark.slow
def test_many_tiles_are_the_whole(student):
    """The bars: a mean difference of 0.002 at most, 0.03 at any pixel."""
    network, engine = student
    image, trimap = smooth_photo(900, 1010)
    expected = predict_alpha(network, unit(image), trimap_unit(trimap))
    tile = 2 * engine.margin + 224
    difference = np.abs(run(engine, image, trimap, tile) - expected)[trimap == 128]
    assert difference.mean() <= 0.002
    assert difference.max() <= 0.03
    narrow = np.abs(run(replace(engine, margin=0), image, trimap, 160) - expected)[trimap == 128]
    assert narrow.max() > difference.max()  # without a margin the seams would show


def test_what_sees_the_whole_is_the_same_in_every_tile(tmp_path):
    engine = onnx_engine(write_student(tmp_path / "student.onnx"))
    image, trimap = photo(500, 400)
    np.testing.assert_allclose(run(engine, image, trimap, 96), run(engine, image, trimap, 1024), atol=1e-6)


@pytest.mark.parametrize("tile", [96, 128, 160, 1024])
def test_tiles_cover_the_unknown_once_and_fit(tile):
    _, trimap = photo(301, 420)
    covered = np.zeros((320, 448), int)
    for kept, seen in tiles(trimap, tile, margin=32):
        covered[kept.top : kept.bottom, kept.left : kept.right] += 1
        assert (seen.bottom - seen.top) * (seen.right - seen.left) <= tile * tile
        assert all(edge % 32 == 0 for edge in (seen.top, seen.bottom, seen.left, seen.right))
        assert seen.top in (0, kept.top - 32)
        assert seen.bottom in (320, kept.bottom + 32)
    assert covered.max() == 1
    assert (covered[:301, :420][trimap == 128] == 1).all()


def test_tiles_without_unknown_pixels_are_not_run(tmp_path):
    engine = onnx_engine(write_student(tmp_path / "student.onnx"))
    seen = []
    counting = Engine(
        lambda *inputs: seen.append(inputs[0].shape) or engine.network(*inputs), engine.spread, 32, 4, ""
    )
    trimap = np.zeros((640, 640), np.uint8)
    trimap[5:9, 5:9] = trimap[600:604, 630:634] = 128
    run(counting, np.zeros((640, 640, 3), np.uint8), trimap, 128)
    assert seen == [(1, 3, 64, 64), (1, 3, 96, 64)]


def test_only_the_surroundings_of_the_unknown_are_looked_at(student):
    _, engine = student
    seen = []
    watched = replace(engine, spread=lambda pooled: seen.append(pooled.shape[2:]) or engine.spread(pooled))
    image, trimap = smooth_photo(320, 416)[0], np.full((320, 416), 255, np.uint8)
    trimap[130:150, 260:300], trimap[:, 290:] = 128, 0
    trimap[130:150, 290:300] = 128
    alpha = run(watched, image, trimap, 1024)
    cell = engine.prior_stride
    assert seen == [(96 // cell, 128 // cell)]  # 32 x 64 pixels, and 32 on each side
    np.testing.assert_array_equal(alpha[trimap != 128], trimap[trimap != 128] / 255)
    image[:96], image[192:], image[:, :224], image[:, 352:] = 0, 255, 7, 8
    np.testing.assert_array_equal(run(engine, image, trimap, 1024), alpha)
